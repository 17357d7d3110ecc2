"""Fuse: several columns -> one answer a row. One method a file."""

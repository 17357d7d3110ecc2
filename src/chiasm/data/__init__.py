"""Data: reading a user's tables and folders, toy generators with known answers, the embedded demo."""

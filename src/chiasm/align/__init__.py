"""Aligners: Views of several columns -> Views of one shared width, so that any view finds any other."""

"""Texts as arrays of known words: what the signals of groundedness compare."""

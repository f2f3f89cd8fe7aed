"""Texts as arrays of word numbers: the basis of the signals of groundedness."""

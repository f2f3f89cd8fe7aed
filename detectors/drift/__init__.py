"""Distances between the distribution of a column in a window and in the baseline, one a file."""

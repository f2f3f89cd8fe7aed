"""Comparisons of arms, and of a shadow with what it shadows, that may be looked at whenever one likes."""

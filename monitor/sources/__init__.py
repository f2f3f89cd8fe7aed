"""The only readers of THEIR tables."""

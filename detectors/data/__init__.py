"""Packaged word lists and fitted parameters of signals; each file states its source."""

"""Signals: scores of single records, each a pure function from records to one column, one per file."""

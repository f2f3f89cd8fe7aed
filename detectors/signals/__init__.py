"""Per-record scores: each a pure function from records to one column, one a file."""

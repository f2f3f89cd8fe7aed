"""Drill-downs after an alert, over samples of rows: a test over all columns together, and their importance."""

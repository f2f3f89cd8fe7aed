"""What people ask after an alarm: do all columns together differ, and which of them tells? Over samples of rows."""

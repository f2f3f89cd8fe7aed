"""From a window and a baseline to findings."""

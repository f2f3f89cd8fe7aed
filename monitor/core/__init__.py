"""What everything stands on: time, text, files, logs; no logic of its own."""

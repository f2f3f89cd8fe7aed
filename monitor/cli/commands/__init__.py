"""What the command line does; `monitor/cli` only names and documents it."""

"""What the command line does; `monitor/cli.py` only names and documents it."""

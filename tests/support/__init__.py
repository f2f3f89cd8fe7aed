"""Helpers of the tests: a real PostgreSQL, the machine's tools, and control over child processes."""

"""Checks: compare a window with a baseline and return findings."""

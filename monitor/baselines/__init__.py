"""Baselines: fingerprint, range and lifecycle."""

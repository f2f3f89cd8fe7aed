"""Typed models of driftd.yaml, and the loader that validates them."""

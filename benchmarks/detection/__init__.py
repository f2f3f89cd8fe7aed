"""Quiet, simulated, injected and annotated streams, and what the peers make of them."""

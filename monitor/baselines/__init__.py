"""Learning, reviewing and keeping baselines."""

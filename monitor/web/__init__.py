"""The page, the JSON interface and /metrics: committed state, read only."""

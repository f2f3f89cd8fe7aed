"""driftd.yaml and its typed models."""

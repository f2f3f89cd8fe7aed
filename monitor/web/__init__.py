"""The web pages, the JSON API and /metrics: read-only views of committed state."""

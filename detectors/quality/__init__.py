"""Whether the data are what they were: shares that should not rise, schema, volume, freshness."""

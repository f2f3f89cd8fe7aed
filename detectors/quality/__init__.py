"""Data quality: shares that should not rise, schema, volume, freshness."""

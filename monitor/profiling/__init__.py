"""From records to aggregates of a bucket."""

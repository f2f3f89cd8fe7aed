"""Profiling: compute the aggregates of a bucket from its records."""

"""Scheduled work around the pipeline."""

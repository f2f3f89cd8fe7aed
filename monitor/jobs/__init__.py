"""Scheduled work beside the pipeline."""

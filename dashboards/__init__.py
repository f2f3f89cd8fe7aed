"""Grafana dashboard and Prometheus rules, generated from the exported metrics."""

"""Alerting: decide incidents, suspects and silences from findings."""

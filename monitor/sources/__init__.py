"""Readers of the records of monitored applications. Only this package reads their databases."""

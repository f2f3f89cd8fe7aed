"""The demo: a real model swap at real arrival times, watched by the real daemon. Nothing is scripted.

The application below knows when it swaps its model, and what its deploy hook does when it is called. Driftd
knows neither; it only reads the log table.
"""

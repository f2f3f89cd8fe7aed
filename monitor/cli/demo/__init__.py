"""The demo: a recorded model swap at recorded arrival times, monitored by the daemon. Nothing is scripted.

The application swaps its model and has a deploy hook. The daemon has no information about either; it only reads the
log table.
"""

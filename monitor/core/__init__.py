"""Types and utilities that every other package imports: incidents, actions, record batches, time, files, logs."""

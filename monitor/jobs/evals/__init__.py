"""Continuous evaluations: send the cases of a suite, score the answers, and compare them with the last good run.

`suite` reads a suite, `client` sends its requests, `score` scores the answers, `compare` decides, `run` combines them.
"""

"""Continuous evaluations: a suite of cases is asked, scored, and compared with its last good run.

`suite` reads what is asked, `client` asks, `score` scores, `compare` decides, `run` does one after the other.
"""

"""How well the model does: measured where labels have arrived, estimated where they have not.

Everything is computed from small summaries of a bucket that add up to the summary of a window:
:class:`~detectors.performance.classification.Scores` of a classifier,
:class:`~detectors.performance.regression.Errors` of a regression, and
:class:`~detectors.performance.dle.Losses` of a regression without labels.
"""

"""How well the model does: measured where labels have arrived, estimated where they have not.

Everything is computed from one column that adds up from bucket to bucket (:mod:`detectors.outcome`): of a classifier
how many positives, negatives and unlabelled rows fell into each cell of its score; of a regression its errors, and
those that were expected. :mod:`tables` says what was counted and what is to be expected, :mod:`metrics` what that comes
to, :mod:`record` how far the one may lie from the other, :mod:`losses` what a regression's errors are expected to be.
"""

"""Performance of a model: measured where labels have arrived, estimated where they have not.

All metrics are computed from one column that adds up over buckets (:mod:`detectors.outcome`): for a classifier the
number of positive, negative and unlabelled rows in each cell of its score; for a regression its errors, and the
expected ones. :mod:`tables` has the observed and expected counts, :mod:`metrics` the metrics of them,
:mod:`interval_calibration` the interval of an estimate, :mod:`losses` the expected errors of a regression.
"""

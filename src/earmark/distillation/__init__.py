"""One small network learns from many: published networks label augmented music, and a student learns from their labels.

The labelled music itself is a dataset, :mod:`earmark.datasets.labelled_set`; a student is trained by `earmark train`.
"""

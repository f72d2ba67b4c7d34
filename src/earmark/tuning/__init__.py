"""Hyper-parameter searches: one hyper-parameter at a time, a grid, at random, or by TPE (Optuna).

A search is a YAML file (:mod:`earmark.tuning.search`); :func:`earmark.tuning.run.tune` carries it out.
"""

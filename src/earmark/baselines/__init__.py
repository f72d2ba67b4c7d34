"""Hand-made features and gradient boosted trees, one model per tag: what a network has to beat (pons2017, section 4)."""

from earmark.baselines.cache import dataset_features, files_features
from earmark.baselines.features import FEATURES, Feature, features_version, file_features, waveform_features
from earmark.baselines.gbt import BaselineConfig
from earmark.baselines.run import run_baseline

__all__ = [
    "FEATURES",
    "BaselineConfig",
    "Feature",
    "dataset_features",
    "features_version",
    "file_features",
    "files_features",
    "run_baseline",
    "waveform_features",
]

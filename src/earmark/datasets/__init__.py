"""Labelled music: one module per dataset, and one type for all of them. Never imports models."""

from earmark.datasets import (
    emomusic,
    emotify,
    extended_ballroom,
    fma,
    fsd50k_music,
    gtzan,
    labelled_set,
    magnatagatune,
    manifest,
    msd,
    mtg_jamendo,
    nsynth,
    openmic,
)
from earmark.datasets.base import SPLITS, Clip, Dataset, DatasetInfo, Protocol, StoredAudio, label_matrix
from earmark.datasets.downloads import Download
from earmark.datasets.registry import dataset_info, list_datasets, load_dataset, register_dataset

__all__ = [
    "SPLITS",
    "Clip",
    "Dataset",
    "DatasetInfo",
    "Download",
    "Protocol",
    "StoredAudio",
    "dataset_info",
    "emomusic",
    "emotify",
    "extended_ballroom",
    "fma",
    "fsd50k_music",
    "gtzan",
    "label_matrix",
    "labelled_set",
    "list_datasets",
    "load_dataset",
    "magnatagatune",
    "manifest",
    "msd",
    "mtg_jamendo",
    "nsynth",
    "openmic",
    "register_dataset",
]

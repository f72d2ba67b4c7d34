"""Labelled music: one module per dataset, and one type for all of them. Never imports models."""

from earmark.datasets import emotify, labelled_set, magnatagatune, manifest, msd, mtg_jamendo
from earmark.datasets.base import SPLITS, Clip, Dataset, DatasetInfo, Download, Protocol, StoredAudio, label_matrix
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
    "emotify",
    "label_matrix",
    "labelled_set",
    "list_datasets",
    "load_dataset",
    "magnatagatune",
    "manifest",
    "msd",
    "mtg_jamendo",
    "register_dataset",
]

"""Labelled music, one file a dataset, one head for all. Never imports models."""

from earmark.datasets import emotify, magnatagatune, manifest, msd, mtg_jamendo
from earmark.datasets.base import SPLITS, Clip, Dataset, DatasetInfo, Download, Protocol, label_matrix
from earmark.datasets.registry import dataset_info, list_datasets, load_dataset, register_dataset

__all__ = [
    "SPLITS",
    "Clip",
    "Dataset",
    "DatasetInfo",
    "Download",
    "Protocol",
    "dataset_info",
    "emotify",
    "label_matrix",
    "list_datasets",
    "load_dataset",
    "magnatagatune",
    "manifest",
    "msd",
    "mtg_jamendo",
    "register_dataset",
]

"""Which clip goes into which shard, under which key and with which metadata: a function of the dataset alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from earmark.core.errors import ConfigError
from earmark.datasets.base import Clip, Dataset
from earmark.shards.layout import Header

_HASH_DIGITS = 8
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class PlannedClip:
    """A clip, its WebDataset key and its metadata (the JSON next to its audio)."""

    clip: Clip
    key: str
    metadata: dict[str, Any]


def plan_clips(datasets: Sequence[Dataset]) -> list[PlannedClip]:
    """All clips of a dataset in the order of its shards.

    The order is by a hash of the clip's id, effectively random, so that reading shards in sequence does
    not meet one artist's clips in a row, and so that the first shard is as large as the others.

    Args:
        datasets: one dataset under one or several protocols. A clip's labels are those of the first that has it.

    Raises:
        ConfigError: no dataset, several, one protocol twice, or a clip whose file depends on the protocol.
    """
    names = sorted({dataset.name for dataset in datasets})
    protocols = [dataset.protocol for dataset in datasets]
    if len(names) != 1:
        raise ConfigError(f"one dataset goes into a folder of shards, here are {len(names)}: {', '.join(names)}")
    if len(set(protocols)) < len(protocols):
        raise ConfigError(f"protocols {', '.join(protocols)}: one is there more than once")
    clips: dict[str, Clip] = {}
    metadata: dict[str, dict[str, Any]] = {}
    moved = []
    for dataset in datasets:
        for clip in dataset.clips:
            if clip.clip_id not in clips:
                clips[clip.clip_id] = clip
                metadata[clip.clip_id] = {
                    "clip_id": clip.clip_id,
                    "dataset": dataset.name,
                    "artist": clip.artist,
                    "song": clip.song,
                    "splits": {},
                    "labels_protocol": dataset.protocol,
                    "labels": _labels(dataset, clip),
                }
            elif clips[clip.clip_id].path != clip.path:
                moved.append(clip.clip_id)
            metadata[clip.clip_id]["splits"][dataset.protocol] = clip.split
    if moved:
        raise ConfigError(f"{len(moved)} clips have other files under another protocol, e.g. {moved[:_SHOWN]}")
    digests = {clip_id: _digest(clip_id) for clip_id in clips}
    order = sorted(clips, key=lambda clip_id: (digests[clip_id], clip_id))
    return [
        PlannedClip(clips[clip_id], f"{place:07d}-{digests[clip_id][:_HASH_DIGITS]}", metadata[clip_id])
        for place, clip_id in enumerate(order)
    ]


def clip_list_digest(planned: Sequence[PlannedClip]) -> str:
    """SHA-256 (hex) of the ids in their order."""
    return _digest(json.dumps([item.clip.clip_id for item in planned]))


def metadata_digest(planned: Sequence[PlannedClip]) -> str:
    """SHA-256 (hex) of all metadata."""
    return _digest(json.dumps([item.metadata for item in planned], sort_keys=True))


def differences(wanted: Header, found: Header) -> list[str]:
    """Differences between the existing and the wanted shards, one line each; empty if there are none."""
    problems = []
    for name, title in (
        ("dataset", "dataset"),
        ("protocols", "protocols"),
        ("audio", "audio"),
        ("sample_rate_hz", "sample rate in Hz"),
        ("n_clips", "number of clips"),
    ):
        there, here = getattr(found, name), getattr(wanted, name)
        if there != here:
            problems.append(f"{title}: {_words(there)} there, {_words(here)} wanted")
    if not problems and wanted.clip_list != found.clip_list:
        problems.append("the clips differ: as many, but not the same ids")
    if not problems and wanted.metadata != found.metadata:
        problems.append("labels, splits, artists or songs of the dataset have changed since")
    return problems


def _labels(dataset: Dataset, clip: Clip) -> dict[str, int | float | None]:
    """Label of each tag: 0 or 1, a number in 0..1, None if the clip is not labelled for it."""
    return {
        tag.name: None if np.isnan(x) else int(x) if tag.kind == "classification" else float(str(x))
        for tag, x in zip(dataset.vocabulary.tags, clip.labels, strict=True)
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _words(value: object) -> str:
    if value is None:  # the sample rate of audio that is kept as it is
        return "each file's own"
    return " and ".join(map(str, value)) if isinstance(value, tuple) else str(value)

"""Datasets decoded once: WebDataset shards of FLAC or of the original files, with random access. No torch.

Layout of a folder: :mod:`earmark.shards.layout`.
"""

from earmark.shards.layout import AudioKind, Entry, FailedClip, Header
from earmark.shards.prepare import prepare
from earmark.shards.reader import ShardAudio, ShardWaveform
from earmark.shards.shard_writer import PrepareProgress, PrepareReport

__all__ = [
    "AudioKind",
    "Entry",
    "FailedClip",
    "Header",
    "PrepareProgress",
    "PrepareReport",
    "ShardAudio",
    "ShardWaveform",
    "prepare",
]

"""Datasets decoded once: WebDataset shards of FLAC or of the original files, with random access. No torch.

Layout of a folder: :mod:`earmark.shards.layout`.
"""

from earmark.shards.layout import Entry, FailedClip, Header
from earmark.shards.reader import ShardAudio, ShardWaveform

__all__ = ["Entry", "FailedClip", "Header", "ShardAudio", "ShardWaveform"]

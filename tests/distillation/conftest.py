"""Music of a made Emotify and a made corpus, and what labelling it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.default_model.corpus import read_collections

from earmark.datasets.labelled_set.shards import EXAMPLE_SAMPLES, RATE_HZ
from earmark.distillation.labelling_inputs import LabellingInputs
from earmark.distillation.teachers import load_teacher
from earmark.tagging.runtime import find_model
from earmark.training.audio_store import AudioStore
from tests.helpers.labelled_sets import write_collections


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A made Emotify and a made corpus: 24 sources, the first with three excerpts."""
    return write_collections(tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="session")
def inputs(folders: tuple[Path, Path]) -> LabellingInputs:
    """Songs, and one real network of several windows."""
    songs = read_collections(*folders)
    packed = AudioStore(RATE_HZ).load([song.path for song in songs])
    waveforms = {song.song_id: waveform for song, waveform in zip(songs, packed, strict=True)}
    teacher = load_teacher(find_model(), EXAMPLE_SAMPLES)
    return LabellingInputs(songs, waveforms, (teacher,), train_teachers=(teacher.name,))

"""Kept audio with few descriptors: a process may have 1,024, and datasets have far more clips."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from earmark.audio import load
from earmark.core.errors import DataError
from earmark.training.audio_store import AudioStore, KeptAudio, PackedAudio, TrimmedAudio
from tests.helpers.sounds import write

RATE_HZ = 8000
N_CLIPS, N_DESCRIPTORS = 2000, 256

EPOCH = """
from pathlib import Path
import numpy as np
from earmark.core.input_spec import InputSpec
from earmark.datasets import Clip
from earmark.training.audio_store import AudioStore
from earmark.training.data import TrainingWindows, ValidationClips
from earmark.training.sections import AugmentationSection, TrainingSection

folder = Path({folder!r})
paths = sorted(folder.glob("*.wav"))
waveforms = AudioStore(8000, folder / "kept").load(paths, jobs=4)
clips = [Clip(path.name, path, "train", np.ones(1, np.float32)) for path in paths]
spec = InputSpec(8000, 40, 40)
training = TrainingSection(epochs=1, batch_size=100)
windows = TrainingWindows(clips, waveforms, spec=spec, training=training, augmentation=AugmentationSection())
seen = sum(len(windows[0, i][0]) for i in range(len(windows)))
validation = ValidationClips(waveforms, spec)
loudest = max(float(validation[i][0].abs().max()) for i in range(len(validation)))
print(seen, len(validation), loudest > 0)
"""

NO_DESCRIPTOR_LEFT = """
import os
from pathlib import Path
from earmark.core.errors import DataError
from earmark.training.audio_store import AudioStore

path = Path({folder!r}) / "0000.wav"
(kept,) = AudioStore(8000, Path({folder!r}) / "kept").load([path])
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
for read in (kept.read, lambda: AudioStore(8000, Path({folder!r}) / "kept")._from_folder(path, kept.path.parent)):
    try:
        read()
    except Exception as error:
        print(error)
    os.close(taken.pop())  # of the source; the kept file finds none
print("the end")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two thousand clips of ten milliseconds, no two alike."""
    out = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    write(out / "0000.wav", rng.uniform(-0.9, 0.9, (1, 80)).astype(np.float32), RATE_HZ)
    header = (out / "0000.wav").read_bytes()
    n_bytes = len(header) - header.index(b"data") - 8
    for i in range(1, N_CLIPS):
        (out / f"{i:04}.wav").write_bytes(header[:-n_bytes] + rng.bytes(n_bytes))
    return out


def limited(program: str, folder: Path, n_descriptors: int) -> str:
    """Output of a program that may have so many descriptors."""
    text = textwrap.dedent(program).format(folder=str(folder))
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n_descriptors, n_descriptors)),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_two_thousand_clips_with_256_descriptors(folder: Path) -> None:
    assert limited(EPOCH, folder, N_DESCRIPTORS) == f"{N_CLIPS} {N_CLIPS} True"


@pytest.mark.slow
def test_too_many_open_files_are_reported_as_that(folder: Path) -> None:
    *said, _ = limited(NO_DESCRIPTOR_LEFT, folder, N_DESCRIPTORS).splitlines()
    assert len(said) == 2
    for line in said:
        assert "Too many open files" in line
        assert "damaged" not in line
    assert said[0].endswith("; raise the limit of open files, e.g. `ulimit -n 8192`")


@pytest.mark.slow
def test_kept_audio_is_the_files(folder: Path, tmp_path: Path) -> None:
    (kept,) = AudioStore(RATE_HZ, tmp_path).load([folder / "0000.wav"])
    assert isinstance(kept, KeptAudio)
    samples = load(folder / "0000.wav", RATE_HZ)
    assert len(kept) == len(samples)
    assert np.abs(kept.read() - samples).max() <= np.abs(samples).max() / 32767
    assert np.array_equal(kept.read(70, 20), np.pad(kept.read()[70:], (0, 10)))
    row = np.full(20, np.nan, np.float32)
    kept.read_into(row, 70)
    assert np.array_equal(row, kept.read(70, 20))
    assert len(kept.read(100)) == 0


def test_a_file_that_becomes_shorter_or_goes_is_named(folder: Path, tmp_path: Path) -> None:
    (kept,) = AudioStore(RATE_HZ, tmp_path).load([folder / "0000.wav"])
    assert isinstance(kept, KeptAudio)
    kept.path.write_bytes(kept.path.read_bytes()[:-20])
    with pytest.raises(DataError, match="has become shorter; delete it"):
        kept.read()
    kept.path.unlink()
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        kept.read()


def test_the_beginning_of_a_waveform() -> None:
    whole = PackedAudio.pack(np.random.default_rng(0).uniform(-0.9, 0.9, 100).astype(np.float32))
    part = TrimmedAudio(whole, 60)
    assert len(part) == 60
    assert np.array_equal(part.read(), whole.read()[:60])
    assert np.array_equal(part.read(50, 20), np.pad(whole.read(50, 10), (0, 10))), "nothing beyond its end"
    row = np.full(20, np.nan, np.float32)
    part.read_into(row, 50)
    assert np.array_equal(row, part.read(50, 20))
    assert not part.read(70, 5).any()
    assert len(TrimmedAudio(whole, 200)) == 100

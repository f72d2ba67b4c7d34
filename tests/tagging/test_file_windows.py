"""What is read of a file: its windows, and what is known of its audio; and the same of samples in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from earmark.core.errors import AudioError, TruncatedAudioError
from earmark.core.input_spec import Conditioning, InputSpec
from earmark.tagging.file_windows import FileWindows, waveform_windows
from tests.helpers import sounds

RATE_HZ = 8_000
SPEC = InputSpec(RATE_HZ, RATE_HZ, RATE_HZ, "pad")
CONDITIONED = InputSpec(RATE_HZ, RATE_HZ, RATE_HZ, "overlap", conditioning=Conditioning())


def read(path: Path, spec: InputSpec = SPEC, damaged: Literal["error", "tag"] = "tag") -> tuple[int, tuple[str, ...]]:
    """How many windows there are, and the warnings."""
    windows = FileWindows(path, spec, damaged=damaged)
    return len(list(windows)), windows.audio.warnings


def test_a_file_shorter_than_a_sample_at_the_models_rate_is_refused(tmp_path: Path) -> None:
    path = sounds.write_float_wav(tmp_path / "a.wav", np.ones((1, 100)), 500_000_000)
    with pytest.raises(AudioError, match="less audio than one sample at 8000 Hz"):
        read(path)


def test_a_truncated_file_is_refused_or_tagged(tmp_path: Path) -> None:
    whole = sounds.write(tmp_path / "a.flac", sounds.music(8, RATE_HZ), RATE_HZ)
    cut = sounds.shorten(whole, 0.6, tmp_path / "cut.flac")
    with pytest.raises(TruncatedAudioError):
        read(cut, damaged="error")
    n_windows, warnings = read(cut)
    assert 0 < n_windows < 8
    assert "truncated" in warnings[0]


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "note"), [(-1, "channels cancel each other"), (0, "1 of 2 channels is silent")])
@pytest.mark.parametrize("suffix", [".flac", ".wav", ".m4a"])
def test_a_truncated_file_has_the_notes_of_a_whole_one(tmp_path: Path, factor: int, note: str, suffix: str) -> None:
    music = sounds.music(12, 44_100)[0]
    whole = sounds.write(tmp_path / f"a{suffix}", np.stack([music, factor * music]), 44_100)
    content = bytearray(whole.read_bytes())
    if suffix == ".m4a":  # its index is at the end: damage instead
        start = content.index(b"mdat") + 20_000
        content[start : start + 60_000] = b"\xff" * 60_000
    else:
        content = content[: len(content) // 2]
    bad = tmp_path / f"bad{suffix}"
    bad.write_bytes(content)
    _, warnings = read(bad, CONDITIONED)
    assert any("truncated" in one or "damaged" in one for one in warnings)
    assert sum(note in one for one in warnings) == 1, warnings


def test_a_truncated_file_may_be_silent(tmp_path: Path) -> None:
    whole = sounds.write(tmp_path / "a.wav", np.zeros((1, 8 * RATE_HZ)), RATE_HZ)
    cut = sounds.shorten(whole, 0.6, tmp_path / "cut.wav")
    assert [one.split(":")[0] for one in read(cut)[1]] == ["truncated", "silent"]


@pytest.mark.parametrize("spec", [SPEC, CONDITIONED])
@pytest.mark.parametrize(("sparse_windows", "steps"), [(None, 1), (None, 4), (3, 1), (64, 1)])
@pytest.mark.parametrize("seconds", [0.4, 12.3])
def test_samples_in_memory_are_read_as_those_of_a_file(
    tmp_path: Path, spec: InputSpec, sparse_windows: int | None, steps: int, seconds: float
) -> None:
    samples = sounds.music(seconds, RATE_HZ).astype(np.float32)
    samples[:, len(samples[0]) // 2 : len(samples[0]) * 3 // 4] = 0
    path = sounds.write_float_wav(tmp_path / "a.wav", samples, RATE_HZ)
    of_file = FileWindows(path, spec, damaged="error", sparse_windows=sparse_windows, steps=steps)
    windows, audio = waveform_windows(samples, RATE_HZ, spec, sparse_windows, steps)
    np.testing.assert_allclose(np.stack(list(windows)), np.stack(list(of_file)), atol=1e-6)
    for name, expected in vars(of_file.audio).items():
        np.testing.assert_equal(getattr(audio, name), expected, err_msg=name)


def test_how_far_a_file_is_read_is_reported_and_can_end_it(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "a.wav", sounds.music(30, RATE_HZ), RATE_HZ)
    reports: list[float] = []

    def stop(file: Path, seconds: float) -> None:
        assert file == path
        reports.append(seconds)
        if seconds > 5:
            raise AudioError("takes too long", file)

    with pytest.raises(AudioError, match="takes too long"):
        list(FileWindows(path, SPEC, damaged="error", watch=stop))
    assert reports == sorted(reports)
    assert 5 < reports[-1] < 30

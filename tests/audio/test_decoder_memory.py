"""Audio files in memory are decoded and judged as files on disk are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark import audio
from earmark.core.errors import AudioError, TruncatedAudioError
from tests.helpers import sounds


@pytest.mark.parametrize("suffix", sounds.SUFFIXES)
def test_same_samples_as_from_disk(tmp_path: Path, suffix: str) -> None:
    rate_hz = 48_000 if suffix == ".opus" else 44_100
    path = sounds.write(tmp_path / f"a{suffix}", sounds.music(2.5, rate_hz, 2), rate_hz)
    from_disk = audio.load(path, 16_000)
    source = audio.AudioBytes.read(path)
    assert np.array_equal(audio.load(source, 16_000), from_disk)
    nameless = audio.AudioBytes(source.content, "clip 17")
    assert np.array_equal(audio.load(nameless, 16_000), from_disk)


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".wav", ".m4a"])
def test_truncation_in_memory_gives_the_same_error(tmp_path: Path, suffix: str) -> None:
    whole = sounds.write(tmp_path / f"a{suffix}", sounds.music(4, 22_050), 22_050)
    cut = sounds.shorten(whole, 0.6, tmp_path / f"b{suffix}")
    with pytest.raises(AudioError) as from_disk:
        audio.load(cut, 16_000)
    with pytest.raises(AudioError) as in_memory:
        audio.load(audio.AudioBytes(cut.read_bytes(), "tape"), 16_000)
    assert in_memory.value.reason == from_disk.value.reason
    assert type(in_memory.value) is type(from_disk.value)
    assert str(in_memory.value).startswith("tape: ")
    if suffix != ".m4a":  # its index is at the end: nothing at all can be decoded
        assert isinstance(in_memory.value, TruncatedAudioError)


def test_an_ogg_without_its_end_warns_in_memory_too(tmp_path: Path) -> None:
    whole = sounds.write(tmp_path / "a.ogg", sounds.music(4, 22_050), 22_050)
    stream = audio.stream(audio.AudioBytes(whole.read_bytes()[: whole.stat().st_size // 2], "a.ogg"), 16_000)
    list(stream)
    assert any("Ogg" in warning for warning in stream.warnings)


def test_what_is_not_audio() -> None:
    with pytest.raises(AudioError, match=r"nothing.mp3: the file is empty \(0 bytes\)"):
        audio.load(audio.AudioBytes(b"", "nothing.mp3"), 16_000)
    with pytest.raises(AudioError, match="text: not audio"):
        audio.load(audio.AudioBytes(b"these are words and no sound" * 100, "text"), 16_000)
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"
    with pytest.raises(AudioError, match="not audio"):
        audio.load(audio.AudioBytes(playlist, "list.m3u8"), 16_000)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp3"
    empty.touch()
    for path, reason in (
        (tmp_path / "gone.mp3", "no such file"),
        (tmp_path, "is a folder, not an audio file"),
        (empty, "the file is empty (0 bytes)"),
        (tmp_path / "\0.mp3", "not audio"),
    ):
        with pytest.raises(AudioError) as caught:
            audio.AudioBytes.read(path)
        assert caught.value.reason.startswith(reason)

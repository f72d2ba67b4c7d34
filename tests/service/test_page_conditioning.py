"""The page conditions music as the command line does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import earmark
from earmark import audio
from earmark.tagging.tag_scores import TagScores
from tests.helpers import sounds
from tests.helpers.page import CLIPS, CLOSE, same


def _music_in_odd_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Real music (a clip, 44.1 kHz) as files that need conditioning; with a word of the warning that each brings."""
    rate_hz = 44_100
    clip = 0.5 * audio.load(CLIPS[2], rate_hz)[: 20 * rate_hz]
    delay = rate_hz * 3 // 1000
    silent = np.zeros(12 * rate_hz, np.float32)
    quiet_sides = 0.3 * np.roll(clip, 5 * rate_hz)
    turned = np.where(np.arange(len(clip)) < 10 * rate_hz, clip, -clip)
    files = {
        "plain.wav": (clip, ""),
        "offset.wav": (clip + 0.1, ""),
        "quiet.wav": (0.01 * clip, ""),  # in 16 bits
        "half silent.flac": (np.concatenate([silent, clip[: 12 * rate_hz]]), "silent for 12.0 of 24.0 s"),
        "silent.wav": (silent[: 3 * rate_hz], "silent: nothing above -80 dBFS"),
        "short.wav": (np.concatenate([silent[:rate_hz], clip[: 3 * rate_hz]]), "short: 4.0 s"),
        "inverted.flac": (
            np.stack([clip, -clip]),
            "cancel each other when mixed to mono: one channel was used for 20 s",
        ),
        "turns.wav": (np.stack([clip, turned]), "one channel was used for 10 s"),
        "inverted.mp3": (np.stack([clip, -0.9 * clip]), "channels cancel"),
        "delayed.wav": (np.stack([clip[delay:], clip[:-delay]]), "channels cancel"),
        "one of six.wav": (np.stack([clip * (k == 3) for k in range(6)]), "5 of 6 channels are silent"),
        "surround.flac": (
            np.stack([clip, quiet_sides, 0.5 * clip, 0 * clip, quiet_sides, np.roll(clip, rate_hz)]),
            "1 of 6 channels is silent",
        ),
    }
    written = {name: (sounds.write(folder / name, samples, rate_hz), word) for name, (samples, word) in files.items()}
    eight = folder / "one of eight.wav"
    soundfile.write(eight, np.stack([clip * (k == 5) for k in range(8)], axis=1), rate_hz, format="WAVEX")
    return {**written, eight.name: (eight, "7 of 8 channels are silent")}


def _as_the_command_line(record: dict[str, Any], truth: TagScores, word: str) -> None:
    assert record["warnings"] == list(truth.warnings)
    assert word in " ".join(truth.warnings)
    wanted = truth.to_record()
    assert record["silent_seconds"] == pytest.approx(wanted["silent_seconds"], abs=0.11)
    for name in ("windows", "abstained"):
        assert record[name] == wanted[name]


def test_conditions_like_the_command_line(serve: Any, visit: Any, tagger: earmark.Tagger, tmp_path: Path) -> None:
    files = _music_in_odd_files(tmp_path)
    person = visit(serve().url)
    records = {record["path"]: record for record in person.tag(*(path for path, _ in files.values()))}
    for name, (path, word) in files.items():
        truth = tagger.tag(path)
        _as_the_command_line(records[name], truth, word)
        if not truth.silent:
            same(records[name], truth)
        assert np.abs(np.array(records[name]["taggram"]["scores"]) - truth.taggram).max() < 3 * CLOSE
    assert records["silent.wav"]["tags"] == []
    page = person.page
    page.click("#rows button.name:text-is('silent.wav')")
    assert page.inner_text("#tags") == "This file is silent, so it has no tags."
    assert page.inner_text("#now").endswith("silent")
    assert page.locator("#rows").get_by_text("silent: no tags").count() == 1
    page.click("#rows button.name:text-is('half silent.flac')")
    assert "0:24 of audio (0:12 of it silent)" in page.inner_text("#detail-about")
    assert page.inner_text("#now").endswith("silent")  # at its beginning


def test_conditions_whole_files_as_well(serve: Any, visit: Any, tagger: earmark.Tagger, tmp_path: Path) -> None:
    files = _music_in_odd_files(tmp_path)
    names = ("inverted.flac", "half silent.flac", "silent.wav", "short.wav", "one of six.wav", "one of eight.wav")
    person = visit(f"http://page.test:{serve().port}/")
    for record in person.tag(*(files[name][0] for name in names)):
        path, word = files[record["path"]]
        truth = tagger.tag(path)
        _as_the_command_line(record, truth, word)
        if not truth.silent:
            same(record, truth, close=2.5 * CLOSE)
    person.errors[:] = [error for error in person.errors if "Opener-Policy header has been ignored" not in error]

"""Progress of tagging: what callbacks are given, when, and in which thread."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import earmark
from earmark import AudioError, Tagger, TagProgress
from tests.helpers import sounds


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.write(tmp_path_factory.mktemp("song") / "song.flac", sounds.music(12, 44_100), 44_100)


@pytest.fixture(scope="module")
def half_an_hour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0).normal(0, 0.1, 1800 * 8000)
    return sounds.write(tmp_path_factory.mktemp("long") / "long.flac", noise, 8000)


@pytest.mark.slow
def test_every_file_is_reported_once_done_with_what_is_known_of_it(tagger: Tagger, song: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.mp3"
    given: list[TagProgress] = []
    results = list(tagger.tag_many([song, missing, song.read_bytes()], errors="return", on_progress=given.append))
    ends = [one for one in given if one.finished]
    assert [(one.done, one.total, one.path) for one in ends] == [(1, 3, song), (2, 3, missing), (3, 3, None)]
    assert [one.error for one in ends] == [None, results[1], None]
    assert ends[0].seconds == ends[0].duration_seconds == pytest.approx(12)
    assert ends[0].windows == len(results[0].taggram)
    assert (ends[1].seconds, ends[1].duration_seconds, ends[1].windows) == (0, None, 0)
    assert [one.done for one in given] == sorted(one.done for one in given)


@pytest.mark.slow
def test_a_progress_comes_before_the_result_it_is_about(tagger: Tagger, song: Path) -> None:
    given: list[TagProgress] = []
    for n, _ in enumerate(tagger.tag_many(iter([song, song]), on_progress=given.append), 1):
        last = given[-1]
        assert (last.done, last.total, last.path, last.finished) == (n, None, song, True)


@pytest.mark.slow
def test_a_long_file_is_followed_in_the_callers_thread(tagger: Tagger, half_an_hour: Path) -> None:
    given: list[TagProgress] = []
    threads = set()

    def follow(progress: TagProgress) -> None:
        given.append(progress)
        threads.add(threading.current_thread())

    tagger.tag(half_an_hour, on_progress=follow)
    on_the_way = [one for one in given if one.seconds and not one.finished]
    assert threads == {threading.current_thread()}
    assert len(on_the_way) >= 2
    for name in ("seconds", "windows"):
        values = [getattr(one, name) for one in given]
        assert values == sorted(values)
    assert [one.duration_seconds for one in on_the_way] == pytest.approx([1800] * len(on_the_way))
    assert {(one.done, one.path) for one in on_the_way} == {(0, half_an_hour)}


@pytest.mark.slow
def test_what_a_callback_raises_ends_the_tagging(tagger: Tagger, half_an_hour: Path) -> None:
    def stop(progress: TagProgress) -> None:
        if progress.seconds:
            raise KeyError(progress.seconds)

    with pytest.raises(KeyError) as caught:
        tagger.tag(half_an_hour, on_progress=stop)
    assert caught.value.args[0] < 1800
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("earmark-")]


def test_the_declared_length_of_a_truncated_file(tagger: Tagger, song: Path, tmp_path: Path) -> None:
    given: list[TagProgress] = []
    cut = sounds.shorten(song, 0.6, tmp_path / "cut.flac")
    with pytest.raises(AudioError, match="truncated"):
        tagger.tag(cut, on_progress=given.append)
    assert given[-1].finished
    assert given[-1].duration_seconds == pytest.approx(12)
    assert 0 < given[-1].seconds < 12
    assert given[-1].error is not None


def test_few_windows_of_a_long_file(half_an_hour: Path) -> None:
    given: list[TagProgress] = []
    earmark.load_tagger(windows=3).tag(half_an_hour, on_progress=given.append)
    assert (given[-1].windows, given[-1].seconds, given[-1].duration_seconds) == (3, 1800, 1800)

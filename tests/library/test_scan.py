"""Scans of a library: what is read, recognised and reported, and what is kept when things go wrong."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import onnx
import pytest
from mutagen.id3 import TIT2

from earmark.core.errors import AudioError, ConfigError, DataError
from earmark.library.index.rows import Track
from earmark.library.index.track_index import Index
from earmark.library.query.index_search import search_index
from earmark.library.scan import threads as scan_threads
from earmark.library.scan.content import Content, read_content
from earmark.library.scan.lazy_tagger import LazyTagger
from earmark.library.scan.scan import CHANGED_MEANWHILE, Scan, scan
from earmark.library.scan.summary import ScanProgress
from earmark.tagging.runtime import find_model
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import load_tagger
from tests.helpers import sounds
from tests.helpers.libraries import as_nobody, assert_same_content, clip, clips, content, happened, scanned


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "library.sqlite"


def tracks(index: Path) -> dict[str, Track]:
    """Tracks by the file's name."""
    with Index.open(index) as opened:
        return {track.path.name: track for track in opened.tracks()}


class Unwanted(LazyTagger):
    """A tagger that must not be called."""

    def tag_many(self, paths: Any, **options: Any) -> Iterator[TagScores | AudioError]:
        for path in paths:
            raise AssertionError(f"tagged: {path}")
        yield from ()


@pytest.mark.slow
def test_a_scan_stores_the_results_of_the_tagger(music: Path, index: Path) -> None:
    clips(music, 2)
    sounds.write(music / "third.flac", sounds.music(3, 44_100, 2, seed=7), 44_100)
    assert happened(scanned(index, music)) == {"new": 3, "tagged": 3}
    tagger = load_tagger(embeddings=True)
    found = tracks(index)
    assert set(found) == {"0.wav", "1.wav", "third.flac"}
    for track in found.values():
        expected = tagger.tag(track.path)
        np.testing.assert_allclose(track.scores, expected.scores, atol=1e-5)
        np.testing.assert_allclose(track.embedding, expected.embedding, atol=1e-4)
        assert track.duration_seconds == expected.duration_seconds
        assert track.status == "ok"


@pytest.mark.slow
def test_what_did_not_change_is_not_opened(music: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips(music, 3)
    (music / "broken.mp3").write_bytes(b"no music")
    scanned(index, music)
    before = content(index)

    def look(path: Path) -> None:
        raise AssertionError(f"opened: {path}")

    monkeypatch.setattr(scan_threads, "read_content", look)
    monkeypatch.setattr("earmark.tagging.tagger.OnnxModel", look)
    assert happened(scanned(index, music)) == {"unchanged": 3, "failed_before": 1}
    assert content(index) == before


@pytest.mark.slow
def test_moved_copied_and_relabelled_files_are_recognised(music: Path, index: Path) -> None:
    a, b, c, d = clips(music, 4)
    scanned(index, music)
    first_seen = {track: row for track, row in first_seens(index).items() if track == "0.wav"}
    (music / "new folder").mkdir()
    a.rename(music / "new folder" / "0.wav")  # the same inode
    shutil.copy(b, music / "new folder" / "other name.wav")  # another inode, and the old one gone
    b.unlink()
    shutil.copy(c, music / "copy.wav")
    file: Any = mutagen.File(d)
    file.add_tags()
    file.tags.add(TIT2(encoding=3, text="A title"))
    file.save()
    counts = happened(scanned(index, music, tagger=Unwanted()))
    assert counts == {"unchanged": 1, "moved": 2, "new": 1, "relabelled": 1}
    found = tracks(index)
    assert set(found) == {"0.wav", "other name.wav", "2.wav", "copy.wav", "3.wav"}
    assert found["0.wav"].path.parent.name == "new folder"
    assert found["3.wav"].title == "A title"
    assert found["copy.wav"].scores is not None
    assert {track: row for track, row in first_seens(index).items() if track == "0.wav"} == first_seen
    assert happened(scanned(index, music, tagger=Unwanted())) == {"unchanged": 5}


def first_seens(index: Path) -> dict[str, float]:
    with Index.open(index) as opened:
        return {Path(os.fsdecode(path)).name: seen for path, seen in opened.rows("SELECT path, first_seen FROM files")}


@pytest.mark.slow
def test_changed_audio_is_tagged_again(music: Path, index: Path) -> None:
    path, _ = clips(music, 2)
    scanned(index, music)
    before = tracks(index)
    clip(path, seed=50)
    assert happened(scanned(index, music)) == {"unchanged": 1, "changed": 1, "tagged": 1}
    after = tracks(index)
    assert after["0.wav"].content_key != before["0.wav"].content_key
    assert after["0.wav"].scores.tolist() != before["0.wav"].scores.tolist()  # type: ignore[union-attr]
    assert after["1.wav"].scores.tolist() == before["1.wav"].scores.tolist()  # type: ignore[union-attr]


@pytest.mark.slow
def test_copies_are_tagged_once(music: Path, index: Path) -> None:
    original = clip(music / "a.wav", seed=1)
    for i in range(20):
        shutil.copy(original, music / f"copy {i}.wav")
    assert happened(scanned(index, music, jobs=4)) == {"new": 21, "tagged": 1}
    assert len({track.content_key for track in tracks(index).values()}) == 1


def test_copies_of_what_fails_fail_each_by_itself(music: Path, index: Path) -> None:
    (music / "a.mp3").write_bytes(b"no music at all")
    for i in range(5):
        shutil.copy(music / "a.mp3", music / f"{i}.mp3")
    summary = scanned(index, music)
    assert happened(summary) == {"failed": 6}
    ((reason, paths),) = summary.failures.items()
    assert "not audio" in reason
    assert sorted(path.name for path in paths) == ["0.mp3", "1.mp3", "2.mp3", "3.mp3", "4.mp3", "a.mp3"]


@pytest.mark.slow
def test_gone_files_are_missing_until_they_are_pruned(music: Path, index: Path) -> None:
    a, *_ = clips(music, 3)
    scanned(index, music)
    content_of_a, times = a.read_bytes(), a.stat()
    a.unlink()
    assert happened(scanned(index, music)) == {"unchanged": 2, "deleted": 1}
    assert tracks(index)["0.wav"].status == "missing"
    assert happened(scanned(index, music)) == {"unchanged": 2}  # reported once
    a.write_bytes(content_of_a)
    os.utime(a, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert happened(scanned(index, music, tagger=Unwanted())) == {"unchanged": 2, "returned": 1}
    a.unlink()
    assert happened(scanned(index, music, prune=True)) == {"unchanged": 2, "deleted": 1, "pruned": 1}
    assert set(tracks(index)) == {"1.wav", "2.wav"}
    with Index.open(index) as opened:
        assert opened.execute("SELECT count(*) FROM results").fetchone() == (2,)


@pytest.mark.slow
def test_only_files_below_the_scanned_folders_can_be_gone(music: Path, index: Path) -> None:
    clip(music / "a" / "1.wav", seed=1)
    clip(music / "ab" / "2.wav", seed=2)
    scanned(index, music / "a", music / "ab")
    (music / "ab" / "2.wav").unlink()
    assert happened(scanned(index, music / "a", prune=True)) == {"unchanged": 1}
    assert tracks(index)["2.wav"].status == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_drive_that_is_not_connected_deletes_nothing(music: Path, index: Path, how: str) -> None:
    clips(music / "drive", 3)
    clip(music / "here" / "x.wav", seed=9)
    roots = [music / "drive", music / "here"]
    scanned(index, *roots)
    (music / "drive").rename(music / "away")
    if how == "empty":
        (music / "drive").mkdir()
    summary = scanned(index, *roots)
    assert happened(summary) == {"unchanged": 1}
    (problem,) = summary.problems
    assert "is its drive connected? Its 3 files stay in the index (--prune forgets them)" in problem
    assert not summary.clean
    assert {track.status for track in tracks(index).values()} == {"ok"}
    if how == "empty":
        (music / "drive").rmdir()
    (music / "away").rename(music / "drive")
    assert happened(scanned(index, *roots, tagger=Unwanted())) == {"unchanged": 4}
    shutil.rmtree(music / "drive")
    assert happened(scanned(index, *roots, prune=True)) == {"unchanged": 1, "deleted": 3, "pruned": 3}


def test_a_folder_that_was_never_there(music: Path, index: Path) -> None:
    summary = scanned(index, music / "none")
    assert summary.problems == [f"{music / 'none'}: no such file or folder"]


@pytest.mark.slow
def test_a_folder_without_permission_loses_nothing(music: Path, index: Path) -> None:
    clip(music / "open" / "1.wav", seed=1)
    clip(music / "shut" / "2.wav", seed=2)
    locked = clip(music / "open" / "3.wav", seed=3)
    scanned(index, music)
    (music / "shut").chmod(0)
    os.utime(locked, ns=(1, 1))
    locked.chmod(0)
    tagger = LazyTagger()
    try:
        with Index.open(index, write=True) as opened, as_nobody(music / "open" / "x"):
            summary = scan(opened, [music], tagger)
    finally:
        (music / "shut").chmod(0o755)
    assert "folder cannot be read" in summary.problems[0]
    assert happened(summary) == {"unchanged": 1, "failed": 1}
    assert list(summary.failures) == ["no permission to read it"]
    assert {name: track.status for name, track in tracks(index).items()} == {
        "1.wav": "ok",
        "2.wav": "ok",
        "3.wav": "error",
    }


@pytest.mark.slow
def test_failures_are_tried_again_only_when_asked_or_changed(music: Path, index: Path) -> None:
    bad = music / "bad.mp3"
    bad.write_bytes(b"no music")
    (music / "empty.mp3").touch()
    assert happened(scanned(index, music)) == {"failed": 2}
    assert happened(scanned(index, music, tagger=Unwanted())) == {"failed_before": 2}
    assert happened(scanned(index, music, retry=True)) == {"failed": 2}
    sounds.write(bad, sounds.music(1, 44_100), 44_100)
    assert happened(scanned(index, music)) == {"changed": 1, "tagged": 1, "failed_before": 1}
    assert tracks(index)["empty.mp3"].error == "the file is empty (0 bytes)"


@pytest.mark.slow
def test_truncated_files_are_tried_again_when_they_may_be_tagged(music: Path, index: Path) -> None:
    whole = sounds.write(music / "whole.flac", sounds.music(8, 44_100), 44_100)
    sounds.shorten(whole, 0.5, music / "cut.flac")
    (music / "bad.mp3").write_bytes(b"no music")
    assert happened(scanned(index, music)) == {"new": 1, "tagged": 1, "failed": 2}
    counts = happened(scanned(index, music, tagger=LazyTagger(damaged="tag")))
    assert counts == {"unchanged": 1, "failed_before": 1, "retagged": 1, "tagged": 1}
    assert "truncated" in tracks(index)["cut.flac"].warnings[0]
    assert happened(scanned(index, music)) == {"unchanged": 2, "failed_before": 1}


def other_model(out: Path) -> LazyTagger:
    """The bundled model with another description: other bytes, the same answers."""
    model = onnx.load(find_model())
    model.doc_string = "made anew"
    out.write_bytes(model.SerializeToString())
    return LazyTagger(out)


@pytest.mark.slow
def test_another_model_tags_what_it_does_not_know_and_no_more(music: Path, index: Path, tmp_path: Path) -> None:
    a, _ = clips(music, 2)
    file: Any = mutagen.File(a)
    file.add_tags()
    file.tags.add(TIT2(encoding=3, text="A title"))
    file.save()
    (music / "bad.mp3").write_bytes(b"no music")
    scanned(index, music)
    newer = other_model(tmp_path / "newer.onnx")
    assert happened(scanned(index, music, tagger=newer)) == {"retagged": 2, "tagged": 2, "failed_before": 1}
    with Index.open(index) as opened:
        assert [model.weights_sha256 for model in opened.models()][1] == newer.weights_sha256
        assert opened.current_model().weights_sha256 == newer.weights_sha256
    assert tracks(index)["0.wav"].title == "A title"
    assert happened(scanned(index, music, tagger=newer)) == {"unchanged": 2, "failed_before": 1}
    assert happened(scanned(index, music, tagger=Unwanted())) == {"unchanged": 2, "failed_before": 1}  # kept


@pytest.mark.slow
def test_a_file_that_vanishes_before_it_is_read(music: Path, index: Path) -> None:
    a, *_ = clips(music, 3)

    class Deleting(ScanProgress):
        def on_start(self, n_files: int, n_bytes: int) -> None:
            a.unlink()

    assert happened(scanned(index, music, progress=Deleting())) == {"new": 2, "vanished": 1, "tagged": 2}
    assert set(tracks(index)) == {"1.wav", "2.wav"}
    assert happened(scanned(index, music)) == {"unchanged": 2}


class Meddling(LazyTagger):
    """A file is changed after it was tagged, and before its result is stored."""

    def __init__(self, path: Path, change: Any) -> None:
        super().__init__()
        self.change, self.meddled = change, path

    def tag_many(self, paths: Any, **options: Any) -> Iterator[TagScores | AudioError]:
        for result in super().tag_many(paths, **options):
            if result.path == self.meddled:
                self.change(self.meddled)
            yield result


@pytest.mark.slow
def test_a_file_that_changes_while_it_is_read(music: Path, index: Path) -> None:
    a, _ = clips(music, 2)
    summary = scanned(index, music, tagger=Meddling(a, lambda path: clip(path, seed=60)))
    assert happened(summary) == {"new": 1, "failed": 1, "tagged": 1}
    assert list(summary.failures) == [CHANGED_MEANWHILE]
    assert happened(scanned(index, music)) == {"unchanged": 1, "changed": 1, "tagged": 1}
    fresh = index.with_name("fresh.sqlite")
    scanned(fresh, music)
    assert_same_content(index, fresh)


@pytest.mark.slow
def test_a_file_that_vanishes_while_it_is_read(music: Path, index: Path) -> None:
    a, _ = clips(music, 2)
    assert happened(scanned(index, music, tagger=Meddling(a, Path.unlink))) == {"new": 1, "vanished": 1, "tagged": 1}
    assert set(tracks(index)) == {"1.wav"}


@pytest.mark.slow
def test_names_that_are_no_text(music: Path, index: Path) -> None:
    names = [os.fsdecode(b"caf\xe9\xff.wav"), "песня 曲 🎵.wav", "a\nb.wav", "-x.wav"]
    for i, name in enumerate(names):
        clip(music / name, seed=i)
    assert happened(scanned(index, music)) == {"new": 4, "tagged": 4}
    assert set(tracks(index)) == set(names)
    assert happened(scanned(index, music, tagger=Unwanted())) == {"unchanged": 4}


@pytest.mark.slow
def test_links_are_followed_and_broken_ones_reported(music: Path, index: Path) -> None:
    clip(music / "real" / "1.wav", seed=1)
    (music / "link").symlink_to(music / "real")
    (music / "real" / "round").symlink_to(music)
    (music / "dangling.wav").symlink_to(music / "nothing.wav")
    os.mkfifo(music / "pipe.wav")
    summary = scanned(index, music)
    assert happened(summary) == {"new": 1, "failed": 2, "tagged": 1}
    assert set(summary.failures) == {"no such file", "is not a regular file"}
    ((path, note),) = summary.left_out.notes
    assert path == music / "link" / "round"
    assert "a link to a folder that it is in" in note
    assert not summary.problems
    assert happened(scanned(index, music)) == {"unchanged": 1, "failed_before": 2}
    clip(music / "nothing.wav", seed=2)  # now it leads somewhere
    assert happened(scanned(index, music))["tagged"] == 1
    assert tracks(index)["dangling.wav"].scores is not None


@pytest.mark.slow
def test_a_relative_folder_named_twice(music: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips(music / "album", 2)
    monkeypatch.chdir(music)
    assert happened(scanned(index, Path(), Path("album"), music / "album" / "0.wav")) == {"new": 2, "tagged": 2}
    assert {track.path for track in tracks(index).values()} == {music / "album" / "0.wav", music / "album" / "1.wav"}


@pytest.mark.slow
def test_swapped_names(music: Path, index: Path) -> None:
    a, b = clips(music, 2)
    scanned(index, music)
    before = tracks(index)
    a.rename(music / "x")
    b.rename(a)
    (music / "x").rename(b)
    os.utime(a)  # as a copy of another time would have
    os.utime(b)
    counts = happened(scanned(index, music, tagger=Unwanted()))
    assert counts == {"changed": 2}
    assert tracks(index)["0.wav"].content_key == before["1.wav"].content_key
    assert tracks(index)["1.wav"].content_key == before["0.wav"].content_key


@pytest.mark.slow
def test_a_stopped_scan_continues(music: Path, index: Path) -> None:
    clips(music, 12)

    class Stopping(ScanProgress):
        n_done = 0

        def on_done(self, path: Path, n_bytes: int) -> None:
            self.n_done += 1
            if self.n_done == 5:
                raise KeyboardInterrupt

    threads = threading.active_count()
    with Index.open(index, write=True) as opened:
        stopped = Scan(opened, [music], LazyTagger(), progress=Stopping())
        with pytest.raises(KeyboardInterrupt):
            stopped.run()
    assert threading.active_count() == threads
    assert not stopped.summary.finished
    assert stopped.summary.tagged >= 5
    assert len(tracks(index)) == stopped.summary.tagged
    n_left = 12 - stopped.summary.tagged
    assert happened(scanned(index, music)) == {"unchanged": 12 - n_left, "new": n_left, "tagged": n_left}


def interrupt() -> None:
    """A Ctrl-C, which comes to the main thread, as a terminal's does."""
    if os.name == "posix":
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_ctrl_c_stops_a_scan_of_known_files(music: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(60):
        shutil.copy(clip(music / "a.wav", seed=1), music / f"{i}.wav")
    scanned(index, music / "a.wav")
    n_read, interrupted = 0, threading.Event()

    def on_interrupt(number: int, frame: Any) -> None:
        interrupted.set()
        signal.default_int_handler(number, frame)

    def read(path: Path) -> Content:
        nonlocal n_read
        n_read += 1
        if n_read == 5:
            interrupt()
            assert interrupted.wait(60)
        return read_content(path)

    before = signal.signal(signal.SIGINT, on_interrupt)
    monkeypatch.setattr(scan_threads, "read_content", read)
    try:
        with pytest.raises(KeyboardInterrupt):
            scanned(index, music, jobs=1)
        assert n_read < 60, "at most those that were read ahead"
        assert signal.getsignal(signal.SIGINT) is on_interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_scan_needs_the_writer(music: Path, index: Path) -> None:
    scanned(index, music)
    with Index.open(index) as opened, pytest.raises(ConfigError, match="open for writing"):
        Scan(opened, [music], LazyTagger())
    with pytest.raises(ConfigError, match="jobs 0"):
        scanned(index, music, jobs=0)


def test_a_damaged_index_ends_the_scan_and_stays(music: Path, index: Path) -> None:
    for i in range(300):
        (music / f"{i}.mp3").touch()
    scanned(index, music)
    damaged = bytearray(index.read_bytes())
    damaged[8192:] = os.urandom(len(damaged) - 8192)
    index.write_bytes(damaged)
    with pytest.raises(DataError, match=r"damaged.*rename it"):
        scanned(index, music)
    assert index.stat().st_size >= len(damaged)


@pytest.mark.slow
def test_a_hundred_thousand_empty_files(music: Path, index: Path) -> None:
    for k in range(100):
        (music / f"{k}").mkdir()
        for i in range(1000):
            os.close(os.open(music / f"{k}" / f"{i}.mp3", os.O_CREAT | os.O_WRONLY))
    before = time.process_time()
    assert happened(scanned(index, music)) == {"failed": 100_000}
    assert happened(scanned(index, music)) == {"failed_before": 100_000}
    assert time.process_time() - before < 40  # 5 s; a file that was opened would cost more
    shutil.rmtree(music)  # pytest would keep them for three more runs


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_with_accents_in_another_form(music: Path, index: Path, before: Any, after: Any) -> None:
    """A library that came by way of another file system: composed letters become letters with marks, or the reverse."""

    def named(form: Any) -> list[Path]:
        folder = music / unicodedata.normalize(form, "Ñandú – été")
        return [folder / unicodedata.normalize(form, name) for name in ("Rosé.wav", "Ångström.wav", "한글.wav")]

    named(before)[0].parent.mkdir()
    for number, path in enumerate(named(before)):
        clip(path, seed=number)
    assert happened(scanned(index, music)) == {"new": 3, "tagged": 3}
    scores = {track.content_key: track.scores for track in tracks(index).values()}
    named(before)[0].parent.rename(named(after)[0].parent)
    for path in list(named(after)[0].parent.iterdir()):
        path.rename(path.with_name(unicodedata.normalize(after, path.name)))
    assert happened(scanned(index, music, tagger=Unwanted())) == {"moved": 3}
    assert happened(scanned(index, music, tagger=Unwanted())) == {"unchanged": 3}
    with Index.open(index) as opened:
        assert sorted(track.path for track in opened.tracks()) == sorted(named(after))
        for track in opened.tracks():
            np.testing.assert_array_equal(track.scores, scores[track.content_key])
        for form in (before, after):  # as it is typed
            found = search_index(opened, unicodedata.normalize(form, 'path:"été/rosé"'))
            assert [found.best.tracks.path(int(row)) for row in found.best.rows] == [named(after)[0]]


@pytest.mark.slow
def test_both_forms_of_a_name_are_two_files(music: Path, index: Path) -> None:
    for number, form in enumerate(("NFC", "NFD")):
        clip(music / unicodedata.normalize(form, "Rosé.wav"), seed=number)
    assert happened(scanned(index, music)) == {"new": 2, "tagged": 2}
    assert happened(scanned(index, music, tagger=Unwanted())) == {"unchanged": 2}
    assert len(tracks(index)) == 2


@pytest.mark.slow
def test_a_copy_under_the_other_form_of_its_name(music: Path, index: Path) -> None:
    """As by rsync or unzip: another inode, and the old name is gone."""
    path = clip(music / unicodedata.normalize("NFC", "Rosé.wav"), seed=0)
    scanned(index, music)
    shutil.copy(path, music / unicodedata.normalize("NFD", "Rosé.wav"))
    path.unlink()
    assert happened(scanned(index, music, tagger=Unwanted())) == {"moved": 1}


# Tempo and key ---------------------------------------------------------------------------------------------


def measures(index: Path) -> dict[str, tuple[bool, bool]]:
    """Of each file, whether tempo and key were estimated."""
    return {name: (track.tempo is not None, track.key is not None) for name, track in tracks(index).items()}


@pytest.mark.slow
def test_tempo_and_key_are_kept_as_the_tagger_gives_them(music: Path, index: Path) -> None:
    clips(music, 2)
    scanned(index, music, tagger=LazyTagger(tempo=True, key=True))
    alone = load_tagger(tempo=True, key=True)
    for name, track in tracks(index).items():
        scores = alone.tag(music / name)
        assert (track.tempo, track.key) == (scores.tempo, scores.key)
        assert scores.tempo is not None


@pytest.mark.slow
def test_complete_adds_what_an_earlier_scan_left_out(music: Path, index: Path) -> None:
    first, second = clips(music, 2)
    scanned(index, music)
    both = LazyTagger(tempo=True, key=True)
    assert happened(scanned(index, music, tagger=both)) == {"unchanged": 2}
    assert set(measures(index).values()) == {(False, False)}
    clip(music / "0.wav", seed=9)  # a file that changes gets them
    assert happened(scanned(index, music, tagger=both)) == {"unchanged": 1, "changed": 1, "tagged": 1}
    assert measures(index) == {"0.wav": (True, True), "1.wav": (False, False)}
    assert happened(scanned(index, music, tagger=both, complete=True)) == {"unchanged": 1, "retagged": 1, "tagged": 1}
    assert set(measures(index).values()) == {(True, True)}
    assert happened(scanned(index, music, tagger=both, complete=True)) == {"unchanged": 2}
    assert first.exists()
    assert second.exists()


@pytest.mark.slow
def test_complete_asks_for_what_the_tagger_estimates(music: Path, index: Path) -> None:
    clips(music, 1)
    scanned(index, music, tagger=LazyTagger(tempo=True))
    assert measures(index) == {"0.wav": (True, False)}
    only_tempo = Unwanted(tempo=True)
    assert happened(scanned(index, music, tagger=only_tempo, complete=True)) == {"unchanged": 1}
    scanned(index, music, tagger=LazyTagger(key=True), complete=True)
    assert measures(index) == {"0.wav": (True, True)}  # the tempo of the first scan stays


@pytest.mark.slow
def test_pruning_forgets_tempo_and_key(music: Path, index: Path) -> None:
    (path,) = clips(music, 1)
    clip(music / "other.wav", seed=5)
    scanned(index, music, tagger=LazyTagger(tempo=True, key=True))
    path.unlink()
    scanned(index, music, prune=True)
    with Index.open(index) as opened:
        for table in ("tempos", "keys"):
            assert opened.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)

"""`earmark library write | undo | mapping` and `earmark tag --write`, as processes of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import taglib

from earmark.library.scan.content import read_content
from earmark.library.tagfiles.write import read_state
from earmark.tagging.runtime import find_model, read_card
from tests.helpers import tagged
from tests.helpers.command import COMMAND, earmark_here
from tests.helpers.made_library import Row, make_index

SCORES = {"rock": 0.9, "jazz": 0.7, "drum and bass": 0.6, "slow": 0.8, "happy": 0.9}


def earmark(*arguments: str | Path, index: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return earmark_here(*arguments, environment={"EARMARK_INDEX": str(index)}, cwd=cwd)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("originals")
    songs = [tagged.make(folder / f"song{suffix}", 0.3) for suffix in (".mp3", ".flac", ".m4a")]
    for song in songs:
        tagged.decorate(song)
    return songs


@pytest.fixture
def library(originals: list[Path], tmp_path: Path) -> Path:
    """A folder of music with an index of it beside."""
    music = tmp_path / "music"
    music.mkdir()
    rows = []
    for song in originals:
        path = Path(shutil.copy(song, music))
        rows.append(Row(str(path), SCORES, key=read_content(path).key))
    make_index(tmp_path / "library.sqlite", rows)
    return music


def genres(music: Path) -> list[tuple[str, ...]]:
    return [read_state(path).values["genre"] for path in sorted(music.iterdir())]


def contents(music: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in music.iterdir()}


@pytest.mark.slow
def test_a_dry_run_shows_and_changes_nothing(library: Path) -> None:
    index, before = library.with_name("library.sqlite"), contents(library)
    environment = {**os.environ, "EARMARK_INDEX": str(index)}
    command = [*COMMAND, "library", "write"]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    assert contents(library) == before
    lines = done.stdout.splitlines()
    assert lines[0].endswith("song.flac  FLAC")
    assert lines[1:4] == [
        "  genre   (none) -> Rock | Jazz",
        "  scores  (none) -> rock=0.900 | slow=0.800 | jazz=0.700 | drum and bass=0.600",
        "  model   (none) -> made 1",
    ]
    assert "3 files would be changed, 0 without a change, 0 failed; nothing was written: add --apply" in done.stderr
    assert not index.with_name("library.undo.jsonl").exists()


@pytest.mark.slow
def test_written_read_by_others_and_undone(library: Path) -> None:
    index = library.with_name("library.sqlite")
    audio = {path: tagged.packets(path) for path in library.iterdir()}
    done = earmark("library", "write", library, "--apply", index=index)
    assert done.returncode == 0, done.stderr
    assert "3 files changed, 0 without a change, 0 failed; take it back with: earmark library undo 2" in done.stderr
    for path in library.iterdir():
        with taglib.File(str(path)) as file:
            assert file.tags["GENRE"] == ["Rock", "Jazz"]
            assert file.tags["TITLE"] == [tagged.TITLE]
    again = earmark("library", "write", "--apply", index=index)
    assert again.returncode == 0
    assert again.stdout == ""
    assert "0 files changed, 3 without a change, 0 failed" in again.stderr

    listed = earmark("library", "undo", "--list", index=index).stdout
    assert "write  3 files" in listed
    shown = earmark("library", "undo", index=index)
    assert "genre   Rock | Jazz -> (none)" in shown.stdout
    assert genres(library) == [("Rock", "Jazz")] * 3
    undone = earmark("library", "undo", "--apply", index=index)
    assert undone.returncode == 0, undone.stderr
    assert genres(library) == [()] * 3
    assert "undone by" in earmark("library", "undo", "--list", index=index).stdout
    assert earmark("library", "undo", "--apply", index=index).returncode == 1
    assert {path: tagged.packets(path) for path in library.iterdir()} == audio


@pytest.mark.slow
def test_a_dry_run_counts_files_and_not_names(library: Path) -> None:
    """What is shown is what is done: a link is its file; another hard link is separated, and a file of its own then."""
    index = library.with_name("library.sqlite")
    song = library / "song.mp3"
    (library / "link.mp3").symlink_to(song)
    (library / "more links").symlink_to(library)
    (library / "second name.mp3").hardlink_to(song)
    names = ["song.mp3", "link.mp3", "second name.mp3", "more links/song.mp3"]
    key = read_content(song).key
    make_index(index, [Row(str(library / name), SCORES, key=key) for name in names])
    for mode in ((), ("--overwrite", "--max-genres", "1"), ("--merge",)):
        counts = []
        for apply in ((), ("--apply",)):
            done = earmark("library", "write", library, *mode, *apply, index=index)
            assert done.returncode == 0, done.stderr
            counts.append(re.search(r"(\d) files? (?:would be )?changed, (\d) without a change, 0 failed", done.stderr))
            assert done.stdout.count("  genre ") == 4  # three songs, and the second name
        assert [found and found.groups() for found in counts] == [("4", "2")] * 2


@pytest.mark.slow
def test_modes_threshold_mapping_and_limits(library: Path, tmp_path: Path) -> None:
    index = library.with_name("library.sqlite")
    earmark("library", "write", "--apply", "--max-genres", "1", "--no-scores", index=index)
    assert genres(library) == [("Rock",)] * 3
    kept = earmark("library", "write", index=index)
    assert "genre   Rock stays (suggested: Rock | Jazz)" in kept.stdout
    merged = earmark("library", "write", "--merge", "--threshold", "0.65", "--max-genres", "9", "--apply", index=index)
    assert merged.returncode == 0
    assert genres(library) == [("Rock", "Jazz")] * 3
    assert read_state(library / "song.mp3").values["mood"] == ("Happy",)
    (tmp_path / "my.toml").write_text('[genre]\njazz = ["Jazz/Swing", "Swing"]\n[mood]\nslow = "Träge"\n', "utf-8")
    done = earmark("library", "write", "--overwrite", "--map", tmp_path / "my.toml", "--apply", index=index)
    assert done.returncode == 0, done.stderr
    assert genres(library) == [("Jazz/Swing", "Swing")] * 3
    assert read_state(library / "song.m4a").values["mood"] == ("Träge",)
    assert read_state(library / "song.m4a").values["scores"] == ("slow=0.800", "jazz=0.700")


def test_queries_and_paths(library: Path) -> None:
    index = library.with_name("library.sqlite")

    def shown(*what: str | Path) -> list[str]:
        done = earmark("library", "write", *what, index=index, cwd=library)
        return [Path(line.split("  ")[0]).name for line in done.stdout.splitlines() if not line.startswith(" ")]

    assert shown("rock path:flac") == ["song.flac"]
    assert shown("rock", "path:flac") == ["song.flac"]
    assert earmark("library", "write", "-rock", index=index).returncode == 2  # a minus first: behind "--"
    assert shown("--", "-slow") == []
    assert shown("song.mp3") == ["song.mp3"]
    assert shown("../music", "song.mp3") == ["song.flac", "song.m4a", "song.mp3"]
    link = library.with_name("link")
    link.symlink_to(library)
    assert shown(link) == ["song.flac", "song.m4a", "song.mp3"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none.mp3"], 1, "none.mp3: no such file or folder"),
        (["new.mp3"], 1, "new.mp3: not in the index: scan it first"),
        (["rokc"], 2, "rokc"),
        (["song.mp3", "rock"], 2, "rock: no such file or folder; a query and paths cannot be mixed"),
        (["--merge", "--overwrite"], 2, "contradict each other"),
        (["--threshold", "2"], 2, "threshold 2.0: must be a number from 0 to 1"),
        (["--max-genres", "-1"], 2, "max_genres -1"),
        (["--map", "none.toml"], 2, "none.toml: the mapping cannot be read"),
        (["drum and bass -rock"], 1, "no files found there"),
    ],
)
def test_mistakes_are_reported_with_their_exit_code(library: Path, arguments: list[str], code: int, words: str) -> None:
    shutil.copy(library / "song.mp3", library / "new.mp3")
    before = contents(library)
    done = earmark("library", "write", *arguments, "--apply", index=library.with_name("library.sqlite"), cwd=library)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(library) == before


def test_one_bad_file_does_not_stop_the_rest(library: Path) -> None:
    (library / "song.flac").chmod(0o444)
    shutil.copy(tagged.make(library.parent / "other.m4a", 0.4, seed=9), library / "song.m4a")
    done = earmark("library", "write", "--apply", index=library.with_name("library.sqlite"))
    assert done.returncode == 1
    assert "song.flac: is read-only: left as it is" in done.stderr
    assert "song.m4a: holds other audio than was scanned" in done.stderr
    assert "1 file changed, 0 without a change, 2 failed" in done.stderr
    with closing(sqlite3.connect(library.with_name("library.sqlite"))) as index:  # so that a scan reads it again
        changed = index.execute("SELECT path FROM files WHERE mtime_ns = -1").fetchall()
    assert [Path(os.fsdecode(path)).name for (path,) in changed] == ["song.m4a"]
    assert read_state(library / "song.mp3").values["genre"] == ("Rock", "Jazz")


@pytest.mark.slow
def test_undo_tells_of_what_was_changed_since(library: Path) -> None:
    index = library.with_name("library.sqlite")
    earmark("library", "write", "--apply", index=index)
    with taglib.File(str(library / "song.mp3"), save_on_exit=True) as file:
        file.tags["GENRE"] = ["Mine"]
    (library / "song.m4a").unlink()
    done = earmark("library", "undo", "--apply", index=index)
    assert done.returncode == 1
    assert "its genre holds ['Mine'] by now" in done.stderr
    assert "song.m4a: no such file" in done.stderr
    assert read_state(library / "song.mp3").values["genre"] == ("Mine",)
    assert read_state(library / "song.mp3").values["scores"] == ()
    assert read_state(library / "song.flac").values["genre"] == ()
    assert earmark("library", "undo", "nobody", index=index).returncode == 2


@pytest.mark.slow
def test_values_that_an_earlier_version_wrote_are_spelled_anew_and_undone(library: Path, tmp_path: Path) -> None:
    index = library.with_name("library.sqlite")
    old = tmp_path / "old.toml"
    old.write_text('[genre]\nrock = "Rock"\njazz = "Jazz"\n"drum and bass" = "Drum And Bass"\n', "utf-8")
    theirs = library / "song.flac"
    with taglib.File(str(theirs), save_on_exit=True) as file:
        file.tags["GENRE"] = ["Drum And Bass"]
    three = ("--max-genres", "3", "--no-scores", "--apply")
    assert earmark("library", "write", "--map", old, *three, index=index).returncode == 0
    written = ("Rock", "Jazz", "Drum And Bass")
    assert genres(library) == [("Drum And Bass",), written, written]
    renamed = (library / "song.mp3").rename(library / "renamed.mp3")
    make_index(index, [Row(str(renamed), SCORES, key=read_content(renamed).key)])
    assert earmark("library", "write", *library.iterdir(), *three, index=index).returncode == 0
    today = ("Rock", "Jazz", "Drum and Bass")
    assert genres(library) == [today, ("Drum And Bass",), today]  # what was the user's own stays
    assert earmark("library", "write", *library.iterdir(), "--merge", *three, index=index).returncode == 0
    assert genres(library) == [today, ("Drum And Bass", "Rock", "Jazz"), today]
    for _ in range(2):
        assert earmark("library", "undo", "--apply", index=index).returncode == 0
    assert genres(library) == [written, ("Drum And Bass",), written]
    (library / "renamed.mp3").rename(library / "song.mp3")
    assert earmark("library", "undo", "--apply", index=index).returncode == 0
    assert genres(library) == [("Drum And Bass",), (), ()]


@pytest.mark.slow
def test_undo_says_beforehand_what_it_gives_back(library: Path) -> None:
    index, before = library.with_name("library.sqlite"), contents(library)
    earmark("library", "write", "--apply", index=index)
    whole = ", to the byte, with the former modification time"
    shown = earmark("library", "undo", index=index)
    assert f"earmark: 3 of them as before{whole}\n" in shown.stderr
    assert "not given back" not in shown.stdout + shown.stderr
    os.utime(library / "song.mp3")
    shown = earmark("library", "undo", index=index)
    losses = "the modification time of 1 file (changed since), perhaps some bytes of 1 file (changed since)"
    assert f"earmark: 2 of them as before{whole}; not given back: {losses}\n" in shown.stderr
    assert "  not given back: the modification time (changed since)\n" in shown.stdout
    assert earmark("library", "undo", "--quiet", index=index).stderr == ""
    undone = earmark("library", "undo", "--apply", index=index)
    assert f"earmark: 2 of them as before{whole}; not given back: {losses}\n" in undone.stderr
    after = contents(library)
    assert after.pop("song.mp3")[1] > before.pop("song.mp3")[1]
    assert after == before


@pytest.mark.slow
def test_undo_with_other_modification_times(library: Path) -> None:
    index = library.with_name("library.sqlite")
    former = {name: mtime_ns for name, (_, mtime_ns) in contents(library).items()}
    both = earmark("library", "undo", "--keep-mtime", "--touch", index=index)
    assert both.returncode == 2
    assert "--keep-mtime and --touch contradict each other" in both.stderr
    for option in ("--touch", "--keep-mtime"):
        earmark("library", "write", "--apply", index=index)
        written = {name: mtime_ns for name, (_, mtime_ns) in contents(library).items()}
        done = earmark("library", "undo", "--apply", option, index=index)
        assert "3 of them as before, to the byte\n" in done.stderr
        undone = {name: mtime_ns for name, (_, mtime_ns) in contents(library).items()}
        assert all(former[name] < written[name] for name in former)
        assert all(written[name] == undone[name] for name in former) == (option == "--keep-mtime")
        assert all(written[name] <= undone[name] for name in former)


def test_mapping_of_the_index_or_of_a_model(library: Path, tmp_path: Path) -> None:
    done = earmark("library", "mapping", index=library.with_name("library.sqlite"))
    assert '"drum and bass" = "Drum and Bass"' in done.stdout
    bundled = earmark("library", "mapping", index=tmp_path / "none.sqlite")
    assert bundled.returncode == 0
    card = read_card(find_model())
    words = [tag.name for tag in card.vocabulary if tag.category in ("genre", "mood") and tag.name not in card.degrees]
    assert all(f'"{word}" = ' in bundled.stdout for word in words)


@pytest.mark.slow
def test_tag_writes_without_an_index(originals: list[Path], tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for song in originals:
        shutil.copy(song, music)
    before, index = contents(music), tmp_path / "library.sqlite"
    shown = earmark("tag", music, "--write", "--threshold", "0", index=index)
    assert shown.returncode == 0, shown.stderr
    assert "  genre            (none) -> " in shown.stdout
    assert "add --apply to do it" in shown.stderr
    assert contents(music) == before
    done = earmark("tag", music, "--write", "--apply", "--threshold", "0", "--format", "jsonl", index=index)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(record["status"] == "ok" for record in records)
    assert [tuple(record["values"]["genre"]) for record in records] == genres(music)
    assert all(len(record["values"]["genre"]) == 2 for record in records)
    assert all(len(record["values"]["mood"]) == 3 for record in records)
    assert earmark("library", "undo", "--apply", index=index).returncode == 0
    assert genres(music) == [()] * 3
    assert earmark("tag", music, "--apply", index=index).returncode == 2
    assert "--threshold none" in earmark("tag", music, "--write", "--threshold", "none", index=index).stderr


def test_a_full_disk(originals: list[Path], tmp_path: Path) -> None:
    """A file system of its own, with space for the files and no more."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        song = Path(shutil.copy(originals[0], place))
        free_bytes = shutil.disk_usage(place).free
        (place / "filler").write_bytes(bytes(free_bytes - song.stat().st_size // 2))
        before = contents(place)
        make_index(tmp_path / "library.sqlite", [Row(str(song), SCORES, key=read_content(song).key)])
        done = earmark("library", "write", "--apply", index=tmp_path / "library.sqlite")
        assert done.returncode == 1
        assert "not enough space on its disk" in done.stderr
        assert contents(place) == before
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_killed_fifty_times(originals: list[Path], tmp_path: Path) -> None:
    """Writing and undoing, both killed over and over: see tests/helpers/killed_writing.py. Here what it found is judged."""
    music = tmp_path / "music"
    music.mkdir()
    rows = []
    for i in range(3):
        for song in originals:
            path = Path(shutil.copy(song, music / f"{i}{song.suffix}"))
            rows.append(Row(str(path), SCORES, key=read_content(path).key))
    make_index(tmp_path / "library.sqlite", rows)
    audio = {path: tagged.packets(path) for path in music.iterdir()}
    before = {path: tagged.foreign(path) for path in audio}
    command = [sys.executable, "-m", "tests.helpers.killed_writing", str(tmp_path), "50"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["n_kills"] == 50
    assert found["n_amidst"] >= 10  # or nothing was tried
    assert {path: tagged.packets(path) for path in audio} == audio
    assert {path: tagged.foreign(path) for path in audio} == before
    assert set(music.iterdir()) == set(audio)
    assert genres(music) == [()] * len(audio)
    with closing(sqlite3.connect(tmp_path / "library.sqlite")) as index:
        assert index.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert {path for (path,) in index.execute("SELECT path FROM files")} == {os.fsencode(path) for path in audio}


def test_scores_of_the_index_are_what_is_written(library: Path) -> None:
    index = library.with_name("library.sqlite")
    earmark("library", "write", "--apply", index=index)
    with taglib.File(str(library / "song.mp3")) as file:
        said = dict(text.rsplit("=", 1) for text in file.tags["EARMARK_SCORES"])
    assert {tag: float(score) for tag, score in said.items()} == {
        tag: pytest.approx(np.float32(SCORES[tag]), abs=5e-4) for tag in ("rock", "slow", "jazz", "drum and bass")
    }

"""`earmark library scan` as a process of its own: killed, stopped, out of disk, twice at once, following changes."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from earmark.library.index.track_index import Index
from earmark.library.scan.lazy_tagger import LazyTagger
from earmark.tagging.runtime import DEFAULT_MODEL, find_model, read_card
from tests.conftest import ROOT
from tests.helpers import onnx_files
from tests.helpers.command import earmark_here
from tests.helpers.libraries import as_nobody, assert_same_content, clip, clips, content, happened, scanned
from tests.helpers.waiting import wait_until

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "earmark.cli.main", "library"]


def library(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command in this process."""
    return earmark_here("library", *arguments, **options)


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=120,
        **options,
    )


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def n_tagged(index: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM results").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # not made yet


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "library.sqlite"


def test_a_scan_and_what_it_says(music: Path, index: Path) -> None:
    a, *_ = clips(music, 3)
    (music / "bad.mp3").write_bytes(b"no music")
    (music / "empty.flac").touch()
    done = process("scan", music, "--index", index)
    assert done.returncode == 1
    assert f"error {music / 'empty.flac'}: the file is empty (0 bytes)" in done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"5 files in \d+\.\d s", lines[0])
    assert lines[1:3] == ["  3 new", "  2 failed"]
    assert "      1: the file is empty (0 bytes)" in lines
    assert f"        {music / 'empty.flac'}" in lines
    assert re.fullmatch(r"3 recordings tagged: 0:03 of music, [\d,]+x real time", lines[-2])
    assert lines[-1] == f"index: {index}"
    a.rename(music / "moved.wav")
    (music / "1.wav").unlink()
    done = library("scan", music, "--index", index, "--format", "json")
    assert done.returncode == 0
    assert done.stderr == ""
    record = json.loads(done.stdout)
    assert record["finished"]
    assert {name: record[name] for name in ("found", "unchanged", "moved", "failed_before", "deleted", "tagged")} == {
        "found": 4,
        "unchanged": 1,
        "moved": 1,
        "failed_before": 2,
        "deleted": 1,
        "tagged": 0,
    }
    quiet = library("scan", music, "--index", index, "--quiet", "--prune")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    info = library("info", "--failed", environment={"EARMARK_INDEX": str(index)})
    assert info.returncode == 0
    assert "2 tagged, 2 that cannot be, 0 missing" in info.stdout
    assert re.search(
        rf"model    {DEFAULT_MODEL} \S+ \([0-9a-f]{{12}}\): 2 recordings, embeddings of \d+ numbers", info.stdout
    )
    assert f"failed   {music / 'empty.flac'}: the file is empty (0 bytes)" in info.stdout
    as_json = json.loads(library("info", "--index", index, "--format", "json").stdout)
    assert as_json["files"] == {"ok": 2, "error": 2, "missing": 0}
    assert as_json["models"][0]["current"]


def test_wrong_use_is_reported(music: Path, index: Path, tmp_path: Path) -> None:
    assert library("scan", "--index", index).returncode == 2
    assert library("scan", music, "--jobs", "0", "--index", index).returncode == 2
    unknown = library("scan", music, "--index", index, "--model", "nonesuch")
    assert (unknown.returncode, "no model named 'nonesuch'" in unknown.stderr) == (2, True)
    absent = library("scan", music / "none", "--index", index)
    assert (absent.returncode, "no such file or folder" in absent.stderr) == (1, True)
    nothing = library("info", "--index", tmp_path / "other.sqlite")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "make it with: earmark library scan" in nothing.stderr
    watched = library("scan", music / "none", "--index", index, "--watch")
    assert (watched.returncode, "--watch needs a folder" in watched.stderr) == (2, True)


def test_names_that_are_no_text_come_out_as_valid_json(music: Path, index: Path) -> None:
    (music / os.fsdecode(b"caf\xe9.mp3")).touch()
    done = subprocess.run([*COMMAND, "scan", music, "--index", index, "--format", "json"], capture_output=True)
    record = json.loads(done.stdout.decode("utf-8"))
    (path,) = record["failures"][0]["paths"]
    assert os.fsencode(path) == os.fsencode(music) + b"/caf\xe9.mp3"


def test_killed_fifty_times_nothing_is_lost_or_doubled(music: Path, index: Path) -> None:
    # Of a few sums: what could be lost is the index's, and several hundred files are tagged.
    model = onnx_files.tiny(index.with_name("tiny.onnx"), read_card(find_model()))
    program = [sys.executable, "-m", "tests.helpers.killed_scans", str(music), str(index), str(model), "50", "1"]
    done = subprocess.run(program, capture_output=True, text=True, cwd=ROOT, timeout=550)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["killed"] == 50
    assert seen["in_the_middle"] >= 10, seen  # else the kills came when nothing was at stake
    assert scanned(index, music, tagger=LazyTagger(model), prune=True).finished
    fresh = index.with_name("fresh.sqlite")
    scanned(fresh, music, tagger=LazyTagger(model))
    assert_same_content(index, fresh)
    with Index.open(index) as killed, Index.open(fresh) as undisturbed:
        for table in ("results", "audio"):
            counts = [one.execute(f"SELECT count(*) FROM {table}").fetchone() for one in (killed, undisturbed)]
            assert counts[0] == counts[1], table


def test_stopped_by_ctrl_c_and_gone_on(music: Path, index: Path) -> None:
    for i in range(40):
        clip(music / f"{i:02d}.wav", seed=i, seconds=8)
    running = started("scan", music, "--index", index, "--jobs", "1")
    wait_until(lambda: n_tagged(index) >= 3)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "stopped by Ctrl-C" in err
    assert "the same command continues from there" in err
    assert "Traceback" not in err
    n_kept = n_tagged(index)
    assert 3 <= n_kept < 40
    assert happened(scanned(index, music)) == {"unchanged": n_kept, "new": 40 - n_kept, "tagged": 40 - n_kept}


def test_two_scans_at_once(music: Path, index: Path) -> None:
    for i in range(20):
        clip(music / f"{i:02d}.wav", seed=i, seconds=8)
    running = started("scan", music, "--index", index, "--jobs", "1", "--quiet")
    try:
        wait_until(lambda: n_tagged(index) >= 1)
        running.send_signal(signal.SIGSTOP)  # held in its middle, for as long as the second one needs
        second = process("scan", music, "--index", index)
        assert second.returncode == 1
        assert f"another earmark (process {running.pid}) is writing to this index" in second.stderr
        assert library("info", "--index", index).returncode == 0  # readers go on
    finally:
        running.send_signal(signal.SIGCONT)
        running.communicate(timeout=100)
    assert running.returncode == 0
    assert n_tagged(index) == 20
    assert happened(scanned(index, music)) == {"unchanged": 20}


def test_a_full_disk(music: Path, index: Path) -> None:
    clips(music, 2)
    for i in range(3000):
        (music / f"empty {i}.mp3").touch()

    def little_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = process("scan", music, "--index", index, preexec_fn=little_space)
    assert done.returncode == 1
    assert "is the disk full? What was recorded before is kept" in done.stderr
    assert "Traceback" not in done.stderr
    with sqlite3.connect(index) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()
    assert library("scan", music, "--index", index, "--quiet", "--retry").returncode == 1  # the empty files
    assert len(content(index)) == 3002
    assert n_tagged(index) == 2


def test_an_index_where_nothing_may_be_written(music: Path, tmp_path: Path) -> None:
    clips(music, 1)
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o555)
    with as_nobody(shut / "x"), pytest.raises(Exception, match="cannot be written to"):
        Index.open(shut / "i.sqlite", write=True)
    nowhere = library("scan", music, "--index", "/proc/earmark/i.sqlite")
    assert nowhere.returncode == 1
    assert "the index's folder cannot be made" in nowhere.stderr


def test_a_damaged_or_newer_index_is_reported_and_kept(music: Path, index: Path) -> None:
    clips(music, 1)
    index.write_bytes(b"no index" * 1000)
    done = library("scan", music, "--index", index)
    assert done.returncode == 1
    assert "rename it" in done.stderr
    assert index.read_bytes() == b"no index" * 1000
    index.unlink()
    Index.open(index, write=True).close()
    with sqlite3.connect(index) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    done = library("scan", music, "--index", index)
    assert done.returncode == 1
    assert "version 99" in done.stderr


def test_progress_on_a_terminal(music: Path, index: Path) -> None:
    for i in range(8):
        clip(music / f"{i}.wav", seed=i, seconds=10)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "150"}
    running = subprocess.Popen(
        [*COMMAND, "scan", music, "--index", index, "--jobs", "1"],
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, "it stands still"
        try:
            part = os.read(ours, 65_536)
        except OSError:  # Linux: the other side was closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0, shown.decode()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"scanning.*[1-8]/8 files.*x real time.*left.*\d\.wav", text)
    assert b"8 new" in out


def test_watch_follows_changes(music: Path, index: Path) -> None:
    pytest.importorskip("watchfiles")
    clips(music, 2)
    running = started("scan", music, "--index", music / "library.sqlite", "--watch", "--format", "json")
    found = music / "library.sqlite"  # among the music: its own changes must not count
    try:
        assert running.stdout is not None
        lines = [running.stdout.readline()]
        clip(music / "new album" / "x.wav", seed=70)
        lines.append(running.stdout.readline())
        shutil.move(music / "new album", music / "album, renamed")
        lines.append(running.stdout.readline())
        assert any(b"renamed" in path for path in content(found))
        (music / "0.wav").unlink()
        lines.append(running.stdout.readline())
        assert content(found)[os.fsencode(music / "0.wav")][3] == "missing"
        assert not select.select([running.stdout], [], [], 4)[0], "a round that nobody asked for"
    finally:
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "following changes" in err
    rounds = [json.loads(line) for line in [*lines, *out.splitlines()]]
    assert [(r["new"], r["moved"], r["deleted"]) for r in rounds] == [(2, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 exist on Linux only")
def test_watch_scans_what_cannot_be_watched_and_says_so(music: Path, index: Path) -> None:
    pytest.importorskip("watchfiles")
    clip(music / "a.wav", seed=1)
    clip(Path(os.fsdecode(os.fsencode(music) + b"/caf\xe9")) / "b.wav", seed=2)
    (music / "loop").symlink_to(music)
    running = started("scan", music, "--index", index, "--watch", "--format", "json")
    try:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["new"] == 2
    finally:
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    (note,) = [line for line in err.splitlines() if "not UTF-8" in line]
    assert "files are compared every 60 s" in note
    assert err.count("a link to a folder that it is in") == 1

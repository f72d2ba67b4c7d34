"""`earmark library search | similar | playlist | stats | export` as a person and a script use them."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path

import pytest

from earmark.library.scan.lazy_tagger import LazyTagger
from earmark.tagging.runtime import DEFAULT_MODEL
from tests.helpers import sounds
from tests.helpers.command import COMMAND, earmark_here, terminal
from tests.helpers.made_library import Row, make_index

LATIN_1 = b"/music/caf\xe9.mp3"


def library(*arguments: str | bytes | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    done = earmark_here("library", *arguments, environment={"COLUMNS": "120", **(env or {})})
    stdout, stderr = (text.encode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_index(
        tmp_path_factory.mktemp("index") / "library.sqlite",
        [
            Row("/music/a [b]\x1b.mp3", {"slow": 0.9, "guitar": 0.6, "female vocals": 0.8}, 200, "Blue", "Miles"),
            Row(LATIN_1, {"slow": 0.7, "guitar": 0.9}, 4000),
            Row("/music/c.mp3", {"fast": 0.8, "happy": 0.7}),
            Row("/music/broken.mp3", status="error", error="holds no audio"),
            Row("/music/new.mp3", tagged=False),
        ],
    )


def test_a_search_prints_a_table_and_what_was_left_out(index: Path) -> None:
    done = library("search", "slow guitar duration<2h", "--index", index)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == (
        "0.80\t1:06:40\tcaf\\udce9\tguitar 0.90  slow 0.70\t/music/caf\\udce9.mp3\t\t\t\n"
        "0.75\t3:20\tMiles - Blue\tslow 0.90  guitar 0.60  female vocals 0.80\t/music/a [b]\\x1b.mp3\t\t\t\n"
    )
    assert b"2 of 3 tracks" in done.stderr
    assert b"1 files are not yet tagged by model made" in done.stderr


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_on_a_terminal_a_track_is_a_line_with_its_name_tags_and_path(tmp_path: Path, columns: int) -> None:
    rows = [
        Row("/music/Miles/Kind of Blue/03 Blue in Green.mp3", {"slow": 0.9, "guitar": 0.8, "jazz": 0.7}, 200, "Blue in Green", "Miles Davis"),
        Row("/music/copies/of it.mp3", {"slow": 0.9, "guitar": 0.8, "jazz": 0.7}, 200, key="key of '/music/Miles/Kind of Blue/03 Blue in Green.mp3'"),
        Row("/music/[x].mp3", {"slow": 0.6}, None),
    ]  # fmt: skip
    index = make_index(tmp_path / "i.sqlite", rows)
    done = library("search", "slow", "--index", index, env=terminal(columns))
    first, second = done.stdout.decode().splitlines()
    assert first.startswith("0.90  3:20  Miles Davis - Bl")
    assert "slow 0.90" in first
    assert first.endswith("Blue in Green.mp3  +1 copy" if columns > 60 else "slow 0.90  +1 copy")
    assert "/music" not in first + second
    assert second.split() == ["0.60", "-", "[x]", "slow", "0.60", *(["[x].mp3"] if columns > 60 else [])]
    assert max(map(len, (first, second))) <= columns
    listed = library("search", "", "--index", index, env=terminal(columns)).stdout.decode().splitlines()
    assert listed[0].startswith("3:20  Miles")  # no empty column where nothing ranks


def test_copies_are_one_track_unless_they_are_to_be_listed(tmp_path: Path) -> None:
    rows = [Row(f"/music/{name}.mp3", {"slow": 0.9}, key="one") for name in "abc"]
    index = make_index(tmp_path / "i.sqlite", [*rows, Row("/music/d.mp3", {"slow": 0.8})])
    done = library("search", "slow", "--index", index)
    assert [line.split(b"\t")[4:6] for line in done.stdout.splitlines()] == [
        [b"/music/a.mp3", b"+2 copies"],
        [b"/music/d.mp3", b""],
    ]
    assert b"2 of 2 tracks" in done.stderr
    first, _ = map(json.loads, library("search", "slow", "--format", "jsonl", "--index", index).stdout.splitlines())
    assert first["copies"] == ["/music/b.mp3", "/music/c.mp3"]
    text = library("search", "slow", "--format", "csv", "--index", index).stdout.decode()
    assert [row["n_copies"] for row in csv.DictReader(text.splitlines())] == ["2", "0"]
    assert library("search", "slow", "--format", "paths", "--index", index).stdout == b"/music/a.mp3\n/music/d.mp3\n"
    assert library("search", "slow", "--limit", "1", "--format", "paths", "--index", index).stdout == b"/music/a.mp3\n"
    done = library("search", "slow", "--copies", "--index", index)
    assert [line.split(b"\t")[5] for line in done.stdout.splitlines()] == [b""] * 4
    assert b"4 of 4 tracks" in done.stderr
    found = json.loads(library("similar", "d.mp3", "--format", "jsonl", "--index", index).stdout)
    assert (found["path"], found["copies"]) == ("/music/a.mp3", ["/music/b.mp3", "/music/c.mp3"])


def test_words_need_no_quotes_and_a_query_may_begin_with_a_minus(index: Path) -> None:
    assert b"a [b]" in library("search", "slow", "female", "vocals", "--index", index).stdout
    done = library("search", "-harp slow", "--index", index)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[:3] == [
        "earmark: no tag 'harp'; did you mean happy?",
        "earmark:   -harp slow",
        "earmark:    ^^^^",
    ]
    done = library("search", "-slow", "--index", index, "--format", "paths")
    assert done.stdout == b"/music/c.mp3\n"
    assert b"Usage" in library("search", "-h").stdout
    done = library("search", "slow", "--fromat", "jsonl", "--index", index)
    assert done.returncode == 2
    assert b"no such option: --fromat" in done.stderr


def test_programs_read_json_lines_csv_and_paths(index: Path) -> None:
    records = [
        json.loads(line)
        for line in library("search", "slow", "--format", "jsonl", "--index", index).stdout.splitlines()
    ]
    assert [record["score"] for record in records] == [0.9, 0.7]
    assert os.fsencode(records[1]["path"]) == LATIN_1
    assert records[0]["tags"] == [
        {"tag": "slow", "score": 0.9},
        {"tag": "female vocals", "score": 0.8},
        {"tag": "guitar", "score": 0.6},
    ]
    text = library("search", "slow", "--format", "csv", "--index", index).stdout.decode("utf-8", "surrogateescape")
    rows = list(csv.DictReader(text.splitlines()))
    assert rows[0]["artist"] == "Miles"
    assert rows[0]["tags"] == "slow:0.9|female vocals:0.8|guitar:0.6"
    done = library("search", "slow", "--print0", "--limit", "2", "--index", index)
    assert done.stdout == b"/music/a [b]\x1b.mp3\0" + LATIN_1 + b"\0"
    done = library("search", b'path:"caf\xe9"', "--format", "paths", env={"EARMARK_INDEX": str(index)})
    assert done.stdout == LATIN_1 + b"\n"


def test_nothing_found_is_no_failure_but_is_reported(index: Path) -> None:
    done = library("search", "slow fast", "--format", "paths", "--index", index)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"nothing found among 3 tracks" in done.stderr
    assert b"no threshold for happy" in library("search", "happy", "--index", index).stderr


def test_without_an_index_the_scan_is_named(tmp_path: Path) -> None:
    none = tmp_path / "none.sqlite"
    for command in (["search", "slow"], ["playlist", "slow", "--out", tmp_path / "x.m3u8"]):
        done = library(*command, "--index", none)
        assert done.returncode == 1
        expected = f"earmark: {none}: no such index; make it with: earmark library scan FOLDER\n"
        assert done.stderr.decode() == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_reader_that_leaves_early_ends_it_quietly(tmp_path: Path) -> None:
    path = make_index(tmp_path / "i.sqlite", [Row(f"/music/{i:05d}.mp3") for i in range(20_000)])
    with subprocess.Popen(
        [*COMMAND, "library", "export", "--index", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_playlist(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "slow.m3u8"
    done = library("playlist", "slow -vocals", "--out", out, "--index", index)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == (
        b"#EXTM3U\n#EXTINF:200,Miles - Blue\n/music/a [b]\x1b.mp3\n#EXTINF:4000,caf\xe9\n" + LATIN_1 + b"\n"
    )
    assert b"2 tracks, 1:10:00" in done.stderr
    done = library("playlist", "slow", "--out", out, "--index", index)
    assert done.returncode == 2
    assert b"--force" in done.stderr
    done = library("playlist", "--order", "similar", "--limit", "2", "--out", out, "--force", "--index", index)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes().count(b"#EXTINF") == 2
    done = library("playlist", "slow fast", "--out", tmp_path / "none.m3u8", "--index", index)
    assert done.returncode == 0
    assert b"no playlist was written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["slow.m3u8"]


@pytest.mark.slow
def test_stats(index: Path, tmp_path: Path) -> None:
    done = library("stats", "--index", index, "--plot", tmp_path / "x.png")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert "3 tracks, 1.2 hours; 1 files wait for this model" in text
    assert "slow                2   67%  █" in text
    assert "holds no audio" in text
    assert (tmp_path / "x.png").stat().st_size > 5000
    found = json.loads(library("stats", "--format", "json", "--index", index).stdout)
    assert found["n_files"] == {"ok": 4, "error": 1, "missing": 0}


def test_export(index: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(library("export", "--index", index).stdout.decode("utf-8", "replace").splitlines()))
    assert len(rows) == 5
    for name in ("x.csv", "x.parquet"):
        done = library("export", "--out", tmp_path / name, "--index", index)
        assert done.returncode == 0, done.stderr
        assert b"5 files in" in done.stderr
    assert len((tmp_path / "x.csv").read_bytes().splitlines()) == 6
    for wrong in (["--out", tmp_path / "x.csv"], ["--out", tmp_path / "x.doc"], ["--format", "parquet"]):
        assert library("export", "--index", index, *wrong).returncode == 2
    assert not (tmp_path / "x.doc").exists()


@pytest.fixture(scope="module")
def blues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty tracks with "blue" in their titles."""
    rows = [
        Row(f"/music/{i:02d}.mp3", {"slow": i / 30, "fast": 1 - i / 30}, title=f"Blue {i}", artist="Miles")
        for i in range(30)
    ]
    return make_index(tmp_path_factory.mktemp("blues") / "library.sqlite", rows)


def test_a_text_that_may_be_several_tracks_lists_them_and_takes_a_number(blues: Path) -> None:
    done = library("similar", "blue", "--index", blues)
    assert (done.returncode, done.stdout) == (2, b"")
    lines = done.stderr.decode().splitlines()
    assert lines[0] == "earmark: 'blue' may be any of 30 tracks; choose one with --pick N, or name more of it:"
    assert lines[2] == "earmark:    2  Miles - Blue 1  (/music/01.mp3)"
    assert (len(lines), lines[-1]) == (22, "earmark:   and 10 more")
    chosen = library("similar", "blue", "--pick", "2", "--index", blues, "--format", "paths")
    assert chosen.returncode == 0, chosen.stderr
    assert chosen.stdout == library("similar", "/music/01.mp3", "--index", blues, "--format", "paths").stdout
    for number in ("21", "0"):
        done = library("similar", "blue", "--pick", number, "--index", blues)
        assert (done.returncode, done.stdout) == (2, b"")
    assert b"--pick 21: must be from 1 to 20" in library("similar", "blue", "--pick", "21", "--index", blues).stderr


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code"), [(b"x\n99\n3\n", 0), (b"\x04", 130), (b"\x03", 130)])
def test_on_a_terminal_it_is_asked_which_track_is_meant(blues: Path, answer: bytes, code: int) -> None:
    pid, terminal_end = pty.fork()
    if not pid:  # the process on the terminal
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "100", "LINES": "40"}
        os.execve(
            COMMAND[0], [*COMMAND, "library", "similar", "blue", "--index", str(blues), "--limit", "1"], environment
        )
    shown = b""
    while b"which one" not in shown:
        shown += os.read(terminal_end, 10_000)
    with contextlib.suppress(OSError):  # its end
        os.write(terminal_end, answer)
        while True:
            # Python misses a Ctrl-C that comes while readline begins to wait: as a person would, press it again.
            while not select.select([terminal_end], [], [], 2)[0]:
                os.write(terminal_end, answer)
            part = os.read(terminal_end, 10_000)
            if not part:
                break
            shown += part
    os.close(terminal_end)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code, shown
    assert b"  20  Miles - Blue 19  (/music/19.mp3)" in shown
    assert b"Traceback" not in shown
    assert (
        b"Miles - Blue 3 " in shown.split(b"which one")[-1] or b"Miles - Blue 1 " in shown.split(b"which one")[-1]
    ) is not bool(code)


@pytest.mark.slow
def test_similar_tags_a_file_outside_the_library(tmp_path: Path) -> None:
    tagger = LazyTagger(DEFAULT_MODEL)
    for seed in range(3):
        sounds.write(tmp_path / f"{seed}.flac", sounds.music(6, 16_000, seed=seed), 16_000)
    (scores,) = tagger.tag_many([tmp_path / "1.flac"], jobs=1, errors="return", on_progress=None)
    names = tagger.card.vocabulary.names
    dims = tagger.embedding_dims
    near = None if dims is None else tuple(scores.embedding)  # type: ignore[union-attr,arg-type]
    far = None if dims is None else tuple(-x for x in near)  # type: ignore[union-attr]
    rows = [
        Row("/lib/far.mp3", {name: 1 - float(s) for name, s in zip(names, scores.scores, strict=True)}, embedding=far),  # type: ignore[union-attr]
        Row("/lib/near.mp3", {name: float(s) for name, s in zip(names, scores.scores, strict=True)}, embedding=near),  # type: ignore[union-attr]
    ]
    index = make_index(
        tmp_path / "i.sqlite", rows, model=tagger.card, sha256=tagger.weights_sha256, embedding_dims=dims
    )
    done = library("similar", tmp_path / "1.flac", "--index", index, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    first, second = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["path"] == "/lib/near.mp3"
    assert first["likeness"] == pytest.approx(1, abs=1e-3)
    assert second["likeness"] < 0.999
    assert b"which is not in the library" in done.stderr
    (tmp_path / "noise.mp3").write_bytes(b"no audio" * 100)
    assert library("similar", tmp_path / "noise.mp3", "--index", index).returncode == 1
    stale = make_index(tmp_path / "stale.sqlite", rows, model=tagger.card, sha256="other", embedding_dims=dims)
    done = library("similar", tmp_path / "1.flac", "--index", stale)
    assert done.returncode == 2
    assert b"is not the one of the index" in done.stderr


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tracks with tempo and key, one without either, and one of an earlier scan."""
    rows = [
        Row("/music/a.mp3", {"slow": 0.9}, bpm=123.4, musical_key="F#m"),
        Row("/music/b.mp3", {"slow": 0.9}, bpm=128.0, musical_key="F#m"),
        Row("/music/c.mp3", {"slow": 0.9}, bpm=65.0, musical_key="C"),
        Row("/music/d.mp3", {"slow": 0.9}, measured=True),
        Row("/music/e.mp3", {"slow": 0.9}),
    ]
    return make_index(tmp_path_factory.mktemp("measured") / "library.sqlite", rows)


@pytest.mark.slow
def test_stats_have_histograms_of_tempo_and_key(measured: Path, tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    done = library("stats", "--index", measured, "--plot", picture)
    text = done.stdout.decode()
    assert re.search(r"\ntempo \(BPM\)\n  below 70 BPM +1 +20%  █+\n  120-129 BPM +2 +40%  █+\n", text)
    assert re.search(r"\nkey\n  8B  C +1 +20%  █+\n  11A F#m +2 +40%  █+\n", text)
    assert re.search(r"█\n  no clear beat +1 +20%\n\nkey\n", text)
    assert re.search(r"█\n  no clear key +1 +20%\n\n", text)
    assert "1 tracks without tempo or key yet: earmark library scan --complete" in text
    found = json.loads(library("stats", "--format", "json", "--index", measured).stdout)
    assert sum(each["n_tracks"] for each in found["tempos"]) == sum(each["n_tracks"] for each in found["keys"]) == 3
    assert len(found["keys"]) == 24
    assert (found["n_no_beat"], found["n_no_key"], found["n_unmeasured"]) == (1, 1, 1)
    without = tmp_path / "without.png"
    plain = make_index(tmp_path / "i.sqlite", [Row("/music/a.mp3", {"slow": 0.9})])
    assert b"(BPM)" not in library("stats", "--index", plain, "--plot", without).stdout
    heights = [int.from_bytes(path.read_bytes()[20:24], "big") for path in (without, picture)]
    assert heights[0] < heights[1]  # two more histograms


def test_export_has_tempo_and_key(measured: Path, tmp_path: Path) -> None:
    one, *_, unclear, never = csv.DictReader(library("export", "--index", measured).stdout.decode().splitlines())
    assert (one["bpm"], one["tempo_confidence"], one["key"], one["camelot"]) == ("123.4", "0.9", "F#m", "11A")
    assert (one["key_confidence"], one["tuning_hz"]) == ("0.8", "440.5")
    assert (unclear["bpm"], unclear["tempo_confidence"], unclear["key"]) == ("", "0.9", "")
    assert (never["bpm"], never["tempo_confidence"], never["tuning_hz"]) == ("", "", "")
    lines = library("export", "--format", "jsonl", "--index", measured).stdout.splitlines()
    first, *_, last = map(json.loads, lines)
    assert (first["tempo"]["bpm"], first["key"]["open_key"]) == (123.4, "4m")
    assert (last["tempo"], last["key"]) == (None, None)
    library("export", "--out", tmp_path / "x.parquet", "--index", measured)
    parquet = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "x.parquet").to_pylist()
    assert (parquet[0]["bpm"], parquet[0]["camelot"], parquet[-1]["bpm"]) == (123.4, "11A", None)


def test_info_says_how_many_have_tempo_and_key(measured: Path) -> None:
    text = library("info", "--index", measured).stdout.decode()
    assert "measured tempo and key of 4 files; for the others: earmark library scan --complete" in text
    assert json.loads(library("info", "--format", "json", "--index", measured).stdout)["with_tempo_and_key"] == 4

"""`earmark tag` as a person and a script use it: a process of its own, real files, the bundled model."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from earmark.tagging.runtime import DEFAULT_MODEL, find_model, read_card
from tests.helpers import sounds
from tests.helpers.command import COMMAND, earmark, earmark_here, records


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good songs in two folders."""
    folder = tmp_path_factory.mktemp("album")
    (folder / "disc 2").mkdir()
    sounds.write(folder / "1 first.mp3", sounds.music(12, 44_100, 2), 44_100)
    sounds.write(folder / "2 second.flac", sounds.music(25, 48_000, 2, seed=1), 48_000)
    sounds.write(folder / "disc 2" / "third.m4a", sounds.music(4, 44_100, 2, seed=2), 44_100)
    (folder / "cover.jpg").write_bytes(b"no music")
    return folder


def fingerprint(folder: Path) -> dict[str, tuple[str, int, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_table_is_for_people(album: Path) -> None:
    done = earmark("tag", album)
    assert done.returncode == 0, done.stderr
    lines = [
        line for line in done.stdout.splitlines() if not line.startswith(" ")
    ]  # what goes on below a row is indented
    assert len(lines) == 3
    assert re.match(r".*1 first\.mp3\s+0:12\s", lines[0])
    assert re.search(r"earmark: 3 tagged, 0 failed; 0:41 of music in [\d.]+ s, [\d,]+x real time", done.stderr)


@pytest.mark.slow
def test_json_lines_have_all_tags_highest_first(album: Path) -> None:
    done = earmark("tag", album, "--format", "jsonl")
    assert done.returncode == 0
    found = records(done)
    assert [Path(item["path"]).name for item in found] == ["1 first.mp3", "2 second.flac", "third.m4a"]
    for item in found:
        assert set(item) == {
                "path", "status", "error", "duration_seconds", "windows", "heard_seconds", "silent_seconds", "model", "abstained", "tags",
                "degrees", "warnings",
            }  # fmt: skip
        assert item["status"] == "ok"
        assert item["error"] is None
        scores = [tag["score"] for tag in item["tags"]]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        card = read_card(find_model())
        assert {tag["tag"] for tag in item["tags"]} == set(card.vocabulary.names) - set(card.degrees)
        assert tuple(item["degrees"]) == card.degrees
        assert all(set(tag) == {"tag", "score", "kind", "category"} for tag in item["tags"])
    assert found[1]["duration_seconds"] == pytest.approx(25, abs=0.01)


@pytest.mark.slow
def test_csv_has_a_column_a_tag(album: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(earmark_here("tag", album, "--format", "csv").stdout)))
    assert len(rows) == 3
    tag = read_card(find_model()).vocabulary.names[0]
    assert rows[0]["status"] == "ok"
    jsonl = records(earmark_here("tag", album, "--format", "jsonl"))
    assert float(rows[0][tag]) == pytest.approx({t["tag"]: t["score"] for t in jsonl[0]["tags"]}[tag], abs=2e-4)


@pytest.mark.slow
def test_top_and_threshold(album: Path) -> None:
    song = album / "1 first.mp3"
    everything = records(earmark_here("tag", song, "--format", "jsonl"))[0]["tags"]
    top = records(earmark_here("tag", song, "--format", "jsonl", "--top", "2"))[0]["tags"]
    assert top == everything[:2]
    limit = everything[3]["score"]
    over = records(earmark_here("tag", song, "--format", "jsonl", "--threshold", f"{limit - 1e-4}"))[0]["tags"]
    assert [tag["tag"] for tag in over] == [tag["tag"] for tag in everything if tag["score"] >= limit - 1e-4]
    assert records(earmark_here("tag", song, "--format", "jsonl", "--threshold", "1"))[0]["tags"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--threshold", "2"], ["'2' is not auto, none or a number from 0 to 1"]),
        (["--threshold", "much"], ["'much' is not auto"]),
        (["--top", "-1"], ["-1 is not a whole number of at least 0"]),
        (["--format", "xml"], ["'xml'", "'table', 'jsonl', 'csv'"]),
        (["--model", "earmrak-1"], ["'earmrak-1'", f"did you mean {DEFAULT_MODEL}?"]),
        (["--model", "none.onnx"], ["none.onnx: no such model file"]),
        (["--jobs", "0"], ["0 is not a whole number from 1 to 1024"]),
        (["--colour"], ["--colour"]),
    ],
)
def test_wrong_usage_names_the_value_and_what_is_allowed(album: Path, arguments: list[str], words: list[str]) -> None:
    done = earmark_here("tag", album, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr


@pytest.mark.slow
def test_one_bad_file_does_not_stop_the_rest(album: Path, tmp_path: Path) -> None:
    flac = sounds.write(tmp_path / "whole.flac", sounds.music(12, 44_100), 44_100)
    mp3 = sounds.write(tmp_path / "whole.mp3", sounds.music(12, 44_100), 44_100)
    bad = tmp_path / "bad"
    bad.mkdir()
    sounds.shorten(flac, 0.6, bad / "cut.flac")
    sounds.shorten(mp3, 0.6, bad / "cut.mp3")
    (bad / "empty.mp3").touch()
    (bad / "letter.mp3").write_text("dear friend\n" * 100)
    nan = sounds.music(3, 44_100)
    nan[0, 1000] = np.nan
    sounds.write_float_wav(bad / "nan.wav", nan, 44_100)
    sounds.write_float_wav(bad / "nothing.wav", np.zeros((1, 0)), 44_100)
    (bad / "loop").symlink_to(bad)
    done = earmark_here(
        "tag", album / "1 first.mp3", bad, tmp_path / "none.mp3", album / "2 second.flac", "--format", "jsonl"
    )
    assert done.returncode == 1
    found = records(done)
    reasons = {Path(item["path"]).name: item["error"] for item in found}
    expected = {
        "cut.flac": "truncated",
        "cut.mp3": "truncated",
        "empty.mp3": "empty",
        "letter.mp3": "not audio",
        "nan.wav": "NaN",
        "nothing.wav": "no audio samples",
        "none.mp3": "no such file",
    }
    for name, word in expected.items():
        assert word in reasons[name], name
        assert sum(name in line for line in done.stderr.splitlines()) == 1
    assert reasons["1 first.mp3"] is None
    assert reasons["2 second.flac"] is None
    assert len(found) == 9
    (note,) = [line for line in done.stderr.splitlines() if "loop" in line]
    assert note.startswith("note ")
    assert "a link to a folder that it is in" in note
    rescued = records(earmark_here("tag", bad / "cut.flac", "--format", "jsonl", "--damaged", "tag"))[0]
    assert rescued["status"] == "ok"
    assert "truncated" in rescued["warnings"][0]


@pytest.mark.slow
def test_silence_has_no_tags_and_is_reported(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "still.wav", np.zeros((2, 48_000)), 16_000)
    done = earmark_here("tag", path, "--format", "jsonl")
    assert done.returncode == 0
    (record,) = records(done)
    assert "silent" in record["warnings"][0]
    assert (record["status"], record["abstained"], record["tags"], record["silent_seconds"]) == ("ok", True, [], 3.0)
    assert "silent" in done.stderr
    assert "silent: no tags" in earmark_here("tag", path).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "rate_hz", "n_channels"), [(0.2, 44_100, 1), (11, 8_000, 8), (11, 192_000, 2), (1 / 8_000, 8_000, 1)]
)
def test_unusual_audio_is_tagged(tmp_path: Path, seconds: float, rate_hz: int, n_channels: int) -> None:
    path = sounds.write_float_wav(tmp_path / "a.wav", sounds.music(seconds, rate_hz, n_channels), rate_hz)
    done = earmark_here("tag", path, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    (item,) = records(done)
    assert item["duration_seconds"] == pytest.approx(seconds, abs=1e-3)
    assert all(np.isfinite(tag["score"]) for tag in item["tags"])


@pytest.mark.slow
@pytest.mark.parametrize("output", ["table", "jsonl", "csv"])
def test_odd_names_go_through_every_format(tmp_path: Path, output: str) -> None:
    names = [
        b'it\'s "one", $2.wav',
        "песня 曲 🎵.wav".encode(),
        b"caf\xe9\xff.wav",
        b"two\nlines\t\x1b[31m.wav",
        b"-q.wav",
    ]
    for name in names:
        sounds.write_int_wav(tmp_path / os.fsdecode(name), sounds.music(1, 16_000)[0], 16_000)
    done = subprocess.run([*COMMAND, "tag", str(tmp_path), "--format", output], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    if output == "jsonl":
        lines = [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]  # strict: valid UTF-8
        assert {os.fsencode(Path(line["path"]).name) for line in lines} == set(names)
    elif output == "csv":
        text = done.stdout.decode("utf-8", "surrogateescape")
        assert {os.fsencode(Path(row["path"]).name) for row in csv.DictReader(io.StringIO(text))} == set(names)
    else:
        assert sum(not line.startswith(b" ") for line in done.stdout.splitlines()) == len(names)
        assert b"\x1b" not in done.stdout


def test_nothing_found_is_said(tmp_path: Path) -> None:
    done = earmark_here("tag", tmp_path)
    assert done.returncode == 1
    assert "no audio files" in done.stderr


@pytest.mark.slow
def test_tagging_changes_nothing_the_user_owns(album: Path, tmp_path: Path) -> None:
    before = fingerprint(album)
    assert earmark_here("tag", album, "--taggram", tmp_path / "pictures").returncode == 0
    assert fingerprint(album) == before


@pytest.mark.slow
def test_taggrams_are_drawn_one_a_file(album: Path, tmp_path: Path) -> None:
    from matplotlib.image import imread

    done = earmark("tag", album, album / "1 first.mp3", "--taggram", tmp_path / "pictures")
    assert done.returncode == 0, done.stderr
    drawn = {
        str(path.relative_to(tmp_path / "pictures")) for path in (tmp_path / "pictures").rglob("*") if path.is_file()
    }
    assert drawn == {
        "1 first.mp3.taggram.png",
        "1 first.mp3 (2).taggram.png",
        "2 second.flac.taggram.png",
        "disc 2/third.m4a.taggram.png",
    }
    picture = imread(tmp_path / "pictures" / "2 second.flac.taggram.png")
    assert picture.shape[0] > 300
    assert picture.shape[1] > 900
    assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 20


@pytest.mark.slow
def test_where_matplotlib_is_missing_taggram_asks_for_it_by_name(album: Path, tmp_path: Path) -> None:
    blocker = tmp_path / "sitecustomize.py"
    blocker.write_text(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'matplotlib': raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    done = earmark("tag", album, "--taggram", tmp_path / "p", environment={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert "pip install 'earmark[plot]'" in done.stderr
    assert done.stdout == ""


@pytest.fixture(scope="module")
def long_queue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("queue")
    song = sounds.write(folder / "000.flac", np.tile(sounds.music(15, 44_100, 2), 4), 44_100)
    for i in range(1, 60):
        os.link(song, folder / f"{i:03d}.flac")
    return folder


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_with_whole_lines(long_queue: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "tag", str(long_queue), "--format", "jsonl", "--taggram", str(tmp_path / "p")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where the tests run in the background, SIGINT is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"stopped by Ctrl-C after" in stderr
    assert b"Traceback" not in stderr
    lines = (first + rest).splitlines()
    assert 0 < len(lines) < 60
    assert all(json.loads(line)["status"] == "ok" for line in lines)
    assert not list((tmp_path / "p").glob(".taggram-*"))


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_crash(long_queue: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "tag", str(long_queue), "--format", "jsonl"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()


def on_a_terminal(arguments: list[str], **streams: object) -> str:
    """What a terminal shows of stderr, and of stdout unless it is given; control codes taken out."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    streams = {"stdout": terminal, "stderr": terminal, **streams}
    process = subprocess.Popen([*COMMAND, *arguments], env=environment, **streams)  # type: ignore[call-overload]
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(controller, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(controller)
    assert process.wait(timeout=60) == 0
    return re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).decode()


@pytest.mark.slow
def test_a_terminal_sees_progress_and_a_pipe_does_not(album: Path, long_queue: Path) -> None:
    files = [str(path) for path in sorted(long_queue.iterdir())[:6]]
    text = on_a_terminal(["tag", *files], stdout=subprocess.DEVNULL)
    assert re.search(r"tagging .*\d/6 files .*x real time .*left", text)
    assert "tagging" not in earmark("tag", album).stderr
    assert earmark("tag", album, "--quiet").stderr == ""


@pytest.mark.slow
def test_rows_and_progress_share_a_terminal(long_queue: Path) -> None:
    files = [str(path) for path in sorted(long_queue.iterdir())[:6]]
    text = on_a_terminal(["tag", *files])
    assert "tagging" in text
    rows = [line for line in re.split(r"[\r\n]+", text) if "1:00 " in line]
    assert len(rows) == 6
    assert all("tagging" not in row for row in rows)
    lines = on_a_terminal(["tag", *files, "--format", "jsonl"]).splitlines()
    assert [json.loads(line)["status"] for line in lines[:6]] == ["ok"] * 6  # nothing in between


def test_help_shows_defaults_examples_and_exit_codes() -> None:
    text = earmark_here("tag", "--help", environment={"COLUMNS": "160"}).stdout
    for words in ("Examples", "earmark tag song.mp3", "[default: (one per core)]", "Exit code", "--taggram"):
        assert words in text
    assert earmark("--version").stdout.startswith("earmark 0.")


@pytest.mark.slow
def test_models_list_and_show() -> None:
    listed = earmark("models", "list", environment={"COLUMNS": "160"}).stdout
    assert f"{DEFAULT_MODEL} (default)" in listed
    shown = earmark_here("models", "show", DEFAULT_MODEL, environment={"COLUMNS": "160"})
    assert shown.returncode == 0
    card = read_card(find_model())
    words = (f"{card.input.sample_rate_hz:,} Hz", "licence", card.architecture, *card.limits, *card.vocabulary.names)
    said = " ".join(shown.stdout.split())  # long lines are wrapped
    assert [word for word in words if word not in said] == []
    assert json.loads(earmark_here("models", "show", DEFAULT_MODEL, "--json").stdout)["name"] == DEFAULT_MODEL
    assert json.loads(earmark_here("models", "show", "--json").stdout)["name"] == DEFAULT_MODEL
    assert earmark_here("models", "show", "nothing").returncode == 2


@pytest.mark.slow
def test_tempo_and_key_in_every_format(album: Path) -> None:
    song = album / "2 second.flac"
    (record,) = records(earmark_here("tag", song, "--tempo", "--key", "--format", "jsonl"))
    bpm, key = record["tempo"]["bpm"], record["key"]["key"]
    (row,) = csv.DictReader(io.StringIO(earmark_here("tag", song, "--tempo", "--key", "--format", "csv").stdout))
    assert row["bpm"] == ("" if bpm is None else str(bpm))
    assert row["key"] == (key or "")
    assert row["tuning_hz"] == str(record["key"]["tuning_hz"])
    table = earmark_here("tag", song, "--tempo", "--key").stdout.rstrip("\n").split("\t")
    assert table[-2] == ("no clear beat" if bpm is None else f"{bpm:.1f} BPM")
    assert table[-1] == ("no clear key" if key is None else f"{record['key']['name']} ({record['key']['camelot']})")
    (only_tempo,) = records(earmark_here("tag", song, "--tempo", "--format", "jsonl"))
    assert only_tempo["tempo"] == record["tempo"]
    assert "key" not in only_tempo
    (neither,) = records(earmark_here("tag", song, "--format", "jsonl"))
    assert not {"tempo", "key"} & neither.keys()


@pytest.mark.slow
def test_tempo_and_key_need_the_whole_file(album: Path) -> None:
    done = earmark_here("tag", album, "--windows", "3", "--tempo", "--key")
    assert done.returncode == 2
    assert "--windows with --tempo and --key: tempo and key are estimated from all of a file" in done.stderr
    comment = earmark_here("tag", album, "--write", "--comment")
    assert (comment.returncode, "give --key, too" in comment.stderr) == (2, True)
    scan = earmark_here("library", "scan", album, "--windows", "3", "--key", "--index", album / "none.sqlite")
    assert (scan.returncode, "--windows 3 with --key" in scan.stderr) == (2, True)
    nothing = earmark_here("library", "scan", album, "--complete", "--no-tempo", "--no-key")
    assert (nothing.returncode, "--complete adds tempo and key" in nothing.stderr) == (2, True)
    assert not (album / "none.sqlite").exists()

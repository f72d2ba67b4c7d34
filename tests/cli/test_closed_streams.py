"""Streams that are closed, full, or have no reader: results that arrive nowhere are an error, messages are not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers import sounds
from tests.helpers.command import COMMAND

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.write(tmp_path_factory.mktemp("songs") / "a.wav", sounds.music(2, 16_000), 16_000)


def in_a_shell(redirection: str, *arguments: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "bash", *COMMAND, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("output_format", ["table", "jsonl", "csv"])
@pytest.mark.parametrize(("redirection", "says"), [(">&-", "stdout is closed"), (">/dev/full", "No space left")])
def test_results_that_arrive_nowhere_are_an_error(song: Path, output_format: str, redirection: str, says: str) -> None:
    code, out, messages = in_a_shell(redirection, "tag", song, "--format", output_format)
    assert (code, out) == (1, "")
    assert messages.endswith("\n")
    assert says in messages.splitlines()[-1]
    assert "Traceback" not in messages
    assert "Exception ignored" not in messages


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["models", "show"]])
def test_so_it_is_where_no_file_is_tagged(arguments: list[str]) -> None:
    assert in_a_shell(">&-", *arguments) == (1, "", "earmark: stdout is closed\n")


def test_messages_need_no_reader(song: Path, tmp_path: Path) -> None:
    code, out, _ = in_a_shell("2>&-", "tag", song, tmp_path / "gone.mp3", "--format", "jsonl")
    assert (code, out.count("\n")) == (1, 2)
    assert in_a_shell("2>&-", "tag", song)[0] == 0
    assert in_a_shell("2>&-", "tag", "--no-such-option") == (2, "", "")
    assert in_a_shell("<&- 2>&-", "tag", "-") == (2, "", "")


def test_no_file_gets_the_number_of_a_closed_stream(song: Path, tmp_path: Path) -> None:
    """Else what libraries print would be in the index."""
    index = tmp_path / "library.sqlite"
    code, _, _ = in_a_shell("<&- >&- 2>&-", "library", "scan", song, "--index", index)
    assert code == 1  # its summary arrives nowhere
    code, out, messages = in_a_shell("", "library", "search", "", "--format", "paths", "--index", index)
    assert (code, out) == (0, f"{song}\n"), messages


@pytest.mark.parametrize("output_format", ["table", "jsonl", "csv"])
def test_a_reader_that_is_gone_ends_it_without_a_word(song: Path, output_format: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [*COMMAND, "tag", str(song), "--format", output_format, "--quiet"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 141

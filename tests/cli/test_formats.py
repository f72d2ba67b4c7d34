"""Formats for programs: json and jsonl are two names of one thing in every command, JSON Lines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from earmark.cli.lazy_group import LazyGroup
from earmark.cli.main import app
from tests.helpers import sounds
from tests.helpers.command import earmark_here
from tests.helpers.made_library import Row, make_index


def commands(group: LazyGroup, names: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command, with its names."""
    for entry in group.entries.values():
        command = entry.load()
        if isinstance(command, LazyGroup):
            yield from commands(command, (*names, entry.name))
        else:
            yield " ".join((*names, entry.name)), command


def test_every_format_option_takes_both_names() -> None:
    with_a_format = set()
    for name, command in commands(app):
        for option in command.params:
            if "--format" in option.opts:
                with_a_format.add(name)
                assert isinstance(option.type, click.Choice), name
                assert {"json", "jsonl"} <= set(option.type.choices), name
                assert option.type.convert("json", option, None) is option.type.convert("jsonl", option, None)
    assert with_a_format == {  # a new one belongs into the tests below, too
        *("tag", "models list", "models show", "score", "compare", "data list", "data show", "data check"),
        *(f"library {name}" for name in ("scan", "search", "similar", "duplicates", "stats", "info", "export")),
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    sounds.write_int_wav(folder / "a.wav", sounds.music(2, 16_000)[0], 16_000)
    (folder / "copies").mkdir()
    for name in ("1.wav", "2.wav"):
        shutil.copy(folder / "a.wav", folder / "copies" / name)
    assert earmark_here("library", "scan", "copies", "--index", "copies.sqlite", cwd=folder).returncode == 0
    make_index(folder / "i.sqlite", [Row("/m/a.mp3", {"slow": 0.9}), Row("/m/b.mp3", {"slow": 0.8})])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "n_lines"),
    [
        ("tag a.wav a.wav", 2),
        ("library search slow --index i.sqlite", 2),
        ("library similar a.mp3 --index i.sqlite", 1),
        ("library duplicates --index copies.sqlite", 1),
        ("library stats --index i.sqlite", 1),
        ("library info --index i.sqlite", 1),
        ("library export --index i.sqlite", 2),
        ("library scan a.wav --index new.sqlite", 1),
        ("models show", 1),
        ("data list", 1),
        ("data show manifest", 1),
    ],
)
def test_each_line_is_json_and_both_names_print_the_same(place: Path, command: str, n_lines: int) -> None:
    printed = []
    for name in ("json", "jsonl"):
        done = earmark_here(*command.split(), "--format", name, cwd=place)
        assert done.returncode == 0, done.stderr
        printed.append([json.loads(line) for line in done.stdout.splitlines()])
        assert len(printed[-1]) == n_lines
    for found in printed:
        for record in found:
            if "seconds" in record:  # how long a scan took, and that the second one finds nothing new
                record.clear()
    assert printed[0] == printed[1]

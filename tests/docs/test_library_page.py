"""docs/library.md: every command is one that there is, what it begins with runs as it stands, and its files are read."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
import yaml

from earmark.cli.main import app
from earmark.library.tagfiles.formats import apev2, asf, id3, mp4, vorbis
from earmark.library.tagfiles.formats.base import FIELDS
from earmark.library.tagfiles.mapping import read_mapping
from earmark.tagging.runtime import find_model, read_card
from tests.conftest import ROOT
from tests.docs.test_readme import CLIPS, run

DOCS = ROOT / "docs"
PAGE = (DOCS / "library.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[str]:
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    lines += re.findall(r"^30 3 \* \* \*\s+(.*)$", PAGE, re.MULTILINE)
    lines += re.findall(r"^ExecStart=%h/.local/bin/(.*)$", PAGE, re.MULTILINE)
    return [part.strip() for line in lines for part in line.split(" && ")]


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 30
    assert any("--watch" in command for command in commands())


@pytest.mark.parametrize("command", commands())
def test_every_command_and_its_options_exist(command: str) -> None:
    program, *words = shlex.split(command, comments=True)
    assert program == "earmark"
    words = words[: words.index(">")] if ">" in words else words
    group = app
    while hasattr(group, "commands"):
        group = group.resolve_command(click.Context(group), [words.pop(0)])[1]
    group.make_context("earmark", words)  # raises for options, values and arguments that are wrong


@pytest.mark.slow
def test_what_the_page_begins_with_works_one_after_the_other(tmp_path: Path) -> None:
    shutil.copytree(CLIPS, tmp_path / "Music")
    printed = [run(line.removeprefix("$ "), tmp_path).stdout for line in blocks("console")[0].splitlines()]
    assert all(printed[i] for i in (1, 2, 7)), printed
    before = {path.name: path.read_bytes() for path in CLIPS.iterdir()}
    after = {path.name: path.read_bytes() for path in (tmp_path / "Music").iterdir()}
    assert before.keys() == after.keys()


def test_the_mapping_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(blocks("toml")[0], encoding="utf-8")
    mapping = read_mapping(tmp_path / "my.toml", read_card(find_model()).vocabulary)
    assert mapping.words_for("genre", "electronic") == ("Electronic", "Dance")


def test_the_options_of_the_plugin_are_its_options() -> None:
    plugin = pytest.importorskip("beetsplug.earmark")
    (text,) = blocks("yaml")
    shown = yaml.safe_load(text)
    assert shown["plugins"] == "earmark"
    assert shown["earmark"].keys() == plugin.DEFAULTS.keys()
    for section in ("genres", "moods"):
        assert shown["earmark"][section].keys() == plugin.DEFAULTS[section].keys()
    in_docstring = yaml.safe_load(plugin.__doc__.split("::", 1)[1].split("Needs beets")[0])
    assert in_docstring["earmark"] == plugin.DEFAULTS


def test_the_fields_are_those_that_are_written() -> None:
    adapters = (id3.ID3Tags, vorbis.VorbisTags, mp4.Mp4Tags, asf.AsfTags, apev2.ApeTags)
    for field in FIELDS:
        (row,) = re.findall(rf"^\| {field} \|.*$", PAGE, re.MULTILINE)
        assert re.findall("`([^`]+)`", row) == [adapter.names[field][0] for adapter in adapters]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (DOCS / target).exists(), target

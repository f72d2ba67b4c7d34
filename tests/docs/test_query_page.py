"""docs/query.md and the help of `earmark library search`: words, commands and columns that they name are there."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from earmark.cli.main import app
from earmark.core.tag_words import TagFinder
from earmark.library.query.parser import parse_query
from earmark.tagging.runtime import find_model, read_card
from tests.conftest import ROOT
from tests.helpers.command import earmark_here
from tests.helpers.made_library import Row, make_index

PAGE = (ROOT / "docs/query.md").read_text(encoding="utf-8")
CARD = read_card(find_model())


def commands() -> list[str]:
    return re.findall(r"^    \$ (earmark .*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", commands())
def test_every_command_can_be_given(command: str) -> None:
    words = shlex.split(command.split(" | ")[0])[1:]
    group = app
    while hasattr(group, "commands"):
        group = group.resolve_command(click.Context(group), [words.pop(0)])[1]
    group.make_context("earmark", words)
    if "gutar" not in command:
        parse_query(" ".join(words), CARD.vocabulary, CARD.degrees)


@pytest.mark.slow
def test_words_of_the_page_and_of_the_help_stand_for_tags() -> None:
    finder = TagFinder(CARD.vocabulary.names)
    in_page = re.findall("`([^`]+)`", PAGE.split("that means them, if the model has it:")[1].split("and\n[some")[0])
    help_text = " ".join(earmark_here("library", "search", "--help").stdout.split())
    in_help = help_text.split("which a note says: ")[1].split(". Without")[0].split(", ")
    for words in (in_page, in_help):
        assert len(words) >= 9
        assert all(word in finder.words() for word in words), words
    assert len(finder.words()) > 400
    assert finder.meant("chill") == tuple(
        re.search("chill: searched as (.*)", PAGE)[1].replace("; near it: ", ", ").split(", ")  # type: ignore[index]
    )


def test_the_columns_of_a_row_are_those_that_the_page_names(tmp_path: object) -> None:
    track = Row("/m/a.mp3", {"slow": 0.9}, 61, "Blue", "Miles", bpm=123.4, musical_key="F#m")
    index = make_index(tmp_path / "i.sqlite", [track])  # type: ignore[operator]
    row = earmark_here("library", "search", "slow", "--index", index).stdout.rstrip("\n").split("\t")
    assert row == ["0.90", "1:01", "Miles - Blue", "slow 0.90", "/m/a.mp3", "", "123.4", "11A"]
    assert "score, length," in PAGE
    assert "tags, whole path, copies, tempo, key (Camelot):" in PAGE

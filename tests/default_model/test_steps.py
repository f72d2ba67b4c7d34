"""The commands between music and the default model: they are commands of earmark, in an order in which each finds what it needs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import typer.main
from earmark.papers.default import STUDENTS, Step, lines, run, steps

from earmark.cli.main import app
from earmark.core.errors import DataError, EarmarkError
from earmark.training.config import list_recipes, load_recipe


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("emotify", "corpus", "peers"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "tracks.csv").write_text("")
    return tmp_path / "data"


def test_every_command_is_one_that_earmark_takes(root: Path, tmp_path: Path) -> None:
    command = typer.main.get_command(app)
    found = steps(root, tmp_path / "out", jobs=3)
    assert len(lines(found)) == len({*lines(found)}) == 2 + 3 + len(STUDENTS) + 3
    for step in found:
        for arguments in step.commands:
            with command.make_context("earmark", list(arguments)) as context:
                group = context.command.commands[arguments[0]]  # type: ignore[attr-defined]
                with group.make_context("distill", list(arguments[1:])) as inner:
                    # Fails for an option that there is not, or one that is missing.
                    with group.commands[arguments[1]].make_context(arguments[1], list(arguments[2:])) as last:
                        assert last.params
                    assert inner.command is group


def test_recipes_are_there_and_learn_from_teachers(root: Path, tmp_path: Path) -> None:
    for line in lines(steps(root, tmp_path / "out")):
        if "distill train" in line:
            name = line.split()[3]
            assert name in list_recipes()
            assert load_recipe(name).data.dataset == "distilled"


def test_what_is_made_is_used_later_only(root: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    made: set[str] = set()
    for step in steps(root, tmp_path / "out"):
        for command in step.commands:
            results = {command[i + 1] for i, word in enumerate(command) if word == "--out"}
            for word in command:
                if word.startswith(out) and word not in results:
                    assert any(word == place or word.startswith(f"{place}/") for place in made), word
            made |= results


def test_a_try_takes_less_of_everything(root: Path, tmp_path: Path) -> None:
    commands = lines(steps(root, tmp_path / "out", hours=0.5, overrides=["training.epochs=1"]))
    hours = [line.split("--hours ")[1].split()[0] for line in commands if "--hours" in line]
    assert hours == ["0.5"] * (1 + len(STUDENTS) + 1)
    trainings = [line for line in commands if "distill train" in line]
    assert all(line.rindex("training.epochs=1 ") > line.rfind("training.epochs=5") for line in trainings)


def test_missing_collections_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"emotify.*corpus"):
        steps(tmp_path, tmp_path / "out")


def test_a_command_that_fails_is_named_and_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    wrong = ("models", "show", "no-such-model")
    with pytest.raises(EarmarkError, match="earmark models show no-such-model` ended with exit code"):
        run(Step("show", (wrong,)))
    run(Step("show", (wrong,), done=Path(sys.executable)))  # there already: not run

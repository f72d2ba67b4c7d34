"""The commands between music and the default model: they are commands of earmark, in an order in which each finds what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tools.default_model.__main__ import app as tool
from tools.default_model.steps import STAGES, STUDENTS, TOOL, Step, lines, run, steps, steps_1

import earmark
from earmark.cli.main import app
from earmark.core.errors import ConfigError, DataError, EarmarkError
from earmark.training.config import list_recipes, load_recipe


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("emotify", "corpus", "peers", "judges", "mtat"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "tracks.csv").write_text("")
    (tmp_path / "data" / "macleod.csv").write_text("")
    return tmp_path / "data"


def of_model(model: str, root: Path, out: Path, **options: object) -> list[Step]:
    return {"earmark-1": steps_1, "earmark-2": steps}[model](root, out, **options)


MODELS = pytest.mark.parametrize("model", ["earmark-1", "earmark-2"])


@pytest.mark.parametrize(
    ("model", "options", "n_commands"),
    [
        ("earmark-1", {}, 1 + 2 + 3 + len(STUDENTS) + 3),
        ("earmark-2", {}, 2 + 3 + len(STAGES) + 3),
        ("earmark-2", {"label": True}, 2 + 3 + len(STAGES) + 3),
    ],
)
def test_every_command_is_one_that_earmark_takes(
    root: Path, tmp_path: Path, model: str, options: dict[str, bool], n_commands: int
) -> None:
    found = of_model(model, root, tmp_path / "out", jobs=3, **options)
    assert len(lines(found)) == len({*lines(found)}) == n_commands
    for step in found:
        for words in step.commands:
            of_tool = words[: len(TOOL)] == TOOL
            assert of_tool or words[0] == "earmark"
            command, arguments = (tool, words[len(TOOL) :]) if of_tool else (app, words[1:])
            while hasattr(command, "resolve_command"):
                _, command, arguments = command.resolve_command(click.Context(command), list(arguments))
            # Fails for an option that there is not, or one that is missing.
            with command.make_context(command.name, list(arguments)) as last:
                assert last.params


@MODELS
def test_recipes_are_there_and_learn_from_teachers(root: Path, tmp_path: Path, model: str) -> None:
    for line in lines(of_model(model, root, tmp_path / "out")):
        if line.startswith("earmark train"):
            name = line.split()[2]
            assert name in list_recipes()
            assert load_recipe(name).data.dataset == "labelled_set"


@MODELS
def test_what_is_made_is_used_later_only(root: Path, tmp_path: Path, model: str) -> None:
    out = str(tmp_path / "out")
    made: set[str] = {f"{out}/onnx"}  # where judge converts networks to
    for step in of_model(model, root, tmp_path / "out"):
        for command in step.commands:
            results = {command[i + 1] for i, word in enumerate(command) if word == "--out"}
            for word in command:
                if word.startswith(out) and word not in results:
                    assert any(word == place or word.startswith(f"{place}/") for place in made), word
            made |= results


def test_a_try_takes_less_of_everything(root: Path, tmp_path: Path) -> None:
    commands = lines(steps_1(root, tmp_path / "out", hours=0.5, overrides=["training.epochs=1"]))
    hours = [
        line.replace("data.options.hours=", "--hours ").split("--hours ")[1].split()[0]
        for line in commands
        if "hours" in line
    ]
    assert hours == ["0.5"] * (1 + len(STUDENTS) + 1)
    trainings = [line for line in commands if line.startswith("earmark train")]
    assert all(line.rindex("training.epochs=1 ") > line.rfind("training.epochs=5") for line in trainings)


def test_a_try_of_earmark_2_learns_from_a_part(root: Path, tmp_path: Path) -> None:
    commands = lines(steps(root, tmp_path / "out", hours=0.5, overrides=["training.epochs=1"]))
    trainings = [line for line in commands if line.startswith("earmark train")]
    assert len(trainings) == len(STAGES)
    assert all("data.options.hours=0.5 " in line for line in trainings)
    assert all(line.rindex("training.epochs=") == line.rindex("training.epochs=1 ") for line in trainings)
    assert "--hours" not in "".join(commands)  # what is packed is unpacked
    labelled = lines(steps(root, tmp_path / "out", hours=0.5, label=True))
    assert sum("distill label" in line and "--hours 0.5 " in line for line in labelled) == 1


def test_without_songs_of_judges_nothing_is_judged(root: Path, tmp_path: Path) -> None:
    (root / "judges" / "tracks.csv").unlink()
    (root / "judges").rmdir()
    found = steps(root, tmp_path / "out")
    assert not any("judge " in line for line in lines(found))
    assert lines(found)[-1].startswith("python -m tools.default_model finish")


def test_missing_collections_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"emotify.*corpus"):
        steps_1(tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match=r"emotify.*macleod.csv"):
        steps(tmp_path, tmp_path / "out")


@pytest.mark.slow
def test_a_command_that_fails_is_named_and_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    wrong = ("earmark", "models", "show", "no-such-model")
    with pytest.raises(EarmarkError, match="earmark models show no-such-model` ended with exit code"):
        run(Step("show", (wrong,)))
    run(Step("show", (wrong,), done=Path(sys.executable)))  # there already: not run


@pytest.mark.slow
def test_the_command_of_earmark_finds_the_tool_in_a_checkout(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "earmark.cli.main", "reproduce", "default", "--root", str(root), "--out", "o"]
    done = subprocess.run(
        [*command, "--dry-run", "--jobs", "2"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == lines(steps(root, Path("o"), jobs=2))
    missing = subprocess.run(
        [*command[:-4], "--root", str(tmp_path), "--out", "o"], capture_output=True, text=True, check=False
    )
    assert missing.returncode == 1
    assert "must hold emotify with its tracks.csv" in missing.stderr
    first = [sys.executable, "-m", "earmark.cli.main", "reproduce", "earmark-1", "--root", str(root), "--out", "o"]
    done = subprocess.run([*first, "--dry-run", "--jobs", "1"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == lines(steps_1(root, Path("o"), jobs=1))


def test_without_the_tool_the_command_says_where_to_get_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earmark, "__file__", str(tmp_path / "site-packages" / "earmark" / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["reproduce", "default", "--root", str(root), "--out", "o"])
    assert isinstance(result.exception, ConfigError)
    assert "checkout" in str(result.exception)

"""What the pages for researchers show is true: commands parse, recipes load, examples run, keys and counts are all there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from earmark.cli.main import app
from earmark.datasets import dataset_info, list_datasets, load_dataset
from earmark.datasets.downloads import find_downloads
from earmark.datasets.msd import PUBLISHED_COUNTS
from earmark.datasets.mtat_protocols import PROTOCOLS
from earmark.papers.tables import list_papers
from earmark.training.config import list_recipes, load_recipe
from earmark.training.sections import Recipe
from earmark.tuning.search import list_searches
from tests.conftest import ROOT

PAGES = ("docs/training.md", "docs/datasets.md", "docs/service.md", "docs/scale.md", "README.md")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text_of(page), re.DOTALL)


def commands() -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "console") for line in block.splitlines()]
    shown = [line.removeprefix("$ ").split(" #")[0].strip() for line in lines if line.startswith("$ ")]
    parts = [part.strip() for line in shown for part in line.split("&&")]
    return [part for part in parts if part.startswith("earmark ") or "-m earmark.cli.main " in part]


def parse(command: str) -> tuple[list[str], dict[str, object]]:
    """The names of the subcommand, and its parameters as they would be given to it. Nothing is run."""
    words = shlex.split(command.partition(" > ")[0])
    words = words[words.index("earmark.cli.main") + 1 :] if "earmark.cli.main" in words else words[1:]
    found: Any = app
    names: list[str] = []
    while hasattr(found, "get_command"):
        names.append(words.pop(0))
        found = found.resolve_command(click.Context(found), names[-1:])[1]
        assert found is not None, f"{command}: no such command"
    try:
        return names, found.make_context(" ".join(names), words).params
    except click.exceptions.Exit:  # --list, which is answered at once
        return names, {}


@pytest.mark.slow
def test_there_are_commands_to_check() -> None:
    shown = commands()
    assert len(shown) > 40
    verbs = {" ".join(parse(command)[0]) for command in shown}
    assert verbs >= {
        "train",
        "tune",
        "evaluate",
        "score",
        "compare",
        "baseline",
        "reproduce",
        "data check",
        "data prepare",
    }
    with pytest.raises(Exception, match="No such option"):
        parse("earmark train first --out x --resum")


def options(command: Any, context: click.Context | None = None) -> set[str]:
    """All options of a command and of those in it."""
    context = click.Context(command, parent=context)
    found = {name for parameter in command.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)}
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        found |= options(command.resolve_command(context, [name])[1], context)
    return found


OF_OTHER_PROGRAMS = {"--include", "--install-completion", "--max-restarts", "--stop-timeout", "--tmpfs"}


@pytest.mark.slow
def test_options_that_pages_name_exist() -> None:
    pages = [ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]
    named = {
        name
        for page in pages
        for name in re.findall(r"`(?:earmark [^`]*?)?(--[a-z][a-z0-9-]+)", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 90
    assert named - OF_OTHER_PROGRAMS <= options(app)


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_commands_parse_as_written(command: str) -> None:
    names, values = parse(command)
    recipe, search, paper = (values.get(name) for name in ("recipe", "search", "key"))
    if names == ["train"] and recipe and not str(recipe).endswith(".yaml"):
        overrides = values["override"]
        assert isinstance(overrides, list | tuple | None)
        load_recipe(str(recipe), overrides or ())
    if names == ["tune"] and search and not str(search).endswith(".yaml"):
        assert search in list_searches()
    if names == ["reproduce"] and paper:
        assert paper in list_papers()
    if names == ["data", "download"]:
        assert values["name"] is None or find_downloads(str(values["name"]))
    elif names[0] == "data" and "name" in values:
        assert values["name"] in list_datasets()
    if dataset := values.get("dataset"):
        assert dataset in list_datasets()


def test_recipes_load(tmp_path: Path) -> None:
    mine, genres = blocks("docs/training.md", "yaml")
    (tmp_path / "my.yaml").write_text(mine)
    (tmp_path / "genres.yaml").write_text(genres)
    assert load_recipe(tmp_path / "genres.yaml").loss.classification == "softmax"
    recipe = load_recipe(tmp_path / "my.yaml")
    assert (recipe.data.dataset, recipe.training.epochs, recipe.optimiser.learning_rate) == ("manifest", 20, 0.02)


def test_every_section_and_key_is_in_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", text_of("docs/training.md"), re.MULTILINE)
    shown = {section: re.findall(r"`(\w+)`", keys) for section, keys in rows}
    recipe = load_recipe("first")
    known = {name: getattr(recipe, name) for name in Recipe.model_fields if name != "name"}
    assert shown == {name: list(type(section).model_fields) for name, section in known.items()} | {
        name: shown[name] for name in shown if name not in known
    }
    assert set(known) <= set(shown)


def test_the_manifest_is_one(tmp_path: Path) -> None:
    (text,) = blocks("docs/datasets.md", "csv")
    (tmp_path / "labels.csv").write_text(text)
    for name in ("a.mp3", "b.mp3", "c.mp3"):
        (tmp_path / name).touch()
    dataset = load_dataset("manifest", tmp_path / "labels.csv")
    assert [(tag.name, tag.kind, tag.category) for tag in dataset.vocabulary] == [
        ("rock", "classification", "genre"),
        ("calmness", "regression", "mood"),
    ]


@pytest.mark.slow
def test_examples_in_python_run(tmp_path: Path) -> None:
    dataset, model = blocks("docs/training.md", "python")
    after = """
import torch, earmark.datasets, earmark.models, pathlib
found = earmark.datasets.load_dataset("two_songs", pathlib.Path("."))
assert found.counts == {"train": 1, "test": 1}, found.counts
made = earmark.models.create_model("mean_of_bands", 3, n_mels=32)
assert made(torch.zeros(2, made.window_samples)).shape == (2, 3)
"""
    done = subprocess.run([sys.executable, "-c", dataset + model + after], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_datasets_and_their_protocols_and_counts_are_there() -> None:
    page = text_of("docs/datasets.md")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert sorted(sections) == list_datasets()
    for name in list_datasets():
        for protocol in dataset_info(name).protocols:
            if name == "mtg_jamendo":
                subset, _, split = protocol.name.rpartition("-")
                assert f"`{subset}`" in sections[name]
                assert split in [f"split{n}" for n in range(5)]
            else:
                assert f"| `{protocol.name}` |" in sections[name]
    for known in PROTOCOLS:
        row = next(line for line in sections["magnatagatune"].splitlines() if f"| `{known.protocol.name}` |" in line)
        assert known.n_clips is None or f"{known.n_clips:,}" in row
        for published in known.published.values():
            assert f"{published.n_clips:,}" in row
    for counts in PUBLISHED_COUNTS.values():
        assert " / ".join(f"{n:,}" for n in counts.values()) in sections["msd"]


@pytest.mark.parametrize("page", ["docs/training.md", "docs/datasets.md", "docs/design.md", "docs/service.md"])
def test_links_and_places_exist(page: str) -> None:
    later = ("results/emotify.md",)
    for target in re.findall(r"\]\(([^)#]+)\)", text_of(page)):
        if "://" not in target and target not in later:
            assert ((ROOT / page).parent / target).exists(), target
    for place in re.findall(r"`((?:src|tests|benchmarks)/[\w./-]+)`", text_of(page)):
        assert place.startswith("src/earmark/papers/recipes/PAPER") or (ROOT / place).exists(), place


def test_recipes_that_pages_name_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"\b((?:dieleman2014|bristol|kim2018|pons2017|ensemble)/[\w-]+)\b", text_of(page)):
            assert name in list_recipes(), name


def test_extras_that_pages_and_messages_name_exist() -> None:
    """Pages install from a checkout (.[extra]) or extend what is installed; messages do the latter, in one place."""
    extras = set(tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"])
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "examples" / "README.md"]
    named = re.findall(
        r"pip install [^`\n]*'(?:earmark|\.)\[([\w,]+)\]'", "".join(page.read_text("utf-8") for page in pages)
    )
    assert len(named) > 5
    assert {extra for names in named for extra in names.split(",")} <= extras
    sources = (ROOT / "src").rglob("*.py")
    assert [path.name for path in sources if "pip install" in path.read_text("utf-8")] == ["errors.py"]
    assert not any("pip install earmark" in page.read_text("utf-8") for page in pages), "nothing is on an index"

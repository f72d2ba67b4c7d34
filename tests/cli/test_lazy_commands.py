"""A command imports only what it needs: lists of commands come from tables, which say what the commands say."""

from __future__ import annotations

import gc
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from earmark.cli.lazy_group import Entry, LazyGroup, lazy_group, quick_imports
from earmark.cli.main import COMMANDS, app
from tests.helpers import sounds

GROUPS = ("library", "models", "cluster", "data", "analyze", "distill")


def tables() -> list[tuple[str, Entry]]:
    found = [("", entry) for entry in COMMANDS]
    for name in GROUPS:
        group = importlib.import_module(f"earmark.cli.{name}").group
        assert isinstance(group, LazyGroup)
        found += [(name, entry) for entry in group.entries.values()]
    return found


def imported(*arguments: str | Path) -> set[str]:
    """Modules that a command has imported at its end."""
    code = (
        "import sys\n"
        f"sys.argv = {['earmark', *map(str, arguments)]}\n"
        "from earmark.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines())


@pytest.mark.parametrize(("group", "entry"), tables(), ids=lambda one: getattr(one, "name", one))
def test_the_list_says_what_the_command_says(group: str, entry: Entry) -> None:
    command = entry.load()
    assert command.name == entry.name
    assert inspect.cleandoc(command.help or "").splitlines()[0] == entry.help, f"{group} {entry.name}"


def test_each_command_is_listed_once() -> None:
    names = [(group, entry.name) for group, entry in tables()]
    assert len(names) == len(set(names))
    targets = [entry.target for _, entry in tables()]
    assert len(targets) == len(set(targets))


def test_the_help_lists_all_commands_and_imports_none() -> None:
    loaded = imported("--help")
    commands = {entry.target.partition(":")[0] for entry in COMMANDS}
    assert not commands & loaded
    assert not {"numpy", "pydantic", "onnxruntime", "rich", "rich.progress"} & loaded
    shown = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    for entry in COMMANDS:
        assert f" {entry.name} {entry.help}" in shown


def test_a_groups_help_imports_none_of_its_commands() -> None:
    loaded = imported("library", "--help")
    assert {name for name in loaded if name.startswith("earmark.cli.library.")} == set()


@pytest.mark.slow
def test_tagging_imports_no_other_command(tmp_path: Path) -> None:
    song = sounds.write_int_wav(tmp_path / "a.wav", sounds.music(3, 16_000)[0], 16_000)
    for loaded in (imported("tag", "--help"), imported("tag", song, "--quiet")):
        foreign = ("cluster", "data", "analyze", "library", "models", "distill", "train", "serve")
        assert not {f"earmark.cli.{name}" for name in foreign} & loaded
        own = ("library", "service", "datasets", "evaluation", "training", "models", "plots", "cluster")
        assert not {f"earmark.{name}" for name in own} & loaded
        assert not {"torch", "pandas", "yaml", "matplotlib", "scipy", "pydantic", "rich.progress"} & loaded


@pytest.mark.slow
def test_shells_complete_names_and_options() -> None:
    def complete(words: str) -> set[str]:
        environment = {
            **os.environ,
            "_EARMARK_COMPLETE": "bash_complete",
            "COMP_WORDS": f"earmark {words}",
            "COMP_CWORD": str(len(f"earmark {words}".split(" ")) - 1),
        }
        code = "from earmark.cli.main import app; app(prog_name='earmark')"
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
        return {line.partition(",")[2] for line in done.stdout.splitlines()}

    assert {entry.name for entry in COMMANDS} <= complete("")
    assert complete("comp") == {"compare"}
    assert {"scan", "search", "similar", "stats"} == complete("library s")
    assert complete("tag --thr") == {"--threshold"}


def test_a_wrong_name_is_answered_with_a_near_one() -> None:
    done = CliRunner().invoke(app, ["evalute"])
    assert done.exit_code == 2
    assert "Did you mean 'evaluate'?" in done.output


def test_a_command_of_a_table_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy_command.py").write_text(
        'import click\n\n\ndef greet(name: str) -> None:\n    """Greet."""\n    click.echo(f"hello {name}")\n'
    )
    monkeypatch.syspath_prepend(tmp_path)

    toys = lazy_group("toys", "Toys.", (Entry("greet", "toy_command:greet", "Greet."),))
    assert CliRunner().invoke(toys, ["greet", "--name", "you"]).output == "hello you\n"
    assert "Greet." in CliRunner().invoke(toys, ["--help"]).output


def test_imports_go_on_without_the_garbage_collector_and_not_what_follows() -> None:
    assert gc.isenabled()
    with quick_imports():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ImportError), quick_imports():
        importlib.import_module("earmark.nothing_of_this_name")
    assert gc.isenabled()
    gc.disable()
    try:
        with quick_imports():
            pass
        assert not gc.isenabled()  # whoever had turned it off wants it off
    finally:
        gc.enable()

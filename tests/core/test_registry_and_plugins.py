"""Registries: names, entry points of installed distributions, plugin files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.core.plugins import PLUGINS_VARIABLE, load_plugin, load_plugins
from earmark.core.registry import Registry

Shapes = Registry[object]


def circle() -> int:
    return 0


def triangle() -> int:
    return 3


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins that a test names are forgotten after it."""
    monkeypatch.setenv(PLUGINS_VARIABLE, "")


@pytest.fixture
def shapes() -> Shapes:
    shapes = Shapes("shape", "earmark.tests.shapes")
    shapes.add(triangle)
    shapes.add(circle)
    return shapes


def test_the_name_is_the_functions_and_lists_are_sorted(shapes: Shapes) -> None:
    assert shapes.names() == ["circle", "triangle"]
    assert shapes.get("circle") is circle
    assert shapes.items() == [("triangle", triangle), ("circle", circle)]


def test_a_name_can_be_given(shapes: Shapes) -> None:
    shapes.add(object(), name="thing")
    assert "thing" in shapes.names()


def test_a_duplicate_is_refused_with_the_place_of_the_first(shapes: Shapes) -> None:
    with pytest.raises(ConfigError, match=f"shape 'circle' .*{__name__} has already registered that name"):
        shapes.add(circle)


def test_an_unknown_name_lists_similar_and_all_names() -> None:
    shapes = Shapes("shape", plural="shapes of things", error=DataError)
    with pytest.raises(DataError, match="no shape 'circel'; shapes of things are none"):
        shapes.get("circel")
    shapes.add(circle)
    shapes.add(triangle)
    with pytest.raises(DataError, match=r"did you mean circle\? shapes of things are circle, triangle"):
        shapes.get("circel")


def test_temporary_names_are_forgotten(shapes: Shapes) -> None:
    with shapes.temporary():
        shapes.add(object(), name="thing")
        assert "thing" in shapes.names()
    assert "thing" not in shapes.names()
    shapes.add(object(), name="thing")


def distribution(folder: Path, module: str, code: str, group: str = "earmark.tests.shapes") -> None:
    """A distribution as pip would install it into ``folder``, with one entry point."""
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\nany_name = {module}\n")


def test_entry_points_are_loaded_when_a_name_is_looked_up(
    tmp_path: Path, shapes: Shapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys\nsys.modules['shapes_of_this_test'].add(len, name='square')\n"
    distribution(tmp_path, "shape_distribution", code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "shapes_of_this_test", shapes)
    assert shapes.get("circle") is circle
    assert "shape_distribution" not in sys.modules, "earmark's own names do not need it"
    assert shapes.get("square") is len
    assert shapes.names() == ["circle", "square", "triangle"]
    monkeypatch.delitem(sys.modules, "shape_distribution")


def test_a_broken_entry_point_is_reported_and_takes_no_other_name_away(
    tmp_path: Path, shapes: Shapes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    distribution(tmp_path, "broken_distribution", "import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert shapes.names() == ["circle", "triangle"]
    assert "'any_name' of the distribution broken_distribution is left out: ModuleNotFoundError" in caplog.text
    caplog.clear()
    assert shapes.names() == ["circle", "triangle"]
    assert not caplog.text, "once is enough"


def test_a_plugin_runs_once(tmp_path: Path) -> None:
    file = tmp_path / "my plugin-1.py"
    file.write_text("from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int = 1\n")
    module = load_plugin(file)
    assert module.__name__.startswith("earmark_plugin_my_plugin_1_")
    assert load_plugin(str(file)) is module
    assert module.Point().x == 1


def test_two_plugins_of_one_name_are_two(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "json.py").write_text(f"where = {folder!r}\n")
    assert [load_plugin(tmp_path / folder / "json.py").where for folder in ("a", "b")] == ["a", "b"]


@pytest.mark.parametrize(
    ("code", "place", "reason"),
    [
        ("x = 1\n\ny = z\n", ":3: ", "NameError: name 'z' is not defined"),
        ("def f(:\n", ":1: ", "SyntaxError"),
        ("import sys\nsys.exit(3)\n", ":2: ", "SystemExit: 3"),
        ("import json\n\njson.loads('{')\n", ":3: ", "JSONDecodeError"),
        (
            "from earmark.core.registry import Registry\nr = Registry('shape')\nr.add(len)\nr.add(len)\n",
            ":4: ",
            "shape 'len' of builtins: builtins has already registered that name",
        ),
    ],
)
def test_a_plugin_that_fails_is_reported_with_its_line(tmp_path: Path, code: str, place: str, reason: str) -> None:
    file = tmp_path / "failing.py"
    file.write_text(code)
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            load_plugin(file)
        assert str(caught.value).startswith(f"plugin {file}{place}")
        assert reason in str(caught.value)


def test_a_missing_plugin_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"plugin .*none\.py: no such file"):
        load_plugin(tmp_path / "none.py")


def test_processes_that_are_started_have_the_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(
            "from earmark.core import registry\n"
            f"if hasattr(registry, 'SHAPES'):\n    registry.SHAPES.add(len, name={name!r})\n"
        )
    monkeypatch.setenv(PLUGINS_VARIABLE, str(tmp_path / "one.py"))
    monkeypatch.chdir(tmp_path)
    load_plugins(["two.py", tmp_path / "one.py"])
    assert os.environ[PLUGINS_VARIABLE] == os.pathsep.join([str(tmp_path / "one.py"), str(tmp_path / "two.py")])
    code = (
        "from earmark.core import registry\n"
        "registry.SHAPES = registry.Registry('shape')\n"
        "print(registry.SHAPES.names(), registry.SHAPES.get('two') is len)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False)
    assert done.stdout == "['one', 'two'] True\n", done.stderr


@pytest.mark.skipif(os.pathsep != ":", reason="a colon is no part of a file name there")
def test_a_path_that_the_environment_cannot_carry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a:b.py").touch()
    with pytest.raises(ConfigError, match="must not contain ':'"):
        load_plugins([tmp_path / "a:b.py"])

"""The Dockerfile: what it copies is there, its steps install earmark, and its health check works. No container is started."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.helpers.served import serving

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")


def stages() -> dict[str, list[tuple[str, str]]]:
    """Stage -> its instructions with their arguments, FROM first."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, list[tuple[str, str]]] = {}
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found[rest.split(" AS ")[1]] = []
        if found:
            found[[*found][-1]].append((word, rest.strip()))
    return found


def whole(name: str) -> dict[str, str]:
    """The last value of each instruction of a stage and of those that it is made from."""
    instructions = stages()[name]
    parent = instructions[0][1].split(" AS ")[0]
    return {**(whole(parent) if parent in stages() else {}), **dict(instructions)}


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out: the last rule that names it or a folder above decides."""
    out = False
    for rule in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if rule and not rule.startswith("#"):
            pattern = rule.removeprefix("!").removeprefix("**/")
            parts = Path(path).parts
            ways = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)] + (list(parts) if "**/" in rule else [])
            if any(fnmatch(way, pattern) for way in ways):
                out = not rule.startswith("!")
    return out


def copied() -> list[str]:
    """What stages take from the checkout."""
    words = [shlex.split(rest) for name in stages() for word, rest in stages()[name] if word == "COPY"]
    return [source for each in words if not each[0].startswith("--from") for source in each[:-1]]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    assert {"src", "web", "pyproject.toml", "LICENSE"} <= set(copied())
    for source in copied():
        assert (ROOT / source).exists(), source
        assert not ignored(source), source
    for junk in ("src/earmark/__pycache__/a.pyc", "web/node_modules/x", "src/earmark/service/page/a.js", ".git/config"):
        assert ignored(junk), junk


@pytest.mark.parametrize("name", ["tag", "serve"])
def test_images_do_not_run_as_root(name: str) -> None:
    image = whole(name)
    assert image["USER"] == "1000:1000"
    assert json.loads(image["ENTRYPOINT"]) == ["earmark"]


def test_the_command_line_is_the_default() -> None:
    assert [*stages()][-1] == "tag"
    assert "HEALTHCHECK" not in whole("tag")
    assert json.loads(whole("serve")["CMD"]) == ["serve"]


@pytest.mark.slow
def test_the_health_check_tells_a_running_service_from_none(tmp_path: Path) -> None:
    words = json.loads(whole("serve")["HEALTHCHECK"].partition("CMD ")[2])
    assert words[0] == "python"
    command = [sys.executable, *words[1:]]
    with serving(tmp_path) as service:
        port = str(service.port)
        env = {**os.environ, "EARMARK_SERVE_PORT": port}
        assert subprocess.run(command, env=env).returncode == 0
    assert subprocess.run(command, env=env, capture_output=True).returncode != 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="its steps are those of a shell")
def test_its_steps_install_earmark(tmp_path: Path) -> None:
    """Without dependencies, which tests/cli/test_light_install.py installs."""
    context, place = tmp_path / "context", tmp_path / "opt" / "earmark"
    context.mkdir()
    for word, rest in stages()["source"]:
        if word == "COPY":
            *sources, _ = shlex.split(rest)
            for source in sources:
                copy(source, context)
    venv.create(place, with_pip=True)
    (run,) = (rest for word, rest in stages()["tag-install"] if word == "RUN")
    steps = run.replace("/opt/earmark", str(place))
    asked = ["sh", "-c", steps.replace(str(place / "bin" / "pip"), "echo")]
    for extras, requirement in (("", "."), ("library,plot", ".[library,plot]")):
        env = {**os.environ, "EXTRAS": extras}
        said = subprocess.run(asked, env=env, capture_output=True, text=True, check=True).stdout
        assert said.split()[-1] == requirement
    done = subprocess.run(
        ["sh", "-c", f"{steps} --no-deps --quiet"],
        cwd=context,
        env={**os.environ, "EXTRAS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (packages,) = place.glob("lib/python*/site-packages")
    for part in ("earmark/tagging/bundled", "beetsplug/earmark/options.py", "picardplugin/earmark/MANIFEST.toml"):
        assert (packages / part).exists(), part
    assert [*packages.glob("earmark/tagging/bundled/*.onnx")]


def copy(source: str, context: Path) -> None:
    """A file, or a folder without what is ignored."""
    if (ROOT / source).is_file():
        shutil.copy(ROOT / source, context / source)
        return

    def left_out(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if ignored((Path(folder) / name).relative_to(ROOT).as_posix())]

    shutil.copytree(ROOT / source, context / source, ignore=left_out)


def test_the_pages_compose_file_names_the_target_and_settings_that_exist() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    service = yaml.safe_load(block)["services"]["earmark"]
    assert service["build"]["target"] in stages()
    for target in re.findall(r"--target (\w+)", PAGE + DOCKERFILE):
        assert target in stages()
    settings = (ROOT / "src" / "earmark" / "cli" / "serve.py").read_text(encoding="utf-8")
    for name in {*service["environment"], *re.findall(r"EARMARK_SERVE_\w+", DOCKERFILE)}:
        assert f'"{name}"' in settings

"""The plugin of MusicBrainz Picard: the part that runs earmark, and all of it in each Picard that is installed.

Picards are the one in PATH, or those that EARMARK_PICARD names, separated as in PATH.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from types import ModuleType

import mutagen
import numpy as np
import pytest

from earmark.library.tagfiles.changes import WritePolicy, wanted_values
from earmark.library.tagfiles.mapping import default_mapping
from earmark.tagging.tagger import load_tagger
from tests.conftest import ROOT
from tests.helpers import sounds

PLUGIN = ROOT / "src" / "picardplugin" / "earmark"
DRIVER = ROOT / "tests" / "helpers" / "picard_driver"
CLIPS = ROOT / "examples" / "clips"
EARMARK = f"{shlex.quote(sys.executable)} -m earmark"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("picardplugin_program", PLUGIN / "program.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_it_tags_as_earmark_writes(program: ModuleType, tmp_path: Path) -> None:
    """The same values, whatever the names of the files are; and a reason for each file without."""
    names = ["a\nb 'c' \"d\".mp3", "-q.mp3", "ü\udcff.mp3" if os.name == "posix" else "ü.mp3"]
    for name in names:
        shutil.copy(CLIPS / "03-rock.mp3", tmp_path / name)
    (tmp_path / "letter.mp3").write_text("dear friend")
    paths = [str(tmp_path / name) for name in [*names, "letter.mp3", "gone.flac"]]
    results = dict(program.Program(EARMARK).results(paths))
    tagger = load_tagger()
    wanted = wanted_values(
        tagger.card, tagger.tag(CLIPS / "03-rock.mp3").scores, WritePolicy(default_mapping(tagger.card.vocabulary))
    )
    assert wanted["genre"]
    assert wanted["mood"]
    for path in paths[:3]:
        assert results[path] == {field: list(wanted[field]) for field in ("genre", "mood")}
    assert results[paths[3]].startswith("not audio")
    assert results[paths[4]] == "no such file"
    assert [path.read_bytes() for path in tmp_path.glob("*.mp3")].count((CLIPS / "03-rock.mp3").read_bytes()) == 3


@pytest.mark.slow
def test_options_go_to_earmark_tag(program: ModuleType) -> None:
    run = program.Program(EARMARK, "--max-genres 1 --max-moods 0")
    (result,) = dict(run.results([str(CLIPS / "03-rock.mp3")])).values()
    assert len(result["genre"]) == 1
    assert result["mood"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("no-such-earmark", "", "no program 'no-such-earmark': install it (pipx install earmark), or name it"),
        ("'earmark", "", "No closing quotation"),
        (EARMARK, "--model nothing", "no model named 'nothing'"),
        (EARMARK, "--max-genre 1", "--max-genre"),
        (f"{shlex.quote(sys.executable)} -c 'import sys; sys.exit(9)'", "", "earmark ended with code 9"),
    ],
)
def test_what_stops_the_program_is_said(program: ModuleType, command: str, options: str, message: str) -> None:
    with pytest.raises(program.ProgramError) as caught:
        list(program.Program(command, options).results([str(CLIPS / "03-rock.mp3")]))
    assert message in str(caught.value)


@pytest.mark.slow
def test_it_can_be_stopped(program: ModuleType, tmp_path: Path) -> None:
    long = sounds.write_float_wav(tmp_path / "long.wav", np.tile(sounds.music(30, 16_000), (1, 80)), 16_000)
    run = program.Program(EARMARK)
    started = time.monotonic()
    Timer(1.0, run.stop).start()
    assert list(run.results([str(long)] * 1)) == []
    assert time.monotonic() - started < 15
    stopped = program.Program(EARMARK)
    stopped.stop()
    assert list(stopped.results([str(long)])) == []


@pytest.mark.parametrize(
    ("existing", "values", "mode", "result"),
    [
        ([], ["Rock"], "fill", ["Rock"]),
        (["Polka"], ["Rock"], "fill", ["Polka"]),
        (["polka", "ROCK"], ["Rock", "Pop"], "merge", ["polka", "ROCK", "Pop"]),
        (["Polka"], ["Rock"], "overwrite", ["Rock"]),
        (["Polka"], [], "overwrite", ["Polka"]),
        ([], [], "merge", []),
    ],
)
def test_existing_values(program: ModuleType, existing: list, values: list, mode: str, result: list) -> None:
    assert program.merged(existing, values, mode) == result


def test_the_manifest_is_complete() -> None:
    manifest = tomllib.loads((PLUGIN / "MANIFEST.toml").read_text(encoding="utf-8"))
    assert {"uuid", "name", "description", "api", "authors", "license", "license_url"} <= manifest.keys()
    assert 1 <= len(manifest["description"]) <= 200
    assert len(manifest["long_description"]) <= 2000


def picards() -> Iterator[Path]:
    """Programs that are MusicBrainz Picard, and not another of that name."""
    named = os.environ.get("EARMARK_PICARD", shutil.which("picard") or "")
    for path in filter(None, named.split(os.pathsep)):
        said = subprocess.run([path, "--version"], capture_output=True, text=True, env={**os.environ, **OFFSCREEN})
        if "MusicBrainz Picard" in said.stdout:
            yield Path(path)


OFFSCREEN = {"QT_QPA_PLATFORM": "offscreen"}


@pytest.fixture(params=list(picards()) or [None], ids=str)
def picard(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., dict]:
    """Runs a real Picard with the plugin on ``tmp_path/music`` and gives the driver's report."""
    if request.param is None:
        pytest.skip("no MusicBrainz Picard is installed")
    home, runtime = tmp_path / "home", tmp_path / "runtime"
    config = home / ".config" / "MusicBrainz"
    config.mkdir(parents=True)
    runtime.mkdir(mode=0o700)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTHONPATH"))}
    env |= {**OFFSCREEN, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    command_line = request.param.with_name("picard-cli")
    if command_line.exists():  # Picard 3
        for words in (
            ["install", str(PLUGIN)],
            ["install", str(DRIVER)],
            ["enable", "earmark"],
            ["enable", DRIVER.name],
        ):
            subprocess.run([command_line, "--yes", "plugins", *words], env=env, check=True, capture_output=True)
    else:
        for folder in (PLUGIN, DRIVER):
            shutil.copytree(folder, config / "Picard" / "plugins" / folder.name)
        (config / "Picard.ini").write_text(f"[setting]\nenabled_plugins=earmark, {DRIVER.name}\n")

    def run(**orders: object) -> dict:
        report = tmp_path / "report.json"
        orders = {"music": str(tmp_path / "music"), "report": str(report), **orders}
        done = subprocess.run(
            [request.param, "-s"] if command_line.exists() else [request.param],
            env={**env, "PICARD_DRIVER": json.dumps(orders)},
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert report.exists(), done.stderr
        answer = json.loads(report.read_text())
        assert "failure" not in answer, (answer, done.stderr)
        return answer

    return run


def starter(tmp_path: Path, program: str = EARMARK + ' "$@"') -> str:
    """A program that starts this earmark, or another, and writes down its process in the file ``pid``."""
    path = tmp_path / "earmark-here"
    path.write_text(
        f"#!/bin/sh\necho $$ > {shlex.quote(str(tmp_path / 'pid'))}\n"
        f"PYTHONPATH={shlex.quote(os.pathsep.join(sys.path))} exec {program}\n"
    )
    path.chmod(0o755)
    return shlex.quote(str(path))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a shell starts earmark")
def test_in_picard_values_are_filled_and_saved(picard: Callable[..., dict], tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for name in ("01-piano.flac", "03-rock.mp3", "05-jazz.m4a"):
        shutil.copy(CLIPS / name, music)
    (music / "letter.mp3").write_text("dear friend")
    kept = mutagen.File(music / "03-rock.mp3", easy=True)
    kept["genre"] = ["Polka"]
    kept.save()
    report = picard(settings={"earmark_command": starter(tmp_path), "earmark_options": "--threshold 0.0 --max-moods 2"})
    assert report["running"] == 1
    assert report["boxes"] == []
    assert report["status"] == "earmark: 3 of 3 files tagged"
    assert report["states"]["letter.mp3"] in ("ERROR", 3)  # as Picard had found it
    assert report["page"] == [starter(tmp_path), "--threshold 0.0 --max-moods 2", "Keep them"]
    flac, mp3, m4a = (mutagen.File(music / name) for name in ("01-piano.flac", "03-rock.mp3", "05-jazz.m4a"))
    assert len(flac["genre"]) == 2
    assert len(flac["mood"]) == 2
    assert mp3["TCON"].text == ["Polka"]
    moods = mp3.get("TMOO") or mp3["TXXX:mood"]  # Picard 2 writes ID3v2.3, unless it is told otherwise
    assert len([value for text in moods.text for value in text.split("/")]) == 2
    assert len(m4a["----:com.apple.iTunes:MOOD"]) == 2


@pytest.mark.slow
def test_in_picard_a_missing_program_is_named(picard: Callable[..., dict], tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    shutil.copy(CLIPS / "03-rock.mp3", tmp_path / "music")
    report = picard(settings={"earmark_command": "no-such-earmark"})
    assert report["running"] == 0
    (box,) = report["boxes"]
    assert "pipx install earmark" in box
    assert (tmp_path / "music" / "03-rock.mp3").stat().st_size


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a shell starts earmark")
def test_picard_ends_the_program_when_it_is_closed(picard: Callable[..., dict], tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    shutil.copy(CLIPS / "03-rock.mp3", tmp_path / "music")
    started = time.monotonic()
    report = picard(settings={"earmark_command": starter(tmp_path, "sleep 900")}, quit_at_once=True)
    assert report["running"] == 1
    assert time.monotonic() - started < 600
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)

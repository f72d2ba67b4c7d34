"""benchmarks/messy_library.py passes on a small library, and notices what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mutagen
import pytest

from tests.conftest import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_check_passes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    command = [sys.executable, BENCHMARKS / "messy_library.py", "--files", "60", "--folder", tmp_path, "--out", page]
    done = subprocess.run(command, capture_output=True, text=True, errors="backslashreplace", timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\npassed  ") > 50
    assert "| watch | " in page.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"], "the library was not deleted"


@pytest.mark.slow
def test_changes_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that cannot fail shows nothing: one change of each kind, made as earmark never may."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from messy import checks, contents, songs  # type: ignore[import-not-found]

    music = songs.Music(0)
    paths = {}
    for label in (
        "MP3",
        "FLAC",
        "Opus",
        "AAC in M4A",
        "WAV",
        "AIFF",
        "WMA",
        "WavPack",
        "Matroska",
        "AAC",
        "Monkey's Audio",
        "Musepack",
    ):
        kind = songs.FORMATS[label]
        paths[label] = tmp_path / f"{label}{kind.suffix}"
        music.song(paths[label], kind, songs.STYLES["plain"], "Title")
    before = contents.snapshot(tmp_path)
    assert all(one.packets and one.foreign for one in before.files.values())
    assert not [*checks.untouched(before, contents.snapshot(tmp_path))]
    opus = mutagen.File(paths.pop("Opus"))  # its pages have checksums
    opus["TITLE"] = "Tidal"
    opus.save()
    for path in paths.values():  # a title of equal length: nothing else changes
        content = path.read_bytes()
        for code in ("utf-16-le", "utf-8"):
            content = content.replace("Title".encode(code), "Tidal".encode(code))
        path.write_bytes(content)
    titled = contents.snapshot(tmp_path)
    assert len([*checks.other_tags(before, titled)]) == len(before.files)
    assert not [*checks.other_audio(before, titled)]
    for path in paths.values():
        content = bytearray(path.read_bytes())
        content[len(content) * 3 // 4] ^= 1
        path.write_bytes(content)
    assert len([*checks.other_audio(titled, contents.snapshot(tmp_path))]) == len(paths)

"""The library prints nothing, whatever it is given; what it logs is at DEBUG."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import earmark
from tests.helpers import sounds

CODE = """
import sys
import numpy as np
import earmark
tagger = earmark.load_tagger(damaged=sys.argv[1], windows=3)
results = list(tagger.tag_many([*sys.argv[2:], b"", b"no audio" * 1000], errors="return"))
assert len(results) == len(sys.argv), results
results.append(tagger.tag_waveform(np.zeros(16_000), 16_000))
tagged = [result for result in results if isinstance(result, earmark.TagScores)]
earmark.draw_taggram(tagged[0])
earmark.to_frame(results)
try:
    earmark.load_tagger("no such model")
except earmark.EarmarkError:
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["error", "tag"])
def test_nothing_is_printed(damaged: str, tmp_path: Path) -> None:
    whole = [
        sounds.write(tmp_path / f"whole.{kind}", sounds.music(6, 44_100), 44_100) for kind in ("mp3", "flac", "ogg")
    ]
    paths = [tmp_path / "missing.mp3", *whole]
    for path in whole:
        paths.append(sounds.shorten(path, 0.6, tmp_path / f"cut{path.suffix}"))
        content = bytearray(path.read_bytes())
        for at in range(len(content) // 3, len(content), len(content) // 7):
            content[at : at + 200] = bytes(np.random.default_rng(at).integers(0, 256, 200, np.uint8))
        paths.append(tmp_path / f"broken{path.suffix}")
        paths[-1].write_bytes(content)
    done = subprocess.run([sys.executable, "-c", CODE, damaged, *paths], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_tagged_and_what_is_not_is_logged_at_debug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    song = sounds.write(tmp_path / "song.flac", sounds.music(3, 16_000), 16_000)
    with caplog.at_level(logging.DEBUG, "earmark"):
        list(earmark.load_tagger().tag_many([song, tmp_path / "none.mp3"], errors="return"))
    loaded, tagged, failed = caplog.records
    assert loaded.getMessage().startswith("loaded model ")
    assert tagged.getMessage() == f"tagged: {song}: 3.0 s, 12 windows"  # short: from twelve places
    assert failed.getMessage() == f"not tagged: {tmp_path / 'none.mp3'}: no such file"
    assert {(record.levelname, record.name.rpartition(".")[0]) for record in caplog.records} == {
        ("DEBUG", "earmark.tagging")
    }

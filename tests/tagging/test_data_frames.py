"""Results as pandas tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import earmark
from tests.conftest import ROOT
from tests.helpers.degrees import CARD as GRADED
from tests.helpers.onnx_files import tiny

pd = pytest.importorskip("pandas")
CLIP = ROOT / "examples" / "clips" / "03-rock.mp3"


@pytest.fixture(scope="module")
def scores(tagger: earmark.Tagger) -> earmark.TagScores:
    return tagger.tag(CLIP)


@pytest.mark.slow
def test_many_results_are_one_table(tagger: earmark.Tagger, scores: earmark.TagScores, tmp_path: Path) -> None:
    other = earmark.load_tagger(tiny(tmp_path / "graded.onnx", GRADED)).tag(CLIP)
    silent = tagger.tag_waveform(np.zeros(16_000), 16_000)
    missing = earmark.AudioError("no such file", "missing.mp3")
    table = earmark.to_frame(iter([scores, missing, silent, other]))
    assert table["path"].tolist()[:2] == [str(CLIP), "missing.mp3"]
    assert table["path"].isna().tolist() == [False, False, True, False]
    assert table["status"].tolist() == ["ok", "error", "ok", "ok"]
    assert table["error"].isna().tolist() == [True, False, True, True]
    assert list(table.columns[:5]) == ["path", "status", "error", "duration_seconds", "model"]
    assert list(table.columns[5:]) == list(dict.fromkeys([*scores.tags, *other.tags]))
    assert table[list(scores.tags)].iloc[0].tolist() == scores.values()
    assert table[list(other.tags)].iloc[3].tolist() == other.values()
    assert table.iloc[1:3, 5:].isna().all().all()
    assert earmark.to_frame([]).columns.tolist() == ["path", "status", "error", "duration_seconds", "model"]


def test_the_tags_of_one_file(scores: earmark.TagScores) -> None:
    table = scores.to_frame(3)
    assert table.to_dict("records") == [vars(tag) for tag in scores.top(3)]
    assert len(scores.to_frame()) == len(scores.top(0))
    assert scores.to_frame(threshold="auto")["tag"].tolist() == [tag.tag for tag in scores.top(0, "auto")]
    assert scores.to_frame(threshold=1.0).columns.tolist() == ["tag", "score", "kind", "category"]


def test_a_taggram_is_a_table_by_time(scores: earmark.TagScores) -> None:
    table = scores.taggram_frame()
    assert table.index.name == "start_seconds"
    assert table.index.tolist() == scores.window_starts_seconds.tolist()
    np.testing.assert_array_equal(table["rock"], scores.taggram[:, scores.tags.index("rock")])


@pytest.mark.slow
def test_without_pandas_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "import earmark, numpy\n"
        "scores = earmark.load_tagger().tag_waveform(numpy.zeros(16_000), 16_000)\n"
        "for call in (lambda: earmark.to_frame([]), scores.to_frame, scores.taggram_frame):\n"
        "    try: call()\n"
        "    except earmark.EarmarkError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    (line,) = set(done.stdout.splitlines())
    assert line == "a table of results needs an optional part: pip install 'earmark[pandas]'"

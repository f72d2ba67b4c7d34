"""The page cuts, resamples and ranks in TypeScript; the expected values of its tests must be those of today's Python."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "web/tests"


@pytest.mark.slow
def test_the_expected_values_of_the_page_are_those_of_python() -> None:
    today = runpy.run_path(str(FOLDER / "from_python.py"))["numbers"]()
    written: dict[str, Any] = json.loads((FOLDER / "numbers.json").read_text())
    again = "write them again: python web/tests/from_python.py"
    exact = ("windows", "short", "printed", "ranked", "applies", "words", "mp3_samples", "keys")
    for name in (*exact, "rifx", "heads", "mp4s", "asfs", "oggs", "loud"):
        assert json.loads(json.dumps(today[name])) == written[name], again
    for name in ("scores", "weighted"):
        assert today["aggregated"][name] == pytest.approx(written["aggregated"][name]), again
    for now, then in zip(today["shares"], written["shares"], strict=True):
        assert now["shares"] == pytest.approx(then["shares"]), again
    assert list(today["mixed"]) == list(written["mixed"]), again
    for name, then in written["mixed"].items():
        now = today["mixed"][name]
        assert now["warnings"] == then["warnings"], again
        assert now["cancelled_seconds"] == pytest.approx(then["cancelled_seconds"]), again
        assert now["lost"] == pytest.approx(then["lost"], abs=1e-3), again
        assert now["mono"] == pytest.approx(then["mono"], abs=1e-4), again
    for now, then in zip(today["silence"], written["silence"], strict=True):
        assert now["warnings"] == then["warnings"], again
        assert now["silent_seconds"] == pytest.approx(then["silent_seconds"]), again
        assert now["weights"] == pytest.approx(then["weights"], abs=1e-6), again
    for now, then in zip(today["resampled"], written["resampled"], strict=True):
        assert now["n"] == then["n"], again
        assert now["samples"] == pytest.approx(then["samples"], abs=1e-4), again
    assert list(today["tunes"]) == list(written["tunes"]), again
    for name, then in written["tunes"].items():
        now = today["tunes"][name]
        assert (now["n_frames"], now["n_steps"]) == (then["n_frames"], then["n_steps"]), again
        for features, close in (("onsets", 2e-3), ("steps", 1e-3), ("cents", 0.02)):
            assert np.isclose(now[features], then[features], atol=close).mean() > 0.97, again
        for measure in ("tempo", "key"):
            assert now[measure] == pytest.approx(then[measure], abs=0.11 if measure == "tempo" else 0.2), again
            assert now[measure]["confidence"] == pytest.approx(then[measure]["confidence"], abs=0.01), again
    now, then = today["tempo_key"], written["tempo_key"]
    assert now["tempograms"] == pytest.approx(then["tempograms"], abs=1e-3), again
    assert now["refined"] == pytest.approx(then["refined"], abs=1e-2), again
    assert now["tuning_cents"] == pytest.approx(then["tuning_cents"]), again
    assert (now["tempo"], now["key"]) == (then["tempo"], then["key"]), again

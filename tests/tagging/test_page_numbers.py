"""The page cuts, resamples and ranks in TypeScript; the expected values of its tests must be those of today's Python."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "web/tests"


def test_the_expected_values_of_the_page_are_those_of_python() -> None:
    today = runpy.run_path(str(FOLDER / "from_python.py"))["numbers"]()
    written: dict[str, Any] = json.loads((FOLDER / "numbers.json").read_text())
    again = "write them again: python web/tests/from_python.py"
    for name in ("windows", "ranked", "held", "mp3_samples"):
        assert json.loads(json.dumps(today[name])) == written[name], again
    assert today["aggregated"]["scores"] == pytest.approx(written["aggregated"]["scores"]), again
    for now, then in zip(today["resampled"], written["resampled"], strict=True):
        assert now["n"] == then["n"], again
        assert now["samples"] == pytest.approx(then["samples"], abs=1e-4), again

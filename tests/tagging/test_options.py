"""Options of a tagger out of range."""

from __future__ import annotations

import pytest

from earmark.core.errors import ConfigError
from earmark.tagging.options import TaggerOptions, option_problems
from earmark.tagging.tagger import load_tagger


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_windows": 1, "damaged": "tag", "embeddings": True},
        {"windows": 1},
        {"windows": 64},
        {"step_seconds": 0.1},
        dict.fromkeys(("batch_windows", "windows", "step_seconds")),
    ],
)
def test_options_in_range(options: TaggerOptions) -> None:
    assert option_problems(options) == []


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load_tagger(batch_windows=0, damaged="skip", windows=65, step_seconds=float("nan"))  # type: ignore[arg-type]
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "batch_windows 0",
        "damaged 'skip'",
        "windows 65",
        "step_seconds nan",
        "windows 65 with step_seconds nan",
    ]

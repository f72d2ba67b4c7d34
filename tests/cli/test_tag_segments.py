"""`earmark tag --segments`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from earmark import audio, load_tagger
from earmark.tagging.segments import Segment
from tests.helpers import sounds
from tests.helpers.command import earmark_here as earmark
from tests.helpers.command import terminal

CLIPS = Path(__file__).parents[2] / "examples" / "clips"


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = [audio.load(CLIPS / name, 16_000) for name in ("03-rock.mp3", "04-dance.opus")]
    silence = np.zeros(8 * 16_000, np.float32)
    return sounds.write(tmp_path_factory.mktemp("mix") / "mix.flac", np.concatenate([*parts, silence]), 16_000)


@pytest.fixture(scope="module")
def parts(mix: Path) -> list[Segment]:
    """What Python says of it; rock and dance differ in some tag."""
    return load_tagger(step_seconds=2).tag(mix).segments()


@pytest.mark.slow
def test_lines_below_the_tags(mix: Path, parts: list[Segment]) -> None:
    def on_a_terminal(*options: str | int) -> list[str]:
        done = earmark("tag", mix, "--quiet", *options, environment=terminal(300))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    without = on_a_terminal()
    assert mix.name in without[0]
    lines = on_a_terminal("--segments")
    assert lines[: len(without)] == without
    rock, dance, silence = lines[len(without) :]
    for line, times, part in zip((rock, dance), ("0:00-0:2", "0:2\\d-0:5"), parts, strict=False):
        found = re.fullmatch(rf"  {times}\d  (.+)", line)
        assert found
        assert found[1].split(", ") == [tag.tag for tag in part.summary]
    assert re.fullmatch(r"  0:5\d-1:02  silence", silence)
    top = on_a_terminal("--segments", "--top", 1, "--min-segment", 1000)
    assert [line.split("  ")[1].split("-")[0] for line in top[-2:]] == ["0:00", "0:54"]
    assert len(top) <= len(without) + 2


@pytest.mark.slow
def test_in_json(mix: Path, parts: list[Segment]) -> None:
    plain, record = (
        json.loads(earmark("tag", mix, "--format", "jsonl", *more).stdout) for more in ([], ["--segments"])
    )
    segments = record.pop("segments")
    assert record == plain
    assert [segment["silent"] for segment in segments] == [False, False, True]
    assert segments[0]["start_seconds"] == 0
    assert segments[-1]["end_seconds"] == record["duration_seconds"]
    assert segments == [part.to_record() for part in parts]
    assert set(segments[0]["tags"][0]) == {"tag", "score"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--segments", "--format", "csv"], "--segments with --format csv"),
        (["--segments", "--windows", "3"], "--windows with --segments"),
        (["--step", "2", "--windows", "3"], "--windows with --step"),
        (["--step", "0"], "--step 0: must be 0.1 or more"),
        (["--segments", "--min-segment", "0"], "--min-segment 0: must be above 0"),
        (["--smoothing", "2"], "--smoothing: only with --segments"),
    ],
)
def test_what_makes_no_sense_is_refused(options: list[str], message: str, mix: Path) -> None:
    done = earmark("tag", mix, *options)
    assert done.returncode == 2
    assert message in done.stderr

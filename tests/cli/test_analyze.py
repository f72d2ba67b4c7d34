"""Evaluating with --html, and the figures of a scores file and of a long file, through the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.core.errors import ConfigError, DataError
from earmark.tagging.runtime import DEFAULT_MODEL, find_model, read_card
from tests.helpers import sounds


def earmark(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight sounds with labels, evaluated with the bundled model."""
    folder = tmp_path_factory.mktemp("analyze")
    tags = [tag.name for tag in read_card(find_model()).vocabulary if tag.kind == "classification"][:4]
    lines = [f"path,split,artist,{','.join(tags)}"]
    for i in range(8):
        sounds.write(folder / f"{i}.wav", sounds.music(4, 16_000, seed=i), 16_000)
        lines.append(f"{i}.wav,test,artist {i % 4}," + ",".join(str(int(i % 4 == k)) for k in range(4)))
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    done = earmark(
        "evaluate", DEFAULT_MODEL, "--dataset", "manifest", "--root", folder / "labels.csv", "--out", folder / "out",
        "--resamples", "50", "--html", "--quiet",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == str(folder / "out" / "report.html")
    return folder


@pytest.mark.slow
def test_evaluate_writes_a_page_with_players(folder: Path) -> None:
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 8
    assert (folder / "3.wav").as_uri() in page
    assert f"<h1>{DEFAULT_MODEL} on " in page


@pytest.mark.slow
def test_a_report_of_a_folder_has_its_figures_and_embeds_what_it_plays(folder: Path) -> None:
    done = earmark(
        "analyze", "report", folder / "out", "--audio", folder, "--embed-audio", "--clips", "2", "--out", folder / "again.html"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    first, again = ((folder / name).read_text(encoding="utf-8") for name in ("out/report.html", "again.html"))
    assert again.count("data:audio/mpeg") == 4
    assert "file://" not in again
    averages = [text[text.index('id="averages"') : text.index('id="tags"')] for text in (first, again)]
    assert averages[0] == averages[1]


@pytest.mark.slow
def test_wrong_use_is_reported_at_once(folder: Path) -> None:
    done = earmark("analyze", "report", folder / "none.csv", "--dataset", "manifest", "--audio", folder / "none")
    assert isinstance(done.exception, ConfigError)
    assert len(done.exception.problems) == 4
    done = earmark("evaluate", DEFAULT_MODEL, "--dataset", "x", "--root", folder, "--out", folder, "--embed-audio")
    assert "--embed-audio: only with --html" in str(done.exception)
    done = earmark("analyze", "confusion", folder / "out" / "scores.parquet", "--measure", "rank", "--out", folder)
    assert "one of outranks, score, drawn" in str(done.exception)
    done = earmark("analyze", "thresholds", folder / "labels.csv", "--out", folder)
    assert isinstance(done.exception, DataError)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("calibration", {"calibration", "calibration-tags", "calibration-errors"}),
        ("thresholds", {"thresholds", "threshold-curves"}),
        ("confusion", {"confusion", "confusion-pairs"}),
    ],
)
def test_figures_of_a_scores_file(folder: Path, command: str, names: set[str]) -> None:
    more = ["--least-clips", "1"] if command == "confusion" else ["--most", "2"]
    done = earmark("analyze", command, folder / "out" / "scores.parquet", "--out", folder / command, *more)
    assert done.exit_code == 0, done.exception
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert {path.stem for path in paths} == names
    assert all(path.is_file() for path in paths)
    assert {path.suffix for path in paths} == {".png", ".svg", ".csv"}


@pytest.mark.slow
def test_moments_of_a_file_are_printed_and_written(folder: Path) -> None:
    done = earmark("analyze", "moments", folder / "0.wav", "--out", folder / "moments", "--tags", "3", "--quiet")
    assert done.exit_code == 0, done.exception
    tags = [line[:20].strip() for line in done.stdout.splitlines()[:3]]
    assert pd.read_csv(folder / "moments" / "moments.csv").tag.unique().tolist() == tags
    assert (folder / "moments" / "moments.png").stat().st_size > 5000

"""Taggram images: what is drawn, of files from half a minute to two hours, with names in any script."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import imread

from earmark.core.vocabulary import Vocabulary
from earmark.tagging import fonts
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.taggram import _columns, _rows, draw_taggram

NAMES = ["東京の夜.mp3", "أغنية الليل.flac", "party 🎵👩‍🎤.ogg", os.fsdecode(b"caf\xe9 $1 $2\n.wav"), "é" * 200]


def made(seconds: float, n_rows: int, path: str | None = None, n_tags: int = 40) -> TagScores:
    rng = np.random.default_rng(0)
    taggram = rng.uniform(0, 0.2, (n_rows, n_tags)).astype(np.float32)
    taggram[: n_rows // 4, 3] = 0.9
    names = [f"tag {i}" for i in range(n_tags)]
    starts = np.linspace(0, seconds - 10, n_rows)
    return TagScores(
        path and Path(path), "made", Vocabulary.of(names), taggram.mean(axis=0), taggram, starts, 10.0, seconds,
        dict.fromkeys(names, 0.5),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "title", "axis", "ticks"),
    [
        (30, "0:30, model made", "time (m:ss)", ["0:00", "0:05", "0:10"]),
        (240, "4:00, model made", "time (m:ss)", ["0:00", "0:30", "1:00"]),
        (7206, "2:00:06, model made", "time (h:mm:ss)", ["0:00", "15:00", "30:00", "45:00", "1:00:00"]),
    ],
)
def test_times_are_readable(seconds: float, title: str, axis: str, ticks: list[str]) -> None:
    axes = draw_taggram(made(seconds, int(seconds // 2), "a.mp3")).axes[0]
    assert axes.get_title("left") == f"a.mp3\n{title}"
    assert axes.get_xlabel() == axis
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown[: len(ticks)] == ticks
    assert len(shown) <= 12


def test_columns_of_long_files_are_means_over_time() -> None:
    scores = made(7200, 3600)
    edges, values = _columns(scores)
    assert len(values) == len(edges) - 1 == 600
    lengths = np.diff(scores.row_edges_seconds())
    expected = np.average(scores.taggram, axis=0, weights=lengths)
    np.testing.assert_allclose(values.mean(axis=0), expected, atol=1e-4)
    assert values[:, 3].max() == pytest.approx(0.9, abs=1e-4)
    edges, values = _columns(made(600, 300))
    assert len(values) == 300


def test_only_tags_that_matter_somewhere_are_drawn() -> None:
    scores = made(7200, 3600)
    assert 3 in _rows(scores, 24)  # its mean is low
    assert len(_rows(scores, 24)) == 8
    scores.taggram[:, 10:30] = 0.6
    assert sorted(_rows(scores, 24)) == [3, *range(10, 30)]
    assert sorted(_rows(scores, 1)) == [3]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_script_are_drawn_without_warnings(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    with caplog.at_level(logging.WARNING):
        draw_taggram(made(30, 15, name), tmp_path / "a.png")
    picture = imread(tmp_path / "a.png")
    assert not recwarn.list
    assert not caplog.records
    assert picture.shape[1] == 1100


@pytest.mark.slow
def test_it_is_drawn_into_axes_of_a_figure(tmp_path: Path) -> None:
    figure = Figure(figsize=(12, 9), layout="constrained")
    (left, right), others = figure.subplots(2, 2)
    inner = figure.subfigures(1, 1).add_subplot()
    scores = made(240, 120, "a.mp3")
    assert draw_taggram(scores, tmp_path / "a.png", ax=left, max_tags=4) is figure
    assert imread(tmp_path / "a.png").shape[:2] == (9 * 110, 12 * 110)
    assert draw_taggram(scores, ax=inner) is figure
    assert (left.get_title("left"), right.get_title("left")) == ("a.mp3\n4:00, model made", "")
    (mesh,) = left.collections
    assert isinstance(mesh, QuadMesh)
    np.testing.assert_allclose(mesh.get_array(), scores.taggram[:, _rows(scores, 4)].T)
    assert not any(axes.has_data() for axes in (right, *others))


def test_a_figure_is_not_kept_by_pyplot() -> None:
    from matplotlib import pyplot

    draw_taggram(made(30, 15))
    assert pyplot.get_fignums() == []


@pytest.mark.slow
def test_nothing_on_stderr(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.tagging.test_taggram import made, NAMES\n"
        "from earmark.tagging.taggram import draw_taggram\n"
        "for name in NAMES: draw_taggram(made(30, 15, name), Path(sys.argv[1], 'a.png'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_installed_font_fills_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    has = {"plain.ttf": frozenset("song .mp3"), "japanese.ttf": frozenset("東京の夜"), "other.ttf": frozenset("東")}
    monkeypatch.setattr(font_manager.fontManager, "findfont", lambda name: "plain.ttf")
    monkeypatch.setattr(fonts, "_installed", lambda: (("Japanese", "japanese.ttf"), ("Other", "other.ttf")))
    monkeypatch.setattr(fonts, "_characters", has.__getitem__)
    assert fonts.drawable(["東京の夜 song.mp3"]) == (["東京の夜 song.mp3"], ["DejaVu Sans", "Japanese"])
    assert fonts.drawable(["夜\u200d🎵 song"]) == (["夜\ufffd song"], ["DejaVu Sans", "Japanese"])
    assert fonts.drawable(["song"]) == (["song"], ["DejaVu Sans"])

"""The strongest moments of a file: planted moments are found, with their times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.core.clock import clock
from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Vocabulary
from earmark.plots.moments import draw_moments, find_moments, moments_frame, thinned
from earmark.tagging.aggregation import aggregate
from earmark.tagging.tag_scores import TagScores


def scores(taggram: Any, *, window: float = 3.0, hop: float = 3.0, duration: float | None = None) -> TagScores:
    gram = np.asarray(taggram, np.float32)
    names = ("rock", "jazz", "folk")[: gram.shape[1]]
    return TagScores(
        Path("a $long$ mix.mp3"),
        "net",
        Vocabulary.of(names),
        aggregate(gram),
        gram,
        np.arange(len(gram)) * hop,
        window,
        duration or (len(gram) - 1) * hop + window,
        {},
    )


def planted(n: int = 2400) -> TagScores:
    """Two hours: jazz from 30:00 to 40:00 and, weaker and shorter, from 1:30:00 to 1:35:00; rock all along."""
    rng = np.random.default_rng(0)
    gram = 0.1 + 0.02 * rng.random((n, 3))
    gram[:, 0] += 0.6
    gram[600:800, 1] = 0.9
    gram[1800:1900, 1] = 0.75
    return scores(gram)


def test_planted_moments_are_found_in_order_of_strength() -> None:
    rock, jazz, folk = sorted(find_moments(planted()), key=lambda one: ("rock", "jazz", "folk").index(one.tag))
    first, second = jazz.moments
    assert first.start_seconds == pytest.approx(1800, abs=3)
    assert first.end_seconds == pytest.approx(2400, abs=3)
    assert second.start_seconds == pytest.approx(5400, abs=10)
    assert second.end_seconds == pytest.approx(5700, abs=10)
    assert (first.rank, second.rank) == (1, 2)
    assert first.mean == pytest.approx(0.9, abs=0.01)
    assert second.peak == pytest.approx(0.75, abs=0.01)
    assert 1800 <= first.peak_seconds <= 2400
    assert rock.level is None
    assert rock.moments == folk.moments == ()


def test_a_tag_that_holds_for_a_part_goes_before_one_that_is_middling_all_along() -> None:
    found = find_moments(planted(), n_tags=2)
    assert [one.tag for one in found] == ["jazz", "rock"]
    assert found[0].mean < found[1].mean
    assert found[0].strength == pytest.approx(0.86, abs=0.05)


def test_a_long_moment_goes_before_a_single_window() -> None:
    gram = np.zeros((100, 1))
    gram[10] = 1.0
    gram[50:70] = 0.8
    (jazz,) = find_moments(scores(gram), smooth_seconds=0)
    assert [(s.start_seconds, s.end_seconds) for s in jazz.moments] == [(150, 210), (30, 33)]
    (only,) = find_moments(scores(gram), smooth_seconds=0, n_moments=1)
    assert len(only.moments) == 1
    (smoothed,) = find_moments(scores(gram), smooth_seconds=30)
    assert [s.rank for s in smoothed.moments] == [1]  # the single window is smoothed away


def test_short_files_and_ends() -> None:
    (one,) = find_moments(scores([[0.5]], duration=1.2))
    assert one.moments == ()
    gram = np.zeros((10, 1))
    gram[8:] = 0.9
    (at_end,) = find_moments(scores(gram, duration=28.5), smooth_seconds=0)
    assert at_end.moments[0].end_seconds == 28.5  # no longer than the file
    with pytest.raises(ConfigError) as caught:
        find_moments(planted(), n_tags=0, n_moments=0, smooth_seconds=-1)
    assert len(caught.value.problems) == 3


def test_thinning_keeps_the_shortest_moment() -> None:
    gram = np.zeros((5000, 1))
    gram[3333] = 1
    edges, thin, step = thinned(np.arange(5001.0), gram, 1000)
    assert (len(thin), step) == (1000, 5)
    assert thin[666] == 1
    assert thin.sum() == 1
    np.testing.assert_array_equal(edges, np.arange(0, 5001, 5))
    edges, thin, step = thinned(np.arange(9.0), np.array([[0.5], [np.nan]] * 4), 3)
    assert (edges.tolist(), thin[:, 0].tolist(), step) == ([0, 3, 6, 8], [0.5, 0.5, 0.5], 3)


def drawn(made: TagScores) -> tuple[list[float], list[float]]:
    """Edges of the columns in seconds, and their scores for rock."""
    (axes, *_) = draw_moments(made, find_moments(made, n_tags=1, smooth_seconds=0)).figure.axes
    (mesh,) = axes.collections
    return mesh.get_coordinates()[0, :, 0].tolist(), np.round(mesh.get_array()[0].astype(float), 4).tolist()


def test_a_column_is_where_its_window_is() -> None:
    gram = [[0.1], [0.2], [0.9], [0.3]]
    one_after_the_other = scores(gram)
    assert drawn(one_after_the_other) == ([0, 3, 6, 9, 12], [0.1, 0.2, 0.9, 0.3])
    overlapping = scores(gram, hop=1.0)
    assert drawn(overlapping) == ([0, 2, 3, 4, 6], [0.1, 0.2, 0.9, 0.3]), "to the middle between two centres"
    silence_within = replace(
        one_after_the_other,
        window_starts_seconds=np.array([0.0, 3.0, 16.0, 19.0]),
        duration_seconds=22.0,
        left_out_seconds=np.array([[6.0, 16.0]]),
    )
    assert drawn(silence_within) == ([0, 3, 6, 16, 19, 22], [0.1, 0.2, 0.0, 0.9, 0.3])


def test_table_and_figure() -> None:
    made = planted()
    found = find_moments(made)
    frame = moments_frame(found)
    jazz = frame[frame.tag == "jazz"].iloc[0]
    assert (jazz.start in ("29:57", "30:00", "30:03"), jazz["rank"]) == (True, 1)
    assert frame[frame.tag == "rock"].start.item() == ""
    drawing = draw_moments(made, found)
    (axes, *_) = drawing.figure.axes
    assert axes.get_xlim() == (0, 7200)
    assert "1:00:00" in [label.get_text() for label in axes.get_xticklabels()]
    assert clock(59.6) == "1:00"

"""Calibration maps, thresholds, and the reference that they are fitted to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from earmark.core.calibration import Platt
from earmark.distillation import calibration_targets as targets


def made_up_scores(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Labels, scores that are too low and too flat, each tag in its own way, limits, and songs."""
    rng = np.random.default_rng(1)
    n_tags = 12
    truth = rng.normal(-2, 2.5, (n, n_tags))
    holds = rng.random((n, n_tags)) < 1 / (1 + np.exp(-truth))
    level = np.linspace(-4, -1, n_tags)
    scores = 1 / (1 + np.exp(-(0.4 * truth + level)))
    limits = 1 / (1 + np.exp(-level))
    return holds, scores, limits, [f"song {i // 2}" for i in range(n)]


@pytest.mark.slow
def test_calibrated_scores_mean_what_they_say() -> None:
    holds, scores, limits, songs = made_up_scores()
    fitted = targets.fit_maps(holds, scores, limits, songs)
    assert fitted.losses[fitted.freedom] < 0.8 * fitted.losses[None]
    assert fitted.usual.slope == pytest.approx(2.5, rel=0.15)
    bins = targets.reliability(holds, fitted.scores)
    assert targets.calibration_error(bins) < 0.02
    assert targets.calibration_error(targets.reliability(holds, scores)) > 0.1
    assert sum(one.n for one in bins) == holds.size
    for one in bins:
        assert abs(one.mean_score - one.share) < 0.1


@pytest.mark.slow
def test_a_tag_that_hardly_ever_holds_keeps_to_the_map_of_all() -> None:
    holds, scores, limits, songs = made_up_scores()
    holds[:, 0] = False
    holds[3, 0] = True
    fitted = targets.fit_maps(holds, scores, limits, songs)
    assert all(math.isfinite(found.slope) and found.slope > 0 for found in fitted.maps)
    assert float(fitted.maps[0](scores[:, 0].max())) < 0.9


def test_thresholds_rise_where_a_tag_is_said_wrongly() -> None:
    rng = np.random.default_rng(2)
    scores = rng.random((300, 3))
    holds = np.stack(
        [
            rng.random(300) < scores[:, 0],
            scores[:, 1] > 0.85,  # below it is always wrong
            np.zeros(300, bool),  # never right
        ],
        axis=1,
    )
    found = targets.choose_thresholds(holds, scores)
    assert found[0] == 0.5
    assert 0.6 < found[1] < 0.85
    assert found[2] == targets.THRESHOLDS[-1]
    assert targets.choose_thresholds(holds[:3], scores[:3] * 0.4).tolist() == [0.5] * 3  # it is never said


def test_a_tag_holds_in_as_large_a_share_as_its_mean_says() -> None:
    labels = np.random.default_rng(3).beta(0.3, 3, (5000, 4)).astype(np.float32)
    limits = targets.reference_limits(labels)
    assert (labels >= limits).mean(axis=0) == pytest.approx(labels.mean(axis=0), abs=0.002)


def test_what_was_not_labelled_does_not_move_the_limits() -> None:
    labels = np.random.default_rng(3).beta(0.3, 3, (5000, 3)).astype(np.float32)
    masked = labels.copy()
    masked[1000:, 1] = np.nan
    masked[:, 2] = np.nan
    found, expected = targets.reference_limits(masked), targets.reference_limits(labels[:1000])
    assert found[:2] == pytest.approx([targets.reference_limits(labels)[0], expected[1]])
    assert math.isnan(found[2])


def test_people_leave_out_much_when_they_tag() -> None:
    labels = np.random.default_rng(3).beta(0.5, 4, (5000, 3)).astype(np.float32)
    labels[:, 2] = 0.8
    labels[:1000, 2] = 0.9
    means = labels.mean(axis=0)
    limits = targets.reference_limits(labels, [1.0, 2.5, 3.0])
    holds = (labels >= limits).mean(axis=0)
    assert holds[:2] == pytest.approx([means[0], 2.5 * means[1]], abs=0.002)
    assert means[2] > targets.LARGEST_SHARE  # a factor takes nothing away, and gives no more than that
    assert limits[2] == targets.reference_limits(labels)[2]
    assert (labels >= targets.reference_limits(labels, [1.0, 50.0, 1.0])).mean(axis=0)[1] == pytest.approx(
        targets.LARGEST_SHARE, abs=0.002
    )


@pytest.mark.slow
def test_where_the_reference_is_not_known_nothing_is_fitted() -> None:
    holds, scores, limits, songs = made_up_scores()
    partly = holds.astype(np.float64)
    partly[200:, 3] = np.nan
    partly[:, 5] = np.nan
    whole, found = (targets.fit_maps(given, scores, limits, songs) for given in (holds, partly))
    assert found.maps[5] == found.usual.after(Platt(1.0, -math.log(limits[5] / (1 - limits[5]))))
    assert found.maps[3] != whole.maps[3]
    assert sum(one.n for one in targets.reliability(partly, found.scores)) == 11 * 400 - 200
    assert targets.log_loss(partly, scores) == pytest.approx(targets.log_loss(holds, scores), rel=0.1)
    thresholds = targets.choose_thresholds(partly[:, [5, 0]], found.scores[:, [5, 0]])
    assert thresholds[0] == 0.5
    assert thresholds[1] == targets.choose_thresholds(holds, found.scores)[0]

"""The data behind the figures of a scores file: planted calibration, thresholds, confusions and clips are found."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve

from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Tag
from earmark.evaluation import ScoreTable
from earmark.plots import save
from earmark.plots.calibration import draw_calibration, draw_calibration_tags
from earmark.plots.calibration_errors import draw_calibration_errors
from earmark.plots.clips import clip_list
from earmark.plots.confusion import confusion, confusion_frame, draw_confused_pairs, draw_confusion, order_together
from earmark.plots.reliability import Reliability, reliabilities, reliability_frame
from earmark.plots.thresholds import draw_threshold_curves, draw_thresholds, threshold_curves, threshold_frame
from tests.helpers.score_tables import score_table


def of(found: list[Reliability], tag: str | None, kind: str = "classification") -> Reliability:
    (one,) = [one for one in found if (one.tag, one.kind) == (tag, kind)]
    return one


def drawn_by_scores(n: int = 4000) -> ScoreTable:
    """Labels of "rock" are drawn by its scores; those of "jazz" by half of its scores."""
    rng = np.random.default_rng(0)
    scores = rng.random((n, 2))
    return score_table(rng.random((n, 2)) < scores * [1, 0.5], scores)


def test_scores_that_mean_what_they_say_have_an_error_that_chance_explains() -> None:
    made = drawn_by_scores()
    found = reliabilities(made, n_resamples=200)
    rock, jazz = of(found, "rock"), of(found, "jazz")
    np.testing.assert_allclose(rock.shares, rock.mean_scores, atol=0.06)
    assert rock.error < (rock.chance_high or 0) * 1.2
    np.testing.assert_allclose(jazz.shares, jazz.mean_scores / 2, atol=0.06)
    assert jazz.error == pytest.approx(0.25, abs=0.02)  # the mean of half a score
    assert jazz.error > 5 * (jazz.chance_high or 1)
    assert (rock.low <= rock.mean_scores).mean() > 0.8
    assert (rock.mean_scores <= rock.high).mean() > 0.8
    every = of(found, None)
    assert every.counts.sum() == 8000
    assert every.shares[-1] == pytest.approx((rock.shares[-1] + jazz.shares[-1]) / 2, abs=0.02)


def test_bins_agree_with_scikit_learn_and_leave_unlabelled_clips_out() -> None:
    made = drawn_by_scores(500)
    labels = made.labels.copy()
    labels[::7, 0] = np.nan
    found = of(reliabilities(dataclasses.replace(made, labels=labels), n_resamples=0), "rock")
    known = ~np.isnan(labels[:, 0])
    shares, means = calibration_curve(labels[known, 0], made.scores[known, 0], n_bins=10)
    np.testing.assert_allclose(found.shares, shares)
    np.testing.assert_allclose(found.mean_scores, means)
    assert found.counts.sum() == known.sum()
    counted = of(reliabilities(made, n_bins=5, spacing="count", n_resamples=0), "rock")
    assert counted.counts.tolist() == [100] * 5


def test_clips_of_one_artist_widen_the_interval_and_few_clips_never_give_none() -> None:
    rng = np.random.default_rng(1)
    label = np.repeat(rng.random(20) < 0.5, 30)[:, None]  # an artist's clips are all alike
    scores = np.full((600, 1), 0.5)
    clustered = of(reliabilities(score_table(label, scores, clips_per_artist=30)), "rock")
    single = of(reliabilities(score_table(label, scores)), "rock")
    assert (clustered.high - clustered.low)[0] > 3 * (single.high - single.low)[0]
    two = of(reliabilities(score_table([[1], [1]], [[0.9], [0.95]])), "rock")
    assert two.shares[0] == 1
    assert two.low[0] == pytest.approx(0.342, abs=0.01)  # Wilson: 2 of 2
    assert two.high[0] == 1


def test_degrees_have_a_curve_without_chance() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((300, 1))
    found = reliabilities(score_table(scores**2, scores, (Tag("calm", "regression"),)))
    calm = of(found, "calm", "regression")
    np.testing.assert_allclose(calm.shares, calm.mean_scores**2, atol=0.01)
    assert calm.chance is None
    assert set(reliability_frame(found).tag) == {"", "calm"}


def test_calibration_refuses_scores_that_are_no_shares_and_bins_out_of_range() -> None:
    with pytest.raises(DataError, match=r"scores in 0\.\.1, these are -2 to 3"):
        reliabilities(score_table([[1], [0]], [[3], [-2]]))
    with pytest.raises(ConfigError) as caught:
        reliabilities(score_table([[1], [0]], [[1], [0]]), n_bins=1, spacing="log")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 2


def test_threshold_curve_agrees_with_scikit_learn_and_marks_what_is_chosen() -> None:
    made = drawn_by_scores(300)
    rock, jazz = threshold_curves(made, {"rock": 0.6})
    precision, recall, thresholds = precision_recall_curve(made.labels[:, 0], made.scores[:, 0])
    np.testing.assert_allclose(rock.thresholds, thresholds)
    np.testing.assert_allclose(rock.precision, precision[:-1])
    np.testing.assert_allclose(rock.recall, recall[:-1])
    said = made.scores[:, 0] >= 0.6
    assert rock.chosen_precision == pytest.approx(made.labels[said, 0].mean())
    assert rock.chosen_recall == pytest.approx(said[made.labels[:, 0] == 1].mean())
    assert rock.best_f1 == pytest.approx(rock.f1.max())
    assert rock.nearly_from < rock.best < rock.nearly_to
    assert jazz.chosen is None
    marks = threshold_frame([rock, jazz]).query("mark != ''")
    assert marks[["tag", "mark"]].values.tolist() == [["rock", "best here"], ["rock", "in use"], ["jazz", "best here"]]


def test_a_perfect_tag_has_its_threshold_in_the_gap_and_one_sided_tags_have_none() -> None:
    (rock,) = threshold_curves(
        score_table([[1, 1], [1, 1], [0, 1], [0, 1]], [[0.9, 0.1], [0.8, 0.2], [0.2, 0.3], [0.1, 0.4]])
    )
    assert (rock.tag, rock.best, rock.best_f1) == ("rock", pytest.approx(0.5), 1.0)
    (above,) = threshold_curves(score_table([[1], [0]], [[0.9], [0.1]]), {"rock": 0.95})
    assert (above.chosen_recall, above.chosen_f1) == (0, 0)
    assert np.isnan(above.chosen_precision)


def confused() -> ScoreTable:
    """On 8 of 10 jazz clips "rock" scores higher; techno clips are alone, and folk never occurs."""
    labels, scores = np.zeros((40, 4)), np.full((40, 4), 0.1)
    for tag in range(4):
        labels[10 * tag : 10 * tag + 10, tag] = 1
        scores[10 * tag : 10 * tag + 10, tag] = 0.6
    scores[10:18, 0] = 0.9
    scores[20:30, 2] = 0.1
    return score_table(labels, scores)


def test_planted_confusion_is_found() -> None:
    found = confusion(confused())
    assert found.tags == ("rock", "jazz", "folk", "techno")
    assert found.outranks[1, 0] == 0.8
    assert found.outranks[0, 1] == 0
    assert found.score[1, 0] == pytest.approx(0.74)
    assert found.drawn[1, 0] == pytest.approx(0.9)  # 8 of 10 above, 2 equal to those with neither
    assert found.outranks[2, 3] == 0.5  # equal scores count half
    assert found.counts[1, 0] == found.counts[1, 1] == 10
    assert found.worst()[0] == (1, 0)
    first = confusion_frame(found).iloc[0]
    assert (first.tag, first.other, first.other_outranks) == ("jazz", "rock", 0.8)
    order = order_together(found, 4)
    assert sorted(order) == [0, 1, 2, 3]
    assert abs(order.index(0) - order.index(1)) == 1


def test_clips_with_both_tags_and_unlabelled_ones_are_no_confusion() -> None:
    labels = np.array([[1, 1], [1, np.nan], [1, 0], [0, 0]])
    found = confusion(score_table(labels, [[0.2, 0.9], [0.2, 0.9], [0.8, 0.1], [0.1, 0.1]]))
    assert found.counts[0, 1] == 1
    assert found.outranks[0, 1] == 0
    assert np.isnan(found.outranks[1, 0])  # no clip has the second without the first
    with pytest.raises(DataError, match="at least two"):
        confusion(score_table([[1], [0]], [[1], [0]]))
    with pytest.raises(ConfigError, match="must be one of outranks, score, drawn"):
        found.measured("rank")  # type: ignore[arg-type]


def test_the_worst_clip_is_the_one_with_everything_upside_down() -> None:
    made = confused()
    scores = made.scores.copy()
    scores[33] = [0.9, 0.8, 0.7, 0.0]  # techno
    found = clip_list(dataclasses.replace(made, scores=scores), n=3)
    assert found.metric == "roc_auc"
    assert found.worst[0].clip == "clip 33"
    assert found.worst[0].value == 0
    assert [one.tag for one in found.worst[0].said] == ["rock", "jazz", "folk", "techno"]
    assert found.best[0].value == 1
    assert {row.clip for row in found.worst} & {row.clip for row in found.best} == set()
    assert [one.label for one in found.worst[0].said] == [0, 0, 0, 1]


def test_clips_of_degrees_are_judged_by_their_error() -> None:
    tags = (Tag("calm", "regression"), Tag("sad", "regression"))
    found = clip_list(score_table([[0.5, 0.5], [0, 0], [1, 1]], [[0.5, 0.5], [0.9, 0.9], [0.9, 0.8]], tags), n=1)
    assert (found.metric, found.worst[0].clip, found.best[0].clip) == ("rmse", "clip 1", "clip 0")
    with pytest.raises(DataError, match="no clip can be judged"):
        clip_list(score_table([[1, 1], [0, 0]], [[1, 1], [0, 0]]))


@pytest.mark.slow
def test_figures_are_drawn_of_few_and_of_many_tags(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    tags = tuple(Tag(f"tag {i} $x$" if i else "<b>&", "regression" if i == 3 else "classification") for i in range(24))
    labels = (rng.random((60, 24)) < 0.3).astype(float)
    many = score_table(labels, np.clip(0.3 * labels + 0.7 * rng.random((60, 24)), 0, 1), tags)
    for made in (many, confused()):
        found, curves, pairs = (
            reliabilities(made, n_resamples=20),
            threshold_curves(made, {"rock": 0.5}),
            confusion(made),
        )
        drawings = [
            draw_calibration(found[0], "of a test"),
            draw_calibration_tags(found, "of a test"),
            draw_calibration_errors(found, "of a test"),
            draw_thresholds(curves, "of a test"),
            draw_threshold_curves(curves, "of a test", most=6),
            draw_confusion(pairs, "of a test", measure="drawn"),
            draw_confused_pairs(pairs, "of a test"),
        ]
        assert len({drawing.name for drawing in drawings}) == len(drawings)
        for drawing in drawings:
            assert len(drawing.table) > 0
        assert save(drawings[0], tmp_path)[0].stat().st_size > 5000
    with pytest.raises(DataError, match="no such tag"):
        draw_calibration_tags(found, "", tags=["unknown"])

"""Agreement of a student with its teachers."""

from __future__ import annotations

import numpy as np
import pytest

from earmark.distillation.agreement import Agreement
from earmark.distillation.release import agreement_metrics


def test_intervals_draw_songs_and_hold_the_mean() -> None:
    rng = np.random.default_rng(0)
    teachers = rng.random((60, 8))
    student = teachers + 0.2 * rng.random((60, 8))
    songs = [f"song {i // 2}" for i in range(60)]
    found = Agreement.of([f"tag {i}" for i in range(8)], songs, student, teachers)
    ranks, top = found.intervals(n_resamples=100)
    assert ranks[0] < found.mean_correlation < ranks[1]
    assert top[0] < found.mean_shared < top[1]
    one_source = found.intervals(dict.fromkeys(songs, "one"), n_resamples=20)
    assert one_source[0][0] == pytest.approx(one_source[0][1])
    few = found.select_tags(["tag 3", "tag 1"])
    assert few.correlations == pytest.approx(found.correlations[[3, 1]])
    metrics = agreement_metrics(found, 11, {}, n_resamples=20)
    assert [metric.name for metric in metrics[:2]] == ["rank_correlation", "top5_shared"]
    assert [metric.tag for metric in metrics[2:]] == list(found.tags)

"""The table of metrics: what it says of each, and that a new one needs nothing but its function."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from earmark import metrics
from earmark.core.errors import ConfigError
from earmark.core.plugins import PLUGINS_VARIABLE
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.evaluation.compare import compare
from earmark.evaluation.report import make_report
from earmark.evaluation.report_page import to_lines, to_markdown
from earmark.evaluation.scores import ScoreTable
from earmark.metrics.table import METRICS


@pytest.fixture
def brier() -> Iterator[str]:
    with METRICS.temporary():

        @metrics.register_metric("Brier score", higher_is_better=False)
        def brier(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
            return np.nanmean((np.asarray(labels) - np.asarray(scores)) ** 2, axis=0)

        yield "brier"


def scores(seed: int) -> ScoreTable:
    rng = np.random.default_rng(seed)
    labels = np.tile([[1, 0], [0, 1], [1, 1], [0, 0]], (5, 1)).astype(np.float32)
    names = tuple(f"clip {i}" for i in range(20))
    noise = 0.1 * seed * rng.random(labels.shape)
    said = np.abs(labels - 0.1 - noise).astype(np.float32)
    vocabulary = Vocabulary((Tag("rock"), Tag("piano")))
    artists = tuple(f"artist {i // 2}" for i in range(20))
    return ScoreTable(vocabulary, names, artists, (None,) * 20, labels, said, "mine", "all", "test", f"net {seed}")


def test_every_metric_keeps_to_its_entry() -> None:
    rng = np.random.default_rng(0)
    labels, said = rng.integers(0, 2, (50, 3)), rng.random((50, 3))
    for name in metrics.list_metrics():
        info = metrics.metric_info(name)
        values = info.function(labels, (said > 0.5) if info.decisions else said)
        assert values.shape == (3,)
        assert (values >= info.low).all()
        assert (values <= info.high).all()
        best = info.function(labels, labels)
        assert (best == (info.high if info.higher_is_better else info.low)).all(), name


def test_chance_levels() -> None:
    labels, train = np.array([[1, 0.0], [0, np.nan], [0, 0]]), np.array([[0.5, 0.5], [0.1, 0.5]])
    assert metrics.metric_info("roc_auc").chance_levels(labels, None) == pytest.approx([0.5, 0.5])
    assert metrics.metric_info("pr_auc").chance_levels(labels, None) == pytest.approx([1 / 3, 0])
    assert metrics.metric_info("rmse").chance_levels(labels, None) is None
    expected = metrics.rmse(labels, np.tile([0.3, 0.5], (3, 1)))
    assert metrics.metric_info("rmse").chance_levels(labels, train) == pytest.approx(expected)
    assert metrics.metric_info("f1").chance_levels(labels, train) is None


def test_a_new_metric_is_reported_and_compared(brier: str) -> None:
    good, bad = scores(1), scores(4)
    report = make_report(good, n_resamples=50)
    value = float(np.mean((good.labels - good.scores) ** 2))
    macro = report.find(brier)
    assert macro.value == pytest.approx(value, rel=1e-5)
    assert macro.low is not None
    assert macro.low < value < macro.high
    page = to_markdown(report)
    assert "| Brier score, macro (2 tags) |" in page
    assert (
        "| tag | clips with it | ROC-AUC | interval | PR-AUC | interval | knowing nothing | Brier score | interval |"
        in page
    )
    assert any(line.startswith("macro Brier score") for line in to_lines(report))
    assert compare([good], [bad], n_resamples=50).find(brier).better == "a", "lower is better"


def test_names_are_checked(brier: str) -> None:
    with pytest.raises(ConfigError, match=r"did you mean brier\? metrics are accuracy, brier, .*roc_auc"):
        metrics.metric_info("brire")
    with pytest.raises(ConfigError, match="has already registered that name"):
        metrics.register_metric("again")(metrics.rmse)
    with pytest.raises(ConfigError, match="range 1 to 0 is empty"):
        metrics.register_metric("empty", low=1.0, high=0.0)(np.add)


def test_a_plugin_file_adds_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bias.py").write_text(
        "import numpy as np\nfrom earmark.metrics import register_metric\n"
        "@register_metric('bias')\ndef bias(labels, scores):\n    return np.mean(scores, axis=0) - np.mean(labels, axis=0)\n"
    )
    monkeypatch.setenv(PLUGINS_VARIABLE, str(tmp_path / "bias.py"))
    with METRICS.temporary():
        assert metrics.list_metrics()[-1] == "bias", "after earmark's own"
        assert metrics.metric_info("bias").function([[0.0]], [[0.25]]) == [0.25]
    assert "bias" not in METRICS.names()

"""Statistics of planted scores: orders that are there are found, and those that are not are not."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark import metrics
from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.evaluation import ScoreTable, compare
from earmark.papers.page import to_markdown
from earmark.papers.results import read_results, write_results
from earmark.papers.statistics import ClaimStatistics, Results, Statistics, compute_statistics
from earmark.papers.tables import PaperTables, load_tables, tables_from
from tests.helpers.score_tables import score_table

TAGS = Vocabulary((Tag("rock"), Tag("calm", "regression", "mood"), Tag("piano"), Tag("tense", "regression", "mood")))
N = 300


def scores(skill: float, seed: int, n_clips: int = 150, **changes: Any) -> ScoreTable:
    """Labels and clips are alike for every skill and seed."""
    fixed, rng = np.random.default_rng(7), np.random.default_rng(seed)
    labels = (fixed.random((n_clips, 4)) < 0.4).astype(np.float32)
    labels[:, [1, 3]] = fixed.random((n_clips, 2))
    values = (skill * labels + (1 - skill) * rng.random(labels.shape)).astype(np.float32)
    names = {"dataset": "emotify", "protocol": "artist-disjoint", **changes}
    return score_table(labels, values, TAGS, clips_per_artist=2, **names)


def runs(skill: float, start: int, n: int = 3, spread: float = 0.01) -> list[ScoreTable]:
    """Runs of one row, whose skills scatter a little."""
    return [scores(skill + spread * (i - (n - 1) / 2), start + i) for i in range(n)]


def claims_of(found: Statistics, claim: str) -> dict[str, ClaimStatistics]:
    """By metric."""
    return {one.metric: one for one in found.claims if one.claim.id == claim}


REPORTED = {
    "gbt": 0.9161,
    "waveform-1m": 0.9154,
    "spectrogram-1m": 0.9214,
    "waveform-500k": 0.9123,
    "spectrogram-500k": 0.9176,
    "waveform-100k": 0.8916,
    "spectrogram-100k": 0.9013,
}
CLAIMS: dict[str, list[list[str]]] = {
    "spectrogram-over-waveform": [["spectrogram-100k", "waveform-100k"], ["spectrogram-1m", "waveform-1m"]],
    "gap-shrinks": [["spectrogram-100k", "waveform-100k"], ["spectrogram-1m", "waveform-1m"]],
    "more-data": [
        ["waveform-500k", "waveform-100k"],
        ["waveform-1m", "waveform-500k"],
        ["spectrogram-500k", "spectrogram-100k"],
        ["spectrogram-1m", "spectrogram-500k"],
    ],
    "gbt-on-little-data": [["gbt", "waveform-100k"], ["gbt", "spectrogram-100k"]],
    "network-on-much-data": [["spectrogram-1m", "gbt"]],
}


def document(**changes: Any) -> dict[str, Any]:
    """Rows of pons2017, and claims by ROC-AUC alone."""
    rows = [
        {"row": row, "label": row, "kind": "gbt" if row == "gbt" else "recipe", "reported": {"roc_auc": value}}
        for row, value in REPORTED.items()
    ]
    claims = [
        {
            "id": name,
            "text": name,
            "metric": "roc_auc",
            "pairs": pairs,
            "kind": "shrinking_gap" if name == "gap-shrinks" else "order",
        }
        for name, pairs in CLAIMS.items()
    ]
    tables = [{"id": "table1", "title": "Table 1", "rows": rows}]
    return {"title": "t", "citation": "c", "dataset": "manifest", "tables": tables, "claims": claims, **changes}


@pytest.fixture(scope="module")
def tables() -> PaperTables:
    return tables_from(document(), "pons2017")


@pytest.fixture(scope="module")
def shipped() -> PaperTables:
    return load_tables("pons2017")


def all_rows(skills: Mapping[str, float]) -> dict[str, list[ScoreTable]]:
    return {row: runs(skill, 100 * place) for place, (row, skill) in enumerate(skills.items(), start=1)}


GOOD, WEAK = 0.5, 0.2


def test_planted_orders_are_found(tables: PaperTables) -> None:
    rows = all_rows(
        {
            "gbt": GOOD,
            "waveform-1m": GOOD,
            "spectrogram-1m": GOOD,
            "waveform-500k": WEAK,
            "spectrogram-500k": WEAK,
            "waveform-100k": WEAK,
            "spectrogram-100k": WEAK,
        }
    )
    found = compute_statistics(tables, rows, n_resamples=N)
    assert list(found.rows) == list(rows)
    assert (found.resampled, found.n_groups, found.n_clips, found.n_resamples) == ("artist", 75, 150, N)

    gbt = claims_of(found, "gbt-on-little-data")
    assert {name: one.overall.verdict for name, one in gbt.items()} == {"roc_auc": "holds", "rmse": "holds"}
    assert gbt["rmse"].overall.value > 0, "of errors, too, above 0 is better"
    assert gbt["rmse"].paper is None
    assert gbt["roc_auc"].paper == pytest.approx((0.9161 - 0.8916 + 0.9161 - 0.9013) / 2)

    more = claims_of(found, "more-data")["roc_auc"]
    verdicts = [pair.verdict for pair in more.pairs]
    assert verdicts == ["cannot be told apart", "holds", "cannot be told apart", "holds"]
    equal = claims_of(found, "spectrogram-over-waveform")["roc_auc"]
    assert equal.overall.verdict == "cannot be told apart"
    assert equal.overall.low < 0 < equal.overall.high
    assert claims_of(found, "gap-shrinks")["roc_auc"].overall.verdict == "cannot be told apart"


def test_the_other_way_round_is_reversed(tables: PaperTables) -> None:
    found = compute_statistics(
        tables, all_rows({"gbt": WEAK, "waveform-100k": GOOD, "spectrogram-100k": GOOD}), n_resamples=N
    )
    (ids,) = {tuple(sorted({one.claim.id for one in found.claims}))}
    assert ids == ("gbt-on-little-data",), "claims on rows that were not run are left out"
    for one in found.claims:
        assert one.overall.verdict == "reversed"
        assert one.overall.value == pytest.approx(np.mean([pair.value for pair in one.pairs]))
        assert one.overall.low < one.overall.value < one.overall.high < 0


@pytest.mark.parametrize(("wide", "narrow", "verdict"), [(0.6, 0.25, "holds"), (0.25, 0.6, "reversed")])
def test_a_shrinking_gap_is_the_first_gap_less_the_last(
    tables: PaperTables, wide: float, narrow: float, verdict: str
) -> None:
    rows = {"waveform-100k": 0.2, "spectrogram-100k": wide, "waveform-1m": 0.2, "spectrogram-1m": narrow}
    gap = claims_of(compute_statistics(tables, all_rows(rows), n_resamples=N), "gap-shrinks")["roc_auc"]
    assert gap.overall.verdict == verdict
    assert gap.overall.value == pytest.approx(gap.pairs[0].value - gap.pairs[1].value)
    assert gap.paper == pytest.approx((0.9013 - 0.8916) - (0.9214 - 0.9154))


def macro_places(metric: str) -> list[int]:
    return [1, 3] if metric == "rmse" else [0, 2]


@pytest.mark.parametrize("metric", ["roc_auc", "pr_auc", "rmse"])
def test_intervals_are_those_of_the_bootstrap(tables: PaperTables, metric: str) -> None:
    """The first row draws the very same clips and runs; others the same clips, but runs of their own."""
    rows = {"gbt": runs(0.3, 0, spread=0.1), "waveform-1m": runs(0.4, 50, n=1)}
    found = compute_statistics(tables, rows, n_resamples=N, seed=5)
    places = macro_places(metric)
    for row, tables_of_row in rows.items():
        stacked = np.stack([table.scores[:, places] for table in tables_of_row])
        first = tables_of_row[0]
        expected = metrics.bootstrap(metric, first.labels[:, places], stacked, first.artists, seed=5, n_resamples=N)
        got = found.rows[row].metrics[metric]
        assert (got.low, got.high) == pytest.approx((expected.macro_low, expected.macro_high), abs=1e-12)
        measure = getattr(metrics, metric)
        each = [measure(table.labels[:, places], table.scores[:, places]).mean() for table in tables_of_row]
        assert found.rows[row].of_runs[metric] == pytest.approx(each)
        assert got.value == pytest.approx(np.mean(each))


@pytest.mark.slow
def test_differences_agree_with_compare(tables: PaperTables) -> None:
    """Both draw clips for both sides alike and runs for each on its own, from other streams: within 7 % of the width."""
    rows = {"spectrogram-1m": runs(0.33, 0, spread=0.04), "gbt": runs(0.3, 50, spread=0.04)}
    found = claims_of(compute_statistics(tables, rows, n_resamples=2000), "network-on-much-data")
    other = compare(rows["gbt"], rows["spectrogram-1m"], n_resamples=2000, seed=3)
    for metric, sign in (("roc_auc", 1), ("rmse", -1)):
        gap, here = other.find(metric), found[metric].overall
        assert gap.low is not None
        assert gap.high is not None
        low, high = sorted((sign * gap.low, sign * gap.high))
        assert here.value == pytest.approx(sign * gap.difference)
        assert here.low == pytest.approx(low, abs=0.07 * (high - low))
        assert here.high == pytest.approx(high, abs=0.07 * (high - low))


def test_runs_of_rows_are_drawn_independently(tables: PaperTables) -> None:
    """Two rows with the very same scattering runs: were runs drawn alike, the difference would have no interval."""
    same = runs(0.4, 0, spread=0.1)
    one = claims_of(
        compute_statistics(tables, {"gbt": same, "spectrogram-1m": same}, n_resamples=N), "network-on-much-data"
    )["roc_auc"].overall
    assert one.value == 0
    assert one.low < -0.01
    assert one.high > 0.01
    assert one.verdict == "cannot be told apart"
    single = compute_statistics(tables, {"gbt": same[:1], "spectrogram-1m": same[:1]}, n_resamples=N)
    alone = claims_of(single, "network-on-much-data")["roc_auc"].overall
    assert (alone.value, alone.low, alone.high) == (0, 0, 0), "with one run each, only the same clips are drawn"


def test_order_of_clips_and_tags_does_not_matter(tables: PaperTables) -> None:
    rng = np.random.default_rng(0)
    first, other = scores(0.3, 0), scores(0.4, 1)
    clips, tags = rng.permutation(150), rng.permutation(4)
    mixed = dataclasses.replace(
        other,
        vocabulary=Vocabulary(tuple(TAGS.tags[i] for i in tags)),
        clips=tuple(other.clips[i] for i in clips),
        artists=tuple(other.artists[i] for i in clips),
        labels=other.labels[np.ix_(clips, tags)],
        scores=other.scores[np.ix_(clips, tags)],
    )
    one, two = (
        compute_statistics(tables, {"gbt": [first], "waveform-1m": [x]}, n_resamples=50) for x in (other, mixed)
    )
    assert one.n_clips == two.n_clips
    for row, statistics in one.rows.items():
        for metric, value in statistics.metrics.items():
            other_value = dataclasses.astuple(two.rows[row].metrics[metric])
            assert dataclasses.astuple(value) == pytest.approx(other_value, abs=1e-12)


def test_rmse_is_added_only_where_a_paper_has_one_metric_alone() -> None:
    claims = [{**claim, "metric": "pr_auc" if i == 0 else "roc_auc"} for i, claim in enumerate(document()["claims"])]
    rows = {"waveform-1m": [scores(0.4, 1)], "spectrogram-1m": [scores(0.4, 2)], "gbt": [scores(0.4, 3)]}
    found = compute_statistics(tables_from(document(claims=claims), "pons2017"), rows, n_resamples=20)
    assert [(one.claim.id, one.metric) for one in found.claims] == [("network-on-much-data", "roc_auc")]
    assert found.claims[0].paper == pytest.approx(0.9214 - 0.9161)


def test_runs_on_other_clips_are_refused_with_all_differences(tables: PaperTables) -> None:
    with pytest.raises(DataError) as caught:
        compute_statistics(
            tables,
            {"gbt": [scores(0.3, 0)], "waveform-1m": [scores(0.3, 1), scores(0.3, 2, n_clips=148, protocol="random")]},
        )
    said = str(caught.value)
    assert "pons2017: these runs cannot be compared" in said
    assert "protocol: the first run is of 'artist-disjoint', run 1 of waveform-1m of 'random'" in said
    assert "2 of 150 in the first run are not in run 1 of waveform-1m" in said
    with pytest.raises(DataError, match="no row has been run yet"):
        compute_statistics(tables, {})


def results_of(tables: PaperTables, rows: Mapping[str, Sequence[ScoreTable]], n_resamples: int = 50) -> Results:
    statistics = compute_statistics(tables, rows, n_resamples=n_resamples)
    about = {"seconds": 2.0, "cpu_seconds": 1.5, "epochs": 3, "n_parameters": 12_345}
    return Results(
        tables,
        "emotify",
        "artist-disjoint",
        statistics,
        {row: [{"row": row, "seed": i, **about} for i in range(len(of_row))] for row, of_row in rows.items()},
        "a machine",
    )


def test_files_say_the_same_and_are_read_back(shipped: PaperTables, tmp_path: Path) -> None:
    results = results_of(
        shipped, {"gbt": runs(0.5, 0), "waveform-100k": runs(0.2, 9), "spectrogram-100k": runs(0.2, 5)}
    )
    results.runs["gbt"] = [{"seed": 0, "cpu_seconds": 7.0}]  # trees have neither epochs nor weights
    write_results([results], tmp_path)
    assert read_results(tmp_path / "results.json") == results
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    value = results.statistics.rows["gbt"].metrics["roc_auc"]
    assert (
        f"| boosted trees on hand-made features, 1.2M | {value.value:.3f} [{value.low:.3f}, {value.high:.3f}] |" in page
    )
    assert "| 0.9161 | 0.5427 | 0.1569 |  |  | 7 | 1 |" in page
    assert "| 12,345 | 3 | 2 | 3 |" in page
    assert "| +0.0197 | " in page
    assert "| 2 / 0 / 0 | holds |" in page
    assert "\n\nNot run: waveform-1m, spectrogram-1m, waveform-500k, spectrogram-500k.\n" in page
    assert "on the paper's own data: other clips" in page


def table_of(page: str, title: str) -> list[list[str]]:
    """Cells of all table rows under a heading, head first."""
    part = page.split(f"## {title}\n", 1)[1].split("\n#", 1)[0]
    return [line[2:-2].split(" | ") for line in part.splitlines() if line.startswith("| ")]


def test_differences_between_front_ends_stand_under_their_table(shipped: PaperTables) -> None:
    results = results_of(shipped, {"waveform-100k": runs(0.2, 9), "spectrogram-100k": runs(0.5, 5)})
    rows = table_of(to_markdown([results]), "Table 1: baseline and front-ends by number of training tracks")
    place = next(i for i, row in enumerate(rows) if row[0] == "difference")
    assert rows[place][1:] == ["ROC-AUC", "paper's ROC-AUC", "PR-AUC", "paper's PR-AUC", "RMSE", "paper's RMSE"]
    (found,) = rows[place + 1 :]  # the other sizes were not run
    assert found[0] == "spectrogram, 100k over waveform, 100k"
    assert [found[i] for i in (2, 4, 6)] == ["+0.0097", "+0.0283", "+0.0049"], "the paper's last columns"
    metrics = results.statistics.rows["spectrogram-100k"].metrics, results.statistics.rows["waveform-100k"].metrics
    differences = results.statistics.differences["spectrogram-100k", "waveform-100k"]
    assert differences["roc_auc"].value == pytest.approx(metrics[0]["roc_auc"].value - metrics[1]["roc_auc"].value)
    assert differences["rmse"].value == pytest.approx(metrics[1]["rmse"].value - metrics[0]["rmse"].value)
    assert found[1].startswith(f"{differences['roc_auc'].value:+.3f} [")
    assert found[5].startswith(f"{differences['rmse'].value:+.3f} [")


def with_costs(results: Results, of_rows: Mapping[str, Mapping[str, Any]]) -> Results:
    return dataclasses.replace(
        results, runs={row: [{**run, **of_rows[row]} for run in of_row] for row, of_row in results.runs.items()}
    )


def test_size_and_seconds_stand_beside_the_papers() -> None:
    tables = load_tables("ensemble")
    results = with_costs(
        results_of(tables, {"model1": runs(0.4, 0), "1-2-3": runs(0.5, 9)}),
        {
            "model1": {"size_mb": 8.6126, "seconds_per_1000_songs": 0.31, "timed": "timed on a GPU"},
            "1-2-3": {"size_mb": 21.03, "seconds_per_1000_songs": 12.0, "timed": "timed on a GPU"},
        },
    )
    page = to_markdown([results])
    head, first, last = table_of(page, "Table 5: models alone and combined")
    columns = {name: (a, b) for name, a, b in zip(head, first, last, strict=True)}
    assert columns["MB"] == ("8.61", "21.03")
    assert columns["paper's MB"] == ("13.59", "25.60")
    assert columns["s for 1000 songs"] == ("0.31", "12.00")
    assert columns["paper's s for 1000 songs"] == ("0.48", "10.61")
    assert "Seconds for 1000 songs: timed on a GPU.\n" in page
    assert "Model 1: the layers of Table 1 have 8.61 MB" in page
    others = table_of(page, "Table 6: other methods")
    assert [row[0] for row in others[1:]] == [
        "Dieleman and Schrauwen (2014) (reported)",
        "Liu and Yang (2016) (reported)",
        "FCN-4 (Choi et al., 2016) (reported)",
        "Multi-D CNN (Pons et al., 2017) (reported)",
        "Sample-level CNN (Lee et al., 2017) (reported)",
        "ReSE-2-multisample (Kim et al., 2018) (reported)",
        "Models 1 + 2 + 3",
    ]
    assert all(len(row) == len(others[0]) for row in others)
    assert "Methods: what the text leaves open" not in page, "a table of which nothing was run"
    without = table_of(
        to_markdown([results_of(tables, {"model1": runs(0.4, 0)})]), "Table 5: models alone and combined"
    )
    assert "MB" not in without[0], "runs of earlier versions were not measured"
    assert "paper's MB" in without[0]


def test_training_time_is_that_of_an_epoch_against_the_basic_block() -> None:
    tables = load_tables("kim2018")
    rows = {row: runs(0.4, place) for place, row in enumerate(("basic-multi", "se-multi", "res1-multi"))}
    seconds = {"basic-multi": 30.0, "se-multi": 36.0, "res1-multi": 45.0}
    results = with_costs(
        results_of(tables, rows), {row: {"training_seconds": x, "epochs": 3} for row, x in seconds.items()}
    )
    head, *found = table_of(to_markdown([results]), "Table 1: blocks with and without multi-level features, MTAT")
    times = {row[0]: (row[head.index("training time")], row[head.index("paper's training time")]) for row in found}
    assert times == {"Basic, multi": ("1.00x", "1.00x"), "SE, multi": ("1.20x", "1.08x"), "Res-1, multi": ("1.50x", "")}
    alone = with_costs(
        results_of(tables, {"se-multi": rows["se-multi"]}), {"se-multi": {"training_seconds": 3, "epochs": 3}}
    )
    (head, _) = table_of(to_markdown([alone]), "Table 1: blocks with and without multi-level features, MTAT")
    assert "training time" not in head, "without the row that it is compared with"


def test_a_page_of_two_datasets_has_a_section_for_each(tmp_path: Path) -> None:
    tables = load_tables("kim2018")
    mtat = results_of(tables, {"se-multi": [scores(0.4, 0, dataset="magnatagatune", protocol="mtat-lee")]})
    msd = results_of(tables, {"msd-se": [scores(0.5, 1, dataset="msd", protocol="msd-lee")]})
    mtat = dataclasses.replace(mtat, dataset="magnatagatune", protocol="mtat-lee")
    msd = dataclasses.replace(msd, dataset="msd", protocol="msd-lee")
    write_results([mtat, msd], tmp_path, "magnatagatune")
    page = (tmp_path / "results.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## magnatagatune (mtat-lee)",
        "## msd (msd-lee)",
    ]
    assert page.count("are the paper's own, on the same dataset and protocol.") == 2
    assert "### Table 2: state of the art, MSD" in page.split("## msd (msd-lee)")[1]
    assert "SE, multi, no regularisation" not in page.split("## msd (msd-lee)")[0]
    assert read_results(tmp_path / "results.json") == mtat
    assert read_results(tmp_path / "results-msd.json") == msd
    pons = dataclasses.replace(mtat, protocol="mtat-pons")
    write_results([mtat, pons], tmp_path / "protocols", "magnatagatune")
    assert read_results(tmp_path / "protocols" / "results.json") == mtat
    assert read_results(tmp_path / "protocols" / "results-magnatagatune-mtat-pons.json") == pons
    write_results([msd], tmp_path / "alone", "magnatagatune")
    assert [path.name for path in sorted((tmp_path / "alone").iterdir())] == ["results-msd.json", "results.md"]


def test_what_is_undefined_is_null_and_left_out_of_the_page(shipped: PaperTables, tmp_path: Path) -> None:
    """One kind of tags only, and of these one that a bootstrap of few artists hardly ever defines."""
    base = scores(0.4, 0, n_clips=3, artists=("a", "b", "c"))
    labels = np.array([[1, 1], [0, 0], [0, 0]], dtype=np.float32)
    kept = Vocabulary((Tag("rock"), Tag("piano")))
    few = [
        dataclasses.replace(base, vocabulary=kept, labels=labels, scores=base.scores[:, [0, 2]] + shift)
        for shift in (0.0, 0.01)
    ]
    rows = {"gbt": few[:1], "spectrogram-1m": few[1:]}
    drawn = (compute_statistics(shipped, rows, n_resamples=1, seed=seed) for seed in range(100))
    statistics = next(one for one in drawn if math.isnan(one.rows["gbt"].metrics["roc_auc"].low))
    assert "rmse" not in statistics.rows["gbt"].metrics
    results = dataclasses.replace(results_of(shipped, rows), statistics=statistics)
    assert {one.overall.verdict for one in statistics.claims if one.metric == "roc_auc"} == {"cannot be told apart"}
    write_results([results], tmp_path)
    text = (tmp_path / "results.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["rows"]["gbt"]["metrics"]["roc_auc"]["low"] is None
    assert math.isnan(read_results(tmp_path / "results.json").statistics.rows["gbt"].metrics["roc_auc"].low)
    page = to_markdown([results])
    assert "nan" not in page
    assert "| paper's RMSE |" in page
    assert "| RMSE |" not in page

    nothing = np.zeros_like(labels)
    none = results_of(shipped, {"gbt": [dataclasses.replace(table, labels=nothing) for table in few[:1]]})
    assert none.statistics.rows["gbt"].metrics == {}
    assert none.statistics.claims == ()
    assert "Which orders hold" not in to_markdown([none])
    write_results([none], tmp_path)
    assert read_results(tmp_path / "results.json") == none


def test_a_label_with_a_bar_keeps_its_cell() -> None:
    made = [
        {"id": "one", "title": "One", "rows": [{"row": "gbt", "label": "log |x|", "kind": "gbt", "reported": {}}]},
        {"id": "two", "title": "Two", "rows": [{"row": "waveform-1m", "label": "raw", "reported": {}}]},
    ]
    tables = tables_from(document(tables=made, claims=[]), "pons2017")
    page = to_markdown([results_of(tables, {"gbt": runs(0.4, 0)})])
    assert "| log \\|x\\| |" in page
    assert "## Two" not in page, "a table of which no row was run"


def test_files_that_are_no_results_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    with pytest.raises(DataError, match=r"no results\.json of `earmark reproduce`"):
        read_results(path)
    for text in ("{", "[]", "{}", '{"format": 1, "paper": "kim2018"}'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"no results\.json of `earmark reproduce`"):
            read_results(path)
    path.write_text('{"format": 9}')
    with pytest.raises(DataError, match="has format 9, this version reads 1"):
        read_results(path)
    path.write_text('{"format": 1, "paper": "kim2017"}')
    with pytest.raises(ConfigError, match="no paper 'kim2017'; did you mean kim2018"):
        read_results(path)

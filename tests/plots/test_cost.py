"""What accuracy costs: sizes and timings of made checkpoints, and which points no other beats."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from click.testing import CliRunner

from earmark.cli.analyze.reproduced import read_runs, trained_models
from earmark.cli.main import app
from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Vocabulary
from earmark.models import create_model
from earmark.models.checkpoint import make_card, save_checkpoint
from earmark.papers.results import write_results
from earmark.papers.statistics import Estimate, Results, RowStatistics, Statistics
from earmark.papers.tables import load_tables
from earmark.plots import cost
from earmark.plots.cost import draw_cost, frontier, measure_costs

TAGS = Vocabulary.of(["a", "b"])
RUN = {"cpu_seconds": 1.0, "seconds": 1.0, "epochs": 1, "steps": 1, "n_parameters": 1, "training_seconds": 1.0}
AUCS = {"model1": 0.7, "model3": 0.6, "1-3": 0.8}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Results of three rows of the ensemble paper, a pair of members and their combination, as `reproduce` leaves them."""
    folder = tmp_path_factory.mktemp("results") / "ensemble"
    members = {
        "model1": create_model("ensemble_model1", 2, window_seconds=1.5, width=0.05),
        "model3": create_model("ensemble_model3", 2, window_seconds=1.5, width=0.05),
    }
    models = {**members, "1-3": _combined(list(members.values()))}
    for name, model in models.items():
        card = make_card(model.eval(), name=name, vocabulary=TAGS)
        save_checkpoint(folder / name / "seed-0/checkpoint", model, card)
    rows = {
        name: RowStatistics({"roc_auc": Estimate(auc, auc - 0.1, auc + 0.1)}, {"roc_auc": (auc,)})
        for name, auc in {**AUCS, "model2": 0.5}.items()  # model2 has no checkpoint
    }
    statistics = Statistics(rows, (), "artist", 10, 5, 100)
    results = Results(
        load_tables("ensemble"), "emotify", "artist-disjoint", statistics, {name: [RUN] for name in rows}, "x"
    )
    write_results([results], folder)
    return folder, models


def _combined(members):
    return create_model(
        "ensemble_combiner",
        2,
        members=[{"architecture": one.architecture, "options": one.architecture_options} for one in members],
        width=0.1,
    )


@pytest.mark.slow
def test_accuracy_size_and_members_of_every_row(runs, tmp_path):
    folder, models = runs
    result = CliRunner().invoke(
        app,
        ["analyze", "cost", str(folder), "--song-seconds", "3", "--repeats", "2", "--out", str(tmp_path)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    assert "model2" in result.stderr
    table = pd.read_csv(tmp_path / "cost.csv").set_index("row")
    assert table.value.to_dict() == AUCS
    assert table.seconds_per_1000_songs.is_monotonic_increasing
    assert (table.seconds_per_1000_songs > 0).all()
    assert table.members["1-3"] == "model1 + model3"
    for name, model in models.items():
        stored = sum(value.numel() * value.element_size() for value in model.state_dict().values())
        assert table.megabytes[name] == pytest.approx(stored / 1e6, rel=1e-5)
        assert table.n_parameters[name] == model.n_parameters
    assert table.megabytes["1-3"] > table.megabytes["model1"] + table.megabytes["model3"]


def work(seconds: float) -> None:
    started = time.thread_time()
    while time.thread_time() < started + seconds:
        pass


@pytest.mark.slow
def test_a_network_that_takes_longer_is_found_to(runs, monkeypatch):
    """Work planted in one network comes out as the seconds it takes for 1000 songs."""
    folder, _ = runs
    load = cost.load_checkpoint

    def slow(path):
        model, card = load(path)
        if "model3" in str(path):
            model.register_forward_hook(lambda *_: work(0.05))
        return model, card

    monkeypatch.setattr(cost, "load_checkpoint", slow)
    found = measure_costs([folder / f"{name}/seed-0/checkpoint" for name in AUCS], song_seconds=2, repeats=3)
    by_row = dict(zip(AUCS, (one.seconds_per_1000_songs for one in found), strict=True))
    assert by_row["model3"] >= 50
    assert by_row["model1"] < by_row["model3"]


@pytest.mark.slow
def test_songs_in_a_batch_are_counted(runs, monkeypatch):
    folder, _ = runs
    seen = []
    load = cost.load_checkpoint

    def watched(path):
        model, card = load(path)
        model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
        model.register_forward_hook(lambda *_: work(0.05))
        return model, card

    monkeypatch.setattr(cost, "load_checkpoint", watched)
    place = [folder / "model1/seed-0/checkpoint"]
    (alone,) = measure_costs(place, song_seconds=2, repeats=1)
    n_windows = seen[0]
    (batched,) = measure_costs(place, song_seconds=2, repeats=1, batch_songs=5)
    assert seen == [n_windows] * 2 + [5 * n_windows] * 2
    assert alone.seconds_per_1000_songs >= 50
    assert 10 <= batched.seconds_per_1000_songs < 50, "5 songs share the planted 0.05 s"
    assert batched.megabytes == alone.megabytes
    with pytest.raises(ConfigError, match="0 in a batch"):
        measure_costs(place, batch_songs=0)


def test_points_that_no_other_beats():
    assert frontier([3, 1, 2, 2], [0.9, 0.5, 0.4, 0.8]) == [1, 3, 0]
    assert frontier([1, 2], [0.1, 0.2], higher_is_better=False) == [0]


@pytest.mark.slow
def test_what_cannot_be_drawn_is_reported(runs, tmp_path):
    folder, _ = runs
    results, where = read_runs(folder / "results.json")
    assert where == folder
    with pytest.raises(ConfigError, match="'f1'"):
        trained_models(results, folder, "f1")
    with pytest.raises(DataError, match="no row has a checkpoint"):
        trained_models(results, tmp_path, "roc_auc")
    with pytest.raises(DataError, match="nothing to time"):
        cost.cost_table([])
    with pytest.raises(ConfigError, match="song of 0 s"):
        measure_costs([], song_seconds=0)
    with pytest.raises(DataError, match="no such file"):
        read_runs(tmp_path)
    table = pd.DataFrame([("a", "alone", "", 0.2, 0.1, 0.3, 10.0, 1.0, 5)], columns=list(cost.COLUMNS))
    assert draw_cost(table, "one row alone", metric="rmse").table is table

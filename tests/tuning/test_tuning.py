"""Searches as functions: files read, the order of trials with a planted objective, tables. No training here."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.training.config import load_recipe
from earmark.tuning import one_at_a_time
from earmark.tuning.samplers import propose_drawn, propose_grid, study_of
from earmark.tuning.search import Search, list_searches, load_search, search_from
from earmark.tuning.trials import Trial, best_of, read_trials, table, write_trials
from earmark.tuning.validation import check_search

SEARCH: dict[str, Any] = {
    "recipe": "first",
    "method": "one-at-a-time",
    "parameters": {
        "model.options.dropout": [0.0, 0.2, 0.5],
        "shape": {
            "keys": ["model.options.width", "training.windows_per_clip"],
            "values": [[0.5, 4], [0.25, 8]],
            "start": [0.5, 4],
        },
        "optimiser.learning_rate": [0.01, 0.001, 0.0001],
        "fine": {"key": "optimiser.learning_rate", "values": [0.002, 0.001]},
    },
}


def search(**changes: Any) -> Search:
    return search_from({**SEARCH, **changes})


def carried_out(
    wanted: Search,
    propose: Callable[[Search, list[Trial]], Any],
    objective: Callable[[dict[str, Any]], float | None],
    trials: list[Trial] | None = None,
) -> list[Trial]:
    """A whole search of a planted objective; each trial goes through JSON, as in a resumed search."""
    trials = list(trials or ())
    while wanted.trials is None or len(trials) < wanted.trials:
        proposal = propose(wanted, trials)
        if proposal is None:
            break
        choice = json.loads(json.dumps(proposal.choice))
        settings = wanted.settings(choice)
        trials.append(Trial(len(trials) + 1, choice, settings, proposal.about, objective(settings)))
    return trials


def planted(settings: dict[str, Any]) -> float | None:
    """Best at dropout 0.2, width 0.25, rate 0.002; a width of 0.5 without dropout fails."""
    if settings["model.options.dropout"] == 0.5:
        return None
    rate = settings.get("optimiser.learning_rate", 0.01)
    return (
        -abs(settings["model.options.dropout"] - 0.2)
        - settings.get("model.options.width", 0.5)
        - abs(math.log10(rate) - math.log10(0.002))
    )


def test_one_at_a_time_fixes_the_best_and_goes_on() -> None:
    trials = carried_out(search(), one_at_a_time.propose, planted)
    assert [trial.about for trial in trials] == (
        ["model.options.dropout"] * 3 + ["shape"] * 2 + ["optimiser.learning_rate"] * 3 + ["fine"] * 2
    )
    assert [trial.choice[trial.about] for trial in trials] == [
        *(0.0, 0.2, 0.5),
        *([0.5, 4], [0.25, 8]),
        *(0.01, 0.001, 0.0001),
        *(0.002, 0.001),
    ]
    assert [trial.settings["model.options.dropout"] for trial in trials[3:]] == [0.2] * 7
    assert [trial.settings["training.windows_per_clip"] for trial in trials] == [4, 4, 4, 4, 8, 8, 8, 8, 8, 8]
    assert "optimiser.learning_rate" not in trials[4].settings, "the recipe's stands until its turn"
    assert trials[8].settings["optimiser.learning_rate"] == 0.002, "the later of two with one key"
    assert best_of(trials) is trials[8]
    assert search().n_planned == len(trials) == 10


def test_one_at_a_time_goes_on_from_any_trial() -> None:
    whole = carried_out(search(), one_at_a_time.propose, planted)
    for n in range(len(whole) + 1):
        assert carried_out(search(), one_at_a_time.propose, planted, whole[:n]) == whole
    with pytest.raises(ConfigError, match=r"trial 1 tries .*0\.2.*this search would try .*0\.0"):
        one_at_a_time.propose(search(), whole[1:2] and [Trial(1, whole[1].choice, {})])


def test_first_of_equals_wins_and_a_parameter_whose_values_all_fail_stays(caplog: pytest.LogCaptureFixture) -> None:
    even = carried_out(search(), one_at_a_time.propose, lambda settings: 0.0)
    assert even[-1].choice == {
        "model.options.dropout": 0.0,
        "shape": [0.5, 4],
        "optimiser.learning_rate": 0.01,
        "fine": 0.001,
    }
    assert best_of(even) is even[0]

    def narrow_fails(settings: dict[str, Any]) -> float | None:
        return None if "optimiser.learning_rate" in settings else settings["model.options.dropout"]

    trials = carried_out(search(), one_at_a_time.propose, narrow_fails)
    assert len(trials) == 10
    assert "optimiser.learning_rate" not in trials[-1].choice
    assert trials[-1].choice["model.options.dropout"] == 0.5
    assert "optimiser.learning_rate: all its values failed" in caplog.text
    assert best_of(trials[5:]) is None


GENERAL: dict[str, Any] = {
    "recipe": "first",
    "method": "tpe",
    "trials": 40,
    "parameters": {
        "optimiser.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "training.batch_size": {"low": 8, "high": 32, "step": 8, "int": True},
        "augmentation.gain_db": {"low": 0, "high": 3, "step": 0.1},
        "shape": {"keys": ["model.options.width", "training.windows_per_clip"], "values": [[0.5, 4], [0.25, 8]]},
    },
}


def hill(settings: dict[str, Any]) -> float | None:
    """Best at a rate of 0.01 and the second shape; the largest batches fail."""
    if settings["training.batch_size"] == 32:
        return None
    return -abs(math.log10(settings["optimiser.learning_rate"]) + 2) + (settings["model.options.width"] == 0.25)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tpe", "random"])
def test_drawn_searches_go_on_from_any_trial_as_they_would_have(method: str) -> None:
    wanted = search_from({**GENERAL, "method": method})
    whole = carried_out(wanted, propose_drawn, hill)
    assert len(whole) == 40
    for n in (1, 9, 17, 39):
        assert carried_out(wanted, propose_drawn, hill, whole[:n]) == whole
    for trial in whole:
        assert 1e-4 <= trial.settings["optimiser.learning_rate"] <= 1e-1
        assert trial.settings["training.batch_size"] in (8, 16, 24, 32)
        assert isinstance(trial.settings["training.batch_size"], int)
        assert [trial.settings[key] for key in wanted.parameters[3].keys] in ([0.5, 4], [0.25, 8])
    assert len({trial.settings["optimiser.learning_rate"] for trial in whole}) == 40
    other = carried_out(wanted.replace(seed=1, trials=3), propose_drawn, hill)
    assert [trial.choice for trial in other] != [trial.choice for trial in whole[:3]]


@pytest.mark.slow
def test_tpe_learns_from_what_it_saw_and_from_failures_and_chance_does_not() -> None:
    """Of the last twenty trials: how many lie near the hill's top (of chance a sixth), how many fail (a quarter)."""

    def late(method: str) -> tuple[int, int]:
        trials = carried_out(search_from({**GENERAL, "method": method}), propose_drawn, hill)[20:]
        heights = [hill(trial.settings | {"training.batch_size": 8}) or 0.0 for trial in trials]
        return sum(height > 0.5 for height in heights), sum(trial.selection is None for trial in trials)

    (near, failed), (near_by_chance, failed_by_chance) = late("tpe"), late("random")
    assert near >= 10 > 6 >= near_by_chance
    assert failed <= 3 < failed_by_chance


def test_a_study_for_optuna_itself(tmp_path: Path) -> None:
    wanted = search_from({**GENERAL, "trials": 6})
    trials = carried_out(wanted, propose_drawn, hill)
    study = study_of(wanted, trials)
    best = best_of(trials)
    assert best is not None
    assert study.best_trial.user_attrs["number"] == best.number
    assert study.best_value == best.selection
    assert study.best_trial.params["optimiser.learning_rate"] == best.settings["optimiser.learning_rate"]


def test_the_grid_has_every_combination_once_in_order() -> None:
    wanted = search_from(
        {
            "recipe": "first",
            "method": "grid",
            "parameters": {
                "model.options.dropout": [0.5, True],
                "training.batch_size": {"low": 8, "high": 10, "int": True},
                "augmentation.gain_db": {"low": 0.1, "high": 0.3, "step": 0.1},
            },
        }
    )
    trials = carried_out(wanted, propose_grid, lambda settings: 0.0)
    points = [tuple(trial.choice.values()) for trial in trials]
    assert points == [(a, b, c) for a in (0.5, True) for b in (8, 9, 10) for c in (0.1, 0.2, 0.3)]
    assert wanted.n_planned == 18
    assert wanted.replace(trials=5).n_planned == 5
    assert carried_out(wanted, propose_grid, lambda settings: 0.0, trials[:7]) == trials


@pytest.mark.slow
@pytest.mark.parametrize("name", list_searches())
def test_every_shipped_search_fits_its_recipe(name: str, tmp_path: Path) -> None:
    wanted = load_search(name)
    assert wanted.description
    check_search(wanted)
    path = tmp_path / "search.yaml"
    path.write_text(wanted.to_yaml(), encoding="utf-8")
    assert load_search(path) == wanted


def test_the_papers_search_is_there_in_its_order() -> None:
    wanted = load_search("bristol")
    assert wanted.method == "one-at-a-time"
    assert [key.rpartition(".")[2] for key in wanted.keys] == [
        *("input_normalisation", "n_filters", "learning_rate", "momentum"),
        *("filter_samples", "stride_samples", "normalisation", "n_groups", "dropout", "epochs"),
    ]
    assert wanted.n_planned == 3 + 5 + 5 + 3 + 10 + 7 + 4 + 4 + 6 + 2
    values = {parameter.name: parameter.values for parameter in wanted.parameters}
    assert values["model.options.n_filters"] == (8, 16, 32, 64, 128)
    assert values["model.options.n_groups"] == (2, 4, 8, 16)
    trials = carried_out(wanted, one_at_a_time.propose, lambda settings: settings["model.options.n_filters"] / 1000)
    filters = [trial.settings["model.options.n_filters"] for trial in trials]
    assert filters == [16] * 3 + [8, 16, 32, 64, 128] + [32] * 41, "fixed, though more were better"
    assert best_of(trials, wanted.fixed) is trials[5], "of those with 32 filters"
    assert best_of(trials) is trials[7]
    assert best_of(trials[:3], wanted.fixed) is trials[0], "as long as there are none, of all"


def test_the_grid_of_kim2018() -> None:
    wanted = load_search("kim2018-alpha")
    trials = carried_out(wanted, propose_grid, lambda settings: 0.0)
    assert [trial.settings["model.options.alpha"] for trial in trials] == [2.0**k for k in range(-3, 7)]


def problems_of(document: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        search_from(document, where="s.yaml")
    return caught.value.problems


def test_all_problems_of_a_file_at_once() -> None:
    said = problems_of(
        {
            "recip": "first",
            "method": "one-at-time",
            "seeds": [0, 0],
            "trials": 0,
            "seed": "x",
            "parameters": {
                "epochs": [1],
                "training.seed": [1, 2],
                "training.select": ["skill"],
                "a.b": [],
                "a.c": [1, 1],
                "a.d": 5,
                "a.e": {"low": 2, "high": 1},
                "a.f": {"low": 0, "high": 1, "log": True},
                "a.g": {"values": [1], "low": 1},
                "a.h": {"valeus": [1]},
                "a.i": {"keys": ["a.x", "a.y"], "values": [[1, 2], [3]]},
                "a.j": {"low": 0, "high": 1, "step": 0.3},
                "a.k": {"low": 0.5, "high": 3, "int": True},
                "a.l": [float("nan")],
                "a.m": {"high": "much"},
                "a.n": {"key": "a.x", "keys": ["a.y"], "values": [[1]]},
                "a.o": {"low": 1e30, "high": 1, "step": 2},
            },
        }
    )
    for expected in (
        "recip: unknown key; did you mean recipe?",
        "recipe: is missing",
        "method 'one-at-time': must be one of one-at-a-time, grid, random, tpe; did you mean one-at-a-time?",
        "seeds [0, 0]: must be at least one, all different, none below 0",
        "trials 0: must be at least 1",
        "seed 'x': must be a whole number",
        "parameters: 'epochs': must be section.key of the recipe",
        "parameters: training.seed: cannot be searched; the search's own seeds say with which seeds each trial trains",
        "parameters: training.select: cannot be searched; trials that are judged by different things cannot be compared",
        "parameters: a.b: values []: must be a list with at least one value",
        "parameters: a.c: value 1: is there more than once",
        "parameters: a.d: must be a list of values, or a range with low and high; is 5",
        "parameters: a.e: low 2: must be below high 1",
        "parameters: a.f: low 0: must be above 0, for log is set",
        "parameters: a.g: low: not together with values",
        "parameters: a.h: valeus: unknown key; did you mean values?",
        "parameters: a.i: value [3]: must be a list of 2, a value for each of the keys",
        "parameters: a.j: step 0.3: must lead from low 0 to high 1",
        "parameters: a.k: low 0.5: must be whole, for int is set",
        "parameters: a.m: high 'much': must be a number",
        "parameters: a.m: low: is missing",
        "parameters: a.n: key: not together with keys",
        "parameters: a.o: low 1e+30: must be below high 1",
    ):
        assert f"s.yaml: {expected}" in said
    assert any(problem.startswith("s.yaml: parameters: a.l: value nan: must be a finite number") for problem in said)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"method": "tpe"}, "trials: tpe needs a number of trials, here or with --trials"),
        ({"method": "grid"}, "optimiser.learning_rate: is in 'optimiser.learning_rate' and again in 'fine'"),
        ({"method": "grid"}, "shape: start is for one-at-a-time alone"),
        (
            {"method": "grid", "parameters": {"model.options.dropout": {"values": [0.1, 0.2], "fixed": 0.1}}},
            "model.options.dropout: fixed is for one-at-a-time alone",
        ),
        ({"parameters": {}}, "parameters: must name at least one"),
        ({"parameters": ["a.b"]}, "must be a mapping of recipe keys to their values"),
        ({"parameters": {"a.b": {"low": 0, "high": 1}}}, "needs a list of values, or a range with a step"),
        ({"seeds": [0.5]}, "must be a list of whole numbers"),
        ({"seeds": []}, "must be at least one"),
    ],
)
def test_problems_of_meaning(changes: dict[str, Any], says: str) -> None:
    assert any(says in problem for problem in problems_of({**SEARCH, **changes}))


def test_files_that_are_no_search(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("- a\n")
    with pytest.raises(ConfigError, match="a search must be a mapping, is list"):
        load_search(path)
    path.write_text("method: [\n")
    with pytest.raises(ConfigError, match="not YAML"):
        load_search(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_search(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="no search 'bristle'; did you mean bristol"):
        load_search("bristle")


def test_a_recipe_beside_the_search_and_another_number_of_trials(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(load_recipe("first").to_yaml(), encoding="utf-8")
    path = tmp_path / "s.yaml"
    path.write_text("recipe: mine.yaml\nmethod: random\nparameters: {optimiser.learning_rate: [1e-3, 2e-3]}\n")
    with pytest.raises(ConfigError, match="random needs a number of trials"):
        load_search(path)
    wanted = load_search(path, trials=7)
    assert wanted.trials == wanted.n_planned == 7
    assert wanted.parameters[0].values == (0.001, 0.002)
    assert check_search(wanted) == load_recipe("first")


def test_keys_and_values_are_held_against_the_recipe_before_anything_is_trained() -> None:
    wanted = search(
        parameters={
            "training.epoch": [3],
            "optimiser.learning_rate": [0.1, -1],
            "model.options.droput": [0.1],
            "model.options.frontend.n_mel": [64, 96],
            "training.batch_size": {"low": 8, "high": 16, "step": 0.5},
            "loss.regression_weight": [1.0, 2.0],
        }
    )
    with pytest.raises(ConfigError) as caught:
        check_search(wanted, ["training.select=validation_loss"])
    said = "\n".join(caught.value.problems)
    assert "parameters: training.epoch: training.epoch: unknown key; did you mean epochs?" in said
    assert "parameters: optimiser.learning_rate: optimiser.learning_rate -1.0: must be above 0" in said
    assert "parameters: model.options.droput: model 'ensemble_model1' has no option 'droput'" in said
    assert "parameters: model.options.frontend.n_mel: " in said
    assert "parameters: training.batch_size: training.batch_size 8.0: must be a whole number" in said
    assert "parameters: loss.regression_weight: cannot be searched while training.select is validation_loss" in said
    with pytest.raises(ConfigError, match=r"first: training\.epoch: unknown key"):
        check_search(search(), ["training.epoch=3"])
    with pytest.raises(ConfigError, match="no recipe 'frist'; did you mean first"):
        check_search(search(recipe="frist"))


def test_one_value_that_the_model_refuses_is_its_trials_affair() -> None:
    wanted = search(parameters={"model.options.window_seconds": [0.001, 2.0]})
    assert check_search(wanted).name == "first"
    with pytest.raises(ConfigError, match=r"parameters: model\.options\.window_seconds: .*needs at least 513"):
        check_search(search(parameters={"model.options.window_seconds": [0.001]}))


def test_tables_tell_all_and_mark_the_best(tmp_path: Path) -> None:
    trials = [
        Trial(1, {"a.b": 1}, {"a.b": 1, "a.c": None}, "a.b", -0.5, (-0.75, -0.25), 0.25, None, 1.25),
        Trial(2, {"a.b": 2}, {"a.b": 2, "a.c": None}, "a.b", error="pipes | and\nlines"),
        Trial(3, {"a.b": 1e-5}, {"a.b": 1e-5, "a.c": None}, "a.b", -0.25, (-0.5, 0.0), 0.375, None, 2.0),
        Trial(4, {"a.b": 1}, {"a.b": 1, "a.c": None}, "a.b", -0.5, (-0.75, -0.25), 0.25, None, 0.0, same_as=1),
    ]
    write_trials(tmp_path, "Title", (0, 7), "abc", trials)
    assert read_trials(tmp_path) == ("abc", trials)
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["best"] for row in rows] == ["", "", "best", ""]
    assert [row["selection"] for row in rows] == ["-0.500000", "", "-0.250000", "-0.500000"]
    assert (rows[0]["seed 0"], rows[0]["seed 7"], rows[0]["tried"]) == ("-0.750000", "-0.250000", "a.b")
    assert (rows[2]["a.b"], rows[2]["a.c"], rows[2]["rmse"]) == ("1e-05", "", "")
    assert rows[1]["note"] == "pipes | and\nlines"
    assert rows[3]["note"] == "as trial 1, not trained again"
    page = (tmp_path / "trials.md").read_text()
    assert page.startswith("# Title\n\nBest: trial 3, selection -0.2500")
    assert "pipes \\| and lines" in page
    lines = [line for line in page.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert lines[4].startswith("| **3** | **a.b** | **1e-05** |")
    columns, rows_of_one = table((0,), trials[:1])
    assert "seed 0" not in columns
    assert len(columns) == len(rows_of_one[0])


def test_a_list_of_trials_that_is_none_is_said(tmp_path: Path) -> None:
    assert read_trials(tmp_path) == ("", [])
    for text in ("", "[]", '{"trials": [{}], "dataset_sha256": ""}'):
        (tmp_path / "trials.json").write_text(text)
        with pytest.raises(DataError, match="not a list of trials"):
            read_trials(tmp_path)

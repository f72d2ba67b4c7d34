"""The papers' rows as recipes: all there, apart only in what a table is about; numbers and claims as reported."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from earmark.audio import window_starts
from earmark.core.errors import ConfigError
from earmark.core.input_spec import InputSpec
from earmark.models import create_model
from earmark.papers.tables import dataset_changes, list_papers, load_tables, row_changes, tables_from
from earmark.training.config import Recipe, list_recipes, load_recipe

PAPERS = ("bristol", "comparators", "dieleman2014", "ensemble", "kim2018", "pons2017")
OPTIONS = "model.options."

# (paper, table) -> its number of rows, and the keys in which those with recipes may differ; "name" for any.
ABOUT: dict[tuple[str, str], tuple[int, set[str]]] = {
    ("dieleman2014", "table1"): (
        10,
        {
            "model.name",
            *(OPTIONS + key for key in ("frame_samples", "hop_samples", "filter_samples", "stride_samples")),
        },
    ),
    ("dieleman2014", "table2"): (3, {OPTIONS + "nonlinearity"}),
    ("dieleman2014", "dropout"): (
        4,
        {
            "model.name",
            *(OPTIONS + key for key in ("frame_samples", "hop_samples", "filter_samples", "stride_samples", "dropout")),
        },
    ),
    ("dieleman2014", "table3"): (5, {OPTIONS + "feature_pooling", OPTIONS + "pool_filters"}),
    ("bristol", "input"): (3, {OPTIONS + "input_normalisation"}),
    ("bristol", "table1"): (7, {OPTIONS + "filter_samples", OPTIONS + "stride_samples"}),
    ("bristol", "table2"): (3, {OPTIONS + "normalisation"}),
    ("bristol", "upgrades"): (2, {"training.epochs"}),
    ("bristol", "samplecnn"): (
        5,
        {OPTIONS + "normalisation", "optimiser.schedule", "optimiser.momentum", "training.epochs"},
    ),
    ("kim2018", "table1"): (
        12,
        {"model.name", OPTIONS + "multi", "optimiser.weight_decay", "optimiser.weight_decay_of"},
    ),
    ("kim2018", "table2"): (12, {"model.name", "optimiser.weight_decay", "optimiser.weight_decay_of"}),
    ("kim2018", "table2-msd"): (7, {"model.name", OPTIONS + "block_dropout"}),
    ("bristol", "related"): (7, {"name"}),
    ("ensemble", "table6"): (7, set()),
    ("comparators", "mtat-lee"): (6, {"name"}),
    ("comparators", "mtat-pons"): (2, {"name"}),
    ("pons2017", "table1"): (7, {"model.name", "data.train_share"}),
    ("ensemble", "table5"): (7, {"model.name", "data.train_split"}),
    ("ensemble", "methods"): (
        6,
        {
            "model.name",
            *("training.batch_size", "training.accumulate_batches"),
            *(OPTIONS + key for key in ("separable", "standardise", "frontend.standardise")),
            *(OPTIONS + "frontend." + key for key in ("n_mels", "n_fft", "hop_samples")),
        },
    ),
}
# What may differ further on Emotify: options that only some of a table's networks have, and what keeps updates alike.
ON_EMOTIFY = {
    ("pons2017", "table1"): {OPTIONS + "k", "training.windows_per_clip"},
    ("ensemble", "table5"): {OPTIONS + "width", "training.epochs", "training.windows_per_clip"},
}

# The papers' numbers, copied once more by hand.
REPORTED: dict[str, dict[str, float]] = {
    "comparators": {"fcn4": 0.8940, "multi-level-multi-scale": 0.9017, "harmonic": 0.91, "timbre-cnn": 0.8930},
    "dieleman2014": {
        "spectrogram-1024-1024": 0.8690,
        "spectrogram-1024-512": 0.8726,
        "spectrogram-512-512": 0.8793,
        "spectrogram-512-256": 0.8793,
        "spectrogram-256-256": 0.8815,
        "raw-1024-1024": 0.8366,
        "raw-1024-512": 0.8365,
        "raw-512-512": 0.8386,
        "raw-512-256": 0.8408,
        "raw-256-256": 0.8487,
        "raw-1024-1024-log-square": 0.7508,
        "raw-1024-1024-log": 0.7487,
        "raw-1024-1024-l2-2": 0.8387,
        "raw-1024-1024-l2-4": 0.8387,
        "raw-1024-1024-max-2": 0.8183,
        "raw-1024-1024-max-4": 0.8280,
    },
    "bristol": {
        "raw-1024-1024": 0.8107,
        "raw-1024-512": 0.8166,
        "raw-512-512": 0.8162,
        "raw-512-256": 0.8208,
        "raw-256-256": 0.8244,
        "raw-256-128": 0.8183,
        "raw-128-128": 0.8169,
        "batch": 0.8169,
        "layer": 0.8366,
        "group": 0.8470,
        "dropout": 0.8506,
        "dropout-40-epochs": 0.8554,
        "input-none": 0.53,
        "input-standardise": 0.71,
        "input-min-max": 0.72,
        "samplecnn": 0.86,
        "samplecnn-group": 0.87,
        "samplecnn-no-scheduler": 0.874,
        "samplecnn-momentum": 0.88,
        "samplecnn-30-epochs": 0.89,
    },
    "kim2018": {
        "basic-multi": 0.9077,
        "basic-single": 0.9055,
        "se-multi": 0.9111,
        "se-single": 0.9083,
        "res1-multi": 0.9037,
        "res1-single": 0.9048,
        "res2-multi": 0.9098,
        "res2-single": 0.9061,
        "rese1-multi": 0.9053,
        "rese1-single": 0.9066,
        "rese2-multi": 0.9113,
        "rese2-single": 0.9102,
        "msd-se": 0.8840,
        "msd-rese": 0.8847,
    },
    "pons2017": {
        "gbt": 0.9161,
        "waveform-1m": 0.9154,
        "waveform-500k": 0.9123,
        "waveform-100k": 0.8916,
        "spectrogram-1m": 0.9214,
        "spectrogram-500k": 0.9176,
        "spectrogram-100k": 0.9013,
    },
    "ensemble": {
        "model1": 0.857,
        "model2": 0.891,
        "model3": 0.783,
        "1-2": 0.894,
        "1-3": 0.883,
        "2-3": 0.905,
        "1-2-3": 0.910,
    },
}
# What the papers quote of other systems.
QUOTED: dict[str, dict[str, float]] = {
    "kim2018": {
        "multi-scaled-features": 0.8980,
        "end-to-end": 0.8815,
        "transfer-learning": 0.8800,
        "persistent-cnn": 0.9013,
        "time-frequency-cnn": 0.9007,
        "timbre-cnn": 0.8930,
        "fcn": 0.8940,
        "multi-level-multi-scale": 0.9017,
        "samplecnn-multi-features": 0.9064,
        "samplecnn": 0.9055,
        "msd-fcn": 0.8510,
        "msd-crnn": 0.8620,
        "msd-multi-level-multi-scale": 0.8878,
        "msd-samplecnn-multi-features": 0.8842,
        "msd-samplecnn": 0.8812,
    },
    "ensemble": {
        "dieleman2014": 0.881,
        "liu2016": 0.896,
        "fcn4": 0.894,
        "multi-d-cnn": 0.893,
        "samplecnn": 0.905,
        "rese2-multisample": 0.911,
    },
    "bristol": {"lee2017": 0.90, "harmonic": 0.91, "mulan": 0.92, "atose-samplecnn": 0.87},
}
FURTHER: dict[tuple[str, str], dict[str, float]] = {
    ("pons2017", "pr_auc"): {
        "gbt": 0.5427,
        "waveform-1m": 0.5786,
        "waveform-500k": 0.5615,
        "waveform-100k": 0.4925,
        "spectrogram-1m": 0.5935,
        "spectrogram-500k": 0.5790,
        "spectrogram-100k": 0.5208,
    },
    ("pons2017", "rmse"): {
        "gbt": 0.1569,
        "waveform-1m": 0.1501,
        "waveform-500k": 0.1537,
        "waveform-100k": 0.1591,
        "spectrogram-1m": 0.1480,
        "spectrogram-500k": 0.1493,
        "spectrogram-100k": 0.1542,
    },
    ("ensemble", "seconds_per_1000_songs"): {
        "model1": 0.48,
        "model2": 1.76,
        "model3": 9.03,
        "1-2": 2.07,
        "1-3": 9.24,
        "2-3": 9.78,
        "1-2-3": 10.61,
    },
    ("ensemble", "size_mb"): {"model1": 13.59, "model2": 8.14, "model3": 3.09, "1-2-3": 25.6},
    ("kim2018", "relative_training_time"): {"basic-multi": 1.0, "se-multi": 1.08, "rese2-multi": 1.8},
}


def _flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {prefix + key: value}
    return flat


def _differing(recipes: list[Recipe]) -> set[str]:
    """Keys in which recipes differ, but for their names."""
    flat = [_flat(recipe.to_document()) for recipe in recipes]
    absent = object()
    return {
        key
        for key in set().union(*flat)
        if key != "name" and any(x.get(key, absent) != flat[0].get(key, absent) for x in flat)
    }


def _recipes(paper: str, table: str, dataset: str | None = None) -> list[Recipe]:
    tables = load_tables(paper)
    (found,) = [one for one in tables.tables if one.id == table]
    rows = [row.row for row in found.rows if row.has_recipe]
    return [
        load_recipe(tables.recipe_name(row), changes=row_changes(paper, row, dataset) if dataset else None)
        for row in rows
    ]


def test_all_five_papers_their_comparators_and_their_tables_are_there() -> None:
    assert tuple(list_papers()) == PAPERS
    tables = {(key, table.id): len(table.rows) for key in PAPERS for table in load_tables(key).tables}
    assert tables == {key: n for key, (n, _) in ABOUT.items()}


def test_every_recipe_of_a_paper_is_a_row_and_every_row_has_one() -> None:
    wanted = set()
    for key in PAPERS:
        tables = load_tables(key)
        wanted |= {tables.recipe_name(row.row) for row in tables.rows.values() if row.has_recipe}
    assert wanted == {name for name in list_recipes() if "/" in name and not name.startswith("default/")}
    assert len(wanted) == 18 + 20 + 14 + 6 + 13 + 8


@pytest.mark.slow
@pytest.mark.parametrize(("paper", "table"), ABOUT)
def test_rows_differ_in_what_their_table_is_about_and_in_nothing_else(paper: str, table: str) -> None:
    about = ABOUT[paper, table][1]
    assert about == {"name"} or _differing(_recipes(paper, table)) == about


@pytest.mark.slow
@pytest.mark.parametrize(("paper", "table"), ABOUT)
def test_on_emotify_all_rows_of_a_table_have_the_same_budget(paper: str, table: str) -> None:
    if ABOUT[paper, table][1] == {"name"}:
        return
    recipes = _recipes(paper, table, "emotify")
    assert {recipe.data.protocol for recipe in recipes} == {"artist-disjoint"}
    same_there = {"training.batch_size", "training.accumulate_batches"}
    assert _differing(recipes) == (ABOUT[paper, table][1] - same_there) | ON_EMOTIFY.get((paper, table), set())


@pytest.mark.slow
def test_single_steps_change_single_keys() -> None:
    def between(paper: str, *rows: str) -> set[str]:
        return _differing([load_recipe(f"{paper}/{row}") for row in rows])

    steps = ["samplecnn", "samplecnn-group", "samplecnn-no-scheduler", "samplecnn-momentum", "samplecnn-30-epochs"]
    changed = [between("bristol", *pair) for pair in itertools.pairwise(steps)]
    assert changed == [{OPTIONS + "normalisation"}, {"optimiser.schedule"}, {"optimiser.momentum"}, {"training.epochs"}]
    assert between("bristol", "raw-256-256", "group") == {OPTIONS + "normalisation"}
    assert between("bristol", "group", "dropout") == {OPTIONS + "dropout"}
    for block in ("basic", "se", "res1", "res2", "rese1", "rese2"):
        assert between("kim2018", f"{block}-multi", f"{block}-single") == {OPTIONS + "multi"}
    for front in ("waveform", "spectrogram"):
        assert between("pons2017", f"{front}-1m", f"{front}-100k") == {"data.train_share"}
    assert between("ensemble", "1-2", "1-3", "2-3", "1-2-3") == set(), "members come from the table"


def test_what_the_papers_give_stands_in_the_recipes() -> None:
    dieleman, bristol = load_recipe("dieleman2014/raw-512-256"), load_recipe("bristol/raw-256-256")
    assert dieleman.training.batch_size == 10
    updates = 18_700 * dieleman.training.windows_per_clip / 10 * dieleman.training.epochs
    assert updates == pytest.approx(5e6, rel=0.02)
    assert (dieleman.optimiser.name, dieleman.optimiser.momentum) == ("sgd", 0)
    assert (bristol.optimiser.learning_rate, bristol.optimiser.momentum) == (0.0075, 0.95)
    assert (bristol.training.sampling, bristol.training.windows_per_clip, bristol.training.epochs) == (
        "subclips",
        10,
        30,
    )
    assert {key: load_tables(key).seeds for key in PAPERS} == {**dict.fromkeys(PAPERS, 3), "bristol": 5}
    samplecnn = load_recipe("bristol/samplecnn")
    assert samplecnn.model.options["dropout"] == 0.5
    assert (samplecnn.optimiser.schedule, samplecnn.optimiser.plateau_patience) == ("plateau", 3)
    kim, decayed = load_recipe("kim2018/se-multi"), load_recipe("kim2018/rese2-single")
    assert (kim.training.sampling, kim.training.batch_size, kim.training.select) == ("segments", 23, "validation_loss")
    assert (kim.optimiser.schedule, kim.optimiser.plateau_stages, kim.optimiser.nesterov) == (
        "plateau_restart",
        5,
        True,
    )
    assert (kim.optimiser.weight_decay, decayed.optimiser.weight_decay) == (0, 2e-4), "l2(1e-4) in Keras"
    assert (kim.data.trim_seconds, kim.input.last_window) == (29, "drop")
    for n_seconds in (29.12, 30.0):  # of MTAT, of MSD
        n_samples = min(round(n_seconds * 22050), 29 * 22050)
        assert len(window_starts(n_samples, InputSpec(22050, 59049, 59049, kim.input.last_window))) == 10
    assert decayed.optimiser.weight_decay_of == "convolutions"
    pons = load_recipe("pons2017/spectrogram-500k")
    assert (pons.loss.classification, pons.loss.regression, pons.training.batch_size) == ("mse", "mse", 16)
    assert pons.loss.regression_weight == "by_tags"
    assert [load_recipe(f"pons2017/waveform-{size}").data.train_share for size in ("1m", "500k", "100k")] == [
        1,
        0.5,
        0.1,
    ]
    combiner = load_recipe("ensemble/1-2-3")
    assert (combiner.model.name, combiner.model.members, combiner.data.train_split) == (
        "ensemble_combiner",
        (),
        "validation",
    )


def test_smaller_shares_make_as_many_updates_on_emotify() -> None:
    recipes = _recipes("pons2017", "table1", "emotify")
    shares = {round(recipe.data.train_share * recipe.training.windows_per_clip, 9) for recipe in recipes}
    assert len(shares) == 1
    assert len({recipe.training.epochs for recipe in recipes}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize(("dataset", "song_seconds"), [("emotify", 60), ("labelled_tags", 29.1)])
def test_rows_on_small_data_can_be_built_and_cut(paper: str, dataset: str, song_seconds: float) -> None:
    for row in load_tables(paper).rows.values():
        if not row.has_recipe:
            continue
        recipe = load_recipe(load_tables(paper).recipe_name(row.row), changes=row_changes(paper, row.row, dataset))
        options = dict(recipe.model.options)
        if row.kind == "combiner":
            options["members"] = [
                {"architecture": member.model.name, "options": member.model.options}
                for name in row.members
                for member in [load_recipe(f"{paper}/{name}", changes=row_changes(paper, name, dataset))]
            ]
        model = create_model(recipe.model.name, 13, **options)
        hop_seconds = recipe.input.hop_seconds
        hop = model.window_samples if hop_seconds is None else round(hop_seconds * model.sample_rate_hz)
        InputSpec(model.sample_rate_hz, model.window_samples, hop)
        assert model.window_samples / model.sample_rate_hz <= song_seconds
        assert recipe.data.dataset == dataset
        assert dataset != "emotify" or recipe.card.licence == "CC BY-NC-SA 4.0"


@pytest.mark.parametrize("paper", PAPERS)
def test_reported_numbers_are_the_papers(paper: str) -> None:
    rows = load_tables(paper).rows
    assert {name: row.reported["roc_auc"] for name, row in rows.items() if row.reported} == {
        **REPORTED[paper],
        **QUOTED.get(paper, {}),
    }
    assert {name for name, row in rows.items() if row.kind == "reported" and row.reported} == set(QUOTED.get(paper, {}))
    others = {metric for row in rows.values() for metric in row.reported} - {"roc_auc"}
    assert others == {metric for key, metric in FURTHER if key == paper}
    for metric in others:
        found = {name: row.reported[metric] for name, row in rows.items() if metric in row.reported}
        assert found == FURTHER[paper, metric]


@pytest.mark.slow
def test_the_orderings_that_are_asked_for_are_among_the_claims() -> None:
    claims = {(key, claim.id): claim for key in PAPERS for claim in load_tables(key).claims}
    pairs = {key: len(claim.pairs) for key, claim in claims.items()}
    for key, n in {
        ("dieleman2014", "spectrogram-over-raw"): 5,
        ("dieleman2014", "shorter-strides"): 2,
        ("dieleman2014", "relu-over-log"): 2,
        ("dieleman2014", "l2-over-none"): 2,
        ("dieleman2014", "none-over-max"): 2,
        ("bristol", "shorter-strides"): 1,
        ("bristol", "group-over-batch"): 1,
        ("bristol", "group-over-layer"): 1,
        ("bristol", "normalisation-over-none"): 2,
        ("bristol", "dropout"): 1,
        ("bristol", "input-normalisation"): 2,
        ("kim2018", "se-over-basic"): 2,
        ("kim2018", "multi-over-single"): 6,
        ("kim2018", "rese2-best"): 5,
        ("ensemble", "ensemble-over-members"): 9,
        ("pons2017", "spectrogram-over-waveform"): 3,
        ("pons2017", "gbt-on-little-data"): 2,
        ("pons2017", "gap-shrinks"): 2,
        ("pons2017", "more-data"): 4,
    }.items():
        assert pairs[key] == n, key
    for key, claim in claims.items():
        advantages = load_tables(key[0]).paper_advantages(claim)
        if "(the paper: no " in claim.text:
            assert set(advantages) == {None}, "without numbers"
            continue
        assert None not in advantages
        if claim.kind == "order":
            assert sum(advantages) > 0, f"{key}: not what the paper found"  # type: ignore[arg-type]
        else:
            assert advantages[-1] < advantages[0], f"{key}: not what the paper found"  # type: ignore[operator]


def test_advantages_are_above_zero_where_the_first_row_is_better() -> None:
    tables = load_tables("pons2017")
    claims = {claim.id: claim for claim in tables.claims}
    assert tables.paper_advantages(claims["spectrogram-over-waveform-pr"]) == (0.0283, 0.0175, 0.0149)
    assert tables.paper_advantages(claims["spectrogram-over-waveform-rmse"]) == (0.0049, 0.0044, 0.0021)
    assert not claims["more-data-rmse"].higher_is_better
    kim = load_tables("kim2018")
    (multi,) = [claim for claim in kim.claims if claim.id == "multi-over-single"]
    assert [x is not None and x > 0 for x in kim.paper_advantages(multi)] == [True, True, False, True, False, True]


def test_rows_know_their_recipes() -> None:
    bristol = load_tables("bristol")
    assert bristol.recipe_name("group") == "bristol/group"
    with pytest.raises(ConfigError, match="no row 'groop'; did you mean group"):
        bristol.recipe_name("groop")
    with pytest.raises(ConfigError, match="boosted trees"):
        load_tables("pons2017").recipe_name("gbt")


@pytest.mark.slow
def test_changes_for_a_dataset() -> None:
    assert row_changes("dieleman2014", "raw-256-256", "magnatagatune") == {}
    assert row_changes("kim2018", "msd-se", "msd") == {}
    all_rows = row_changes("kim2018", "msd-se", "emotify")
    assert all_rows["data"] == {"dataset": "emotify", "protocol": "artist-disjoint", "trim_seconds": None}
    assert row_changes("bristol", "samplecnn", "emotify")["model"]["options"]["width"] < 1
    assert "model" not in row_changes("dieleman2014", "raw-256-256", "emotify")
    epochs = [
        load_recipe(f"bristol/{row}", changes=row_changes("bristol", row, "emotify")).training.epochs
        for row in ("dropout", "dropout-40-epochs", "samplecnn-momentum", "samplecnn-30-epochs")
    ]
    assert epochs == [30, 40, 20, 30], "rows about epochs keep them"


@pytest.mark.parametrize(
    ("paper", "row", "dataset", "says"),
    [
        ("kim", "se-multi", "emotify", "no paper 'kim'; did you mean kim2018"),
        ("kim2018", "se-mult", "emotify", "no row 'se-mult'; did you mean se-multi"),
        ("kim2018", "se-multi", "gtzna", "no dataset 'gtzna'"),
        ("kim2018", "se-multi", "base", "no dataset 'base'"),
        ("kim2018", "se-multi", "tables", "no dataset 'tables'"),
        ("pons2017", "gbt", "emotify", "boosted trees"),
    ],
)
def test_changes_that_are_not_there(paper: str, row: str, dataset: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        row_changes(paper, row, dataset)


def test_changes_name_recipes_of_the_paper() -> None:
    for key in PAPERS:
        assert set(dataset_changes(load_tables(key), "emotify")["all"]) >= {"data", "training", "card"}
        assert set(dataset_changes(load_tables(key), "labelled_tags")["all"]) >= {"data", "training"}
        own = {"all": {"data": {"dataset": "mtg_jamendo", "protocol": None}}, "rows": {}}
        assert dataset_changes(load_tables(key), "mtg_jamendo") == own, "no file: the paper's recipe on other data"


def test_all_problems_of_a_file_of_tables_at_once() -> None:
    document = {"title": "T", "citation": 3, "dataset": "d", "claims": [{"id": "c", "metric": "auc"}], "key": "x"}
    document["tables"] = [{"id": "t", "title": "T", "rows": [{"row": "a", "lable": "A", "reported": {"roc_auc": "x"}}]}]
    with pytest.raises(ConfigError) as caught:
        tables_from(document, "kim2018")
    assert sorted(caught.value.problems) == [
        "kim2018/_tables: citation 3: must be text",
        "kim2018/_tables: claims[0].metric 'auc': must be one of roc_auc, pr_auc, rmse",
        "kim2018/_tables: claims[0].pairs: is missing",
        "kim2018/_tables: claims[0].text: is missing",
        "kim2018/_tables: key: is the folder's name and not written down",
        "kim2018/_tables: tables[0].rows[0].label: is missing",
        "kim2018/_tables: tables[0].rows[0].lable: unknown key; did you mean label?",
        "kim2018/_tables: tables[0].rows[0].reported.roc_auc 'x': must be a number",
    ]


def test_tables_that_contradict_themselves() -> None:
    se = {"row": "se-multi", "label": "SE", "reported": {"roc_auc": 91.11, "auc": 0.9}}
    again = {**se, "reported": {"roc_auc": 0.9}}
    odd = {"row": "odd", "label": "O", "reported": {"size_mb": -1}, "members": ["nobody"]}
    trees = {"row": "trees", "label": "T", "reported": {}, "kind": "gbt", "members": ["se-multi"]}
    claim = {"id": "c", "text": "c", "metric": "roc_auc", "pairs": [["se-multi", "gone"], ["odd", "odd"]]}
    document = {
        "title": "T",
        "citation": "C",
        "dataset": "d",
        "tables": [
            {"id": "t", "title": "T", "rows": [se, odd, odd]},
            {"id": "t", "title": "T", "rows": [again, trees]},
        ],
        "claims": [claim, {**claim, "pairs": []}],
    }
    with pytest.raises(ConfigError) as caught:
        tables_from(document, "kim2018")
    said = "\n".join(caught.value.problems)
    for problem in (
        "table 't': is there twice",
        "claim 'c': is there twice",
        "row 'odd' is there twice",
        "row 'se-multi': reported.roc_auc 91.11: must be in 0..1",
        "row 'se-multi': reported.auc: unknown; must be one of roc_auc",
        "row 'odd': reported.size_mb -1.0: must be 0 or more",
        "row 'odd': no recipe kim2018/odd",
        "row 'odd': members ['nobody']: rows of kind combiner have some",
        "row 'odd': member 'nobody': must be a row of kind recipe",
        "row 'trees': members ['se-multi']: rows of kind combiner have some, others none",
        "is another system in another table, or has other numbers there",
        "claim 'c': no row 'gone'",
        "claim 'c': 'odd' is compared with itself",
        "claim 'c': has no pairs",
    ):
        assert problem in said, problem


@pytest.mark.parametrize("pairs", [[["a"]], [["a", "b", "c"]], [["a", 1]], ["ab"], "a"])
def test_pairs_are_pairs_of_names(pairs: Any) -> None:
    document = {"title": "T", "citation": "C", "dataset": "d", "tables": []}
    document["claims"] = [{"id": "c", "text": "c", "metric": "rmse", "pairs": pairs}]
    with pytest.raises(ConfigError, match=r"claims\[0\]\.pairs.*must be a list of"):
        tables_from(document, "kim2018")

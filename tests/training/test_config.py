"""Recipes: strict, typed, all problems at once; every shipped one is read; the parts of training that are functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from earmark.core.errors import ConfigError
from earmark.datasets import dataset_info, list_datasets
from earmark.models import create_model
from earmark.training.config import apply_overrides, list_recipes, load_recipe, recipe_from

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {"dataset": "emotify"},
    "model": {"name": "ensemble_model1"},
    "training": {"epochs": 3},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list_recipes())
def test_every_shipped_recipe_is_read_and_names_what_exists(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name.replace("/", "-")
    assert recipe.data.root is None, "a path of one machine has no place in a shipped recipe"
    assert recipe.data.dataset in list_datasets()
    protocols = [protocol.name for protocol in dataset_info(recipe.data.dataset).protocols]
    assert recipe.data.protocol in (protocols or [None]), "no protocol where the data bring their own"
    with torch.device("meta"):  # weights without values: nothing is drawn
        model = create_model(recipe.model.name, 13, **recipe.model.options)
    assert model.sample_rate_hz > 0
    assert recipe.card.description
    assert recipe.card.licence != "unknown"


def test_there_is_a_recipe_for_the_first_model() -> None:
    assert "first" in list_recipes()


def test_a_recipe_written_out_reads_back_the_same(tmp_path: Path) -> None:
    recipe = load_recipe("first", ["data.root=/music", "training.patience=7", "model.options.width=0.25"])
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    assert load_recipe(path) == recipe
    assert recipe.training.patience == 7
    assert recipe.model.options["width"] == 0.25
    assert recipe.to_document()["data"]["root"] == "/music"
    assert "root" not in recipe.to_document(with_root=False)["data"]


def test_all_problems_at_once() -> None:
    document = {
        "name": "small",
        "data": {"dataset": "emotify", "protokol": "x"},
        "model": {"name": 5},
        "training": {"epochs": "many", "batch_size": 2.5, "seed": True, "precision": "64"},
        "optimiser": {"learning_rate": float("nan"), "name": "rmsprop"},
        "augmentation": 3,
        "card": {"limits": "one"},
        "extra": {},
    }
    with pytest.raises(ConfigError) as caught:
        recipe_from(document, where="r.yaml")
    problems = caught.value.problems
    for said in (
        "r.yaml: data.protokol: unknown key; did you mean protocol?",
        "r.yaml: model.name 5: must be text",
        "r.yaml: training.epochs 'many': must be a whole number",
        "r.yaml: training.batch_size 2.5: must be a whole number",
        "r.yaml: training.seed True: must be a whole number",
        "r.yaml: training.precision '64': must be one of 32, 16-mixed, bf16-mixed",
        "r.yaml: optimiser.learning_rate nan: must be finite",
        "r.yaml: optimiser.name 'rmsprop': must be one of sgd, adam, adamw",
        "r.yaml: augmentation: must be a section with keys, is 3",
        "r.yaml: card.limits 'one': must be a list of texts",
    ):
        assert said in problems
    assert any(problem.startswith("r.yaml: extra: unknown key; keys are: name, data") for problem in problems)
    assert len(problems) == 11
    with pytest.raises(ConfigError, match="5: unknown key; keys are: name, data"):
        recipe_from({**SMALL, 5: "x"})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match=r"training\.compile 1: must be true or false"):
        recipe_from({**SMALL, "training": {"epochs": 3, "compile": 1}})
    with pytest.raises(ConfigError, match=r"model\.members \['a', 5\]: must be a list of texts"):
        recipe_from({**SMALL, "model": {"name": "ensemble_combiner", "members": ["a", 5]}})


def test_recipes_are_frozen_and_contradictions_are_found_beside_wrong_types() -> None:
    recipe = recipe_from(SMALL)
    with pytest.raises(ValidationError, match="frozen"):
        recipe.training.epochs = 4  # type: ignore[misc]
    with pytest.raises(ConfigError) as caught:
        recipe_from({**SMALL, "name": "Not a name!", "card": {"version": 2}})
    assert sorted(problem[:14] for problem in caught.value.problems) == ["recipe: card.v", "recipe: name '"]


def test_missing_keys_and_ranges_are_named() -> None:
    with pytest.raises(ConfigError) as caught:
        recipe_from({"name": "x", "model": {}})
    assert caught.value.problems == [
        "recipe: data: is missing",
        "recipe: model.name: is missing",
        "recipe: training: is missing",
    ]
    document = {
        **SMALL,
        "name": "Not a name!",
        "training": {"epochs": 0, "batch_size": 0, "patience": 0, "validate_every": 0},
        "optimiser": {"learning_rate": 0, "warmup_epochs": 9, "gradient_clip": -1},
        "augmentation": {"gain_db": -3, "masks": 0},
        "input": {"hop_seconds": 0},
    }
    with pytest.raises(ConfigError) as caught:
        recipe_from(document)
    assert len(caught.value.problems) == 11
    with pytest.raises(ConfigError, match=r"validate_every 2: must divide the 3 epochs"):
        recipe_from({**SMALL, "training": {"epochs": 3, "validate_every": 2}})


def test_overrides_are_yaml_and_checked() -> None:
    changed = apply_overrides(SMALL, ["training.epochs=9", "optimiser.learning_rate=1e-4", "training.patience=null"])
    recipe = recipe_from(changed)
    assert recipe.training.epochs == 9
    assert recipe.optimiser.learning_rate == 1e-4
    assert recipe.training.patience is None
    assert SMALL["training"] == {"epochs": 3}, "the document itself stays"
    assert recipe_from(apply_overrides(SMALL, ["model.options.frontend.n_mels=64"])).model.options == {
        "frontend": {"n_mels": 64}
    }
    with pytest.raises(ConfigError) as caught:
        apply_overrides(SMALL, ["epochs", "training..x=1", "name.x=1", "training.epochs=[1"])
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigError, match=r"training\.epoch: unknown key; did you mean epochs\?"):
        load_recipe("first", ["training.epoch=3"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\nname: b\n", "key 'name' is there twice"),
        ("- a\n- b\n", "must be a mapping of sections, is list"),
        ("name: [\n", "not YAML"),
        ("", "must be a mapping"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_files_that_are_no_recipe(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_recipe(path)


def test_unknown_recipes_name_the_near_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recipe 'frist'; did you mean first"):
        load_recipe("frist")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(tmp_path / "none.yaml")


def test_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: r\ndata: {dataset: emotify}\nmodel: {name: m, options: {x: 1e-3}}\n"
        "training: {epochs: 2, precision: 32}\noptimiser: {learning_rate: 3E-4}\n"
    )
    recipe = load_recipe(path)
    assert recipe.model.options == {"x": 0.001}
    assert recipe.optimiser.learning_rate == 3e-4
    assert recipe.training.precision == "32"


def test_unknown_keys_do_not_hide_values_out_of_range() -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe("first", ["training.epoch=3", "optimiser.learning_rate=-1", "training.batch_size=0"])
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("value", ["-1", "by_tag", ".nan", ".inf", "true", "'2'"])
def test_the_weight_of_regression_tags_is_a_number_or_by_tags(value: str) -> None:
    assert load_recipe("first", ["loss.regression_weight=by_tags"]).loss.regression_weight == "by_tags"
    assert load_recipe("first", ["loss.regression_weight=2"]).loss.regression_weight == 2.0
    with pytest.raises(ConfigError) as caught:
        load_recipe("first", [f"loss.regression_weight={value}"])
    (problem,) = caught.value.problems
    assert problem.startswith("first: loss.regression_weight: is ")
    assert problem.endswith(", must be a number of at least 0, or by_tags")

"""`python -m tools.default_model bundle`: a model becomes the bundled one, and what names or quotes that follows."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tools.default_model.bundle import BUNDLED, EXAMPLE_CLIP, NAMED, QUOTED, bundle_model, wrapped

from earmark.core.card import ModelCard
from earmark.core.errors import DataError, ModelError
from earmark.tagging.runtime import DEFAULT_MODEL, find_model
from earmark.tagging.tagger import load_tagger
from tests.conftest import ROOT
from tests.helpers.made_library import card as made_card
from tests.helpers.onnx_files import tiny


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of a checkout the command needs."""
    root = tmp_path / "checkout"
    for name in (*NAMED, *QUOTED, EXAMPLE_CLIP):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / BUNDLED, root / BUNDLED)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def finished(folder: Path, **changes: Any) -> Path:
    """A model file as an export writes it."""
    folder.mkdir()
    card = made_card(name="other-1").replace(**changes)
    path = tiny(folder / f"{card.name}.onnx", card)
    beside = ModelCard.read(path.with_suffix(".json"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(beside.replace(weights_sha256=sha256).to_json())
    return path


def test_for_the_bundled_model_nothing_changes_so_the_examples_are_true(checkout: Path) -> None:
    before = contents(checkout)
    again = "write them again: python -m tools.default_model bundle src/earmark/tagging/bundled/NAME.onnx"
    assert bundle_model(find_model(), checkout) == [], again
    assert contents(checkout) == before


@pytest.mark.slow
def test_another_model_takes_its_place(checkout: Path, tmp_path: Path) -> None:
    model = finished(tmp_path / "made")
    before = contents(checkout)
    changed = {str(path) for path in bundle_model(model, checkout)}
    after = contents(checkout)
    assert changed == {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert {path.name for path in (checkout / BUNDLED).iterdir() if path.is_file()} == {"other-1.onnx", "other-1.json"}
    assert (checkout / BUNDLED / "other-1.onnx").read_bytes() == model.read_bytes()
    for name in NAMED:
        old = before[name].decode().splitlines()
        new = after[name].decode().splitlines()
        assert [line for line in new if line not in old] == [
            line.replace(DEFAULT_MODEL, "other-1") for line in old if line not in new
        ]
    record = load_tagger(model).tag(checkout / EXAMPLE_CLIP).to_record(2)
    (readme,) = re.findall(r"```json\n(.*?)```", after["README.md"].decode(), re.DOTALL)
    assert json.loads(readme) == record | {"path": EXAMPLE_CLIP.as_posix()}
    (page,) = re.findall(r"```json\n(.*?)```", after["docs/service.md"].decode(), re.DOTALL)
    assert json.loads(page) == {"results": [record | {"path": EXAMPLE_CLIP.name}]}
    (code,) = re.findall(
        r"^EXAMPLE_RECORD.*? = (\{.*?^\})", after["src/earmark/service/schemas.py"].decode(), re.M | re.S
    )
    assert eval(code) == record | {"path": EXAMPLE_CLIP.name}
    assert bundle_model(checkout / BUNDLED / "other-1.onnx", checkout) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocabulary": -1}, "vocabulary is not the same in the card inside the file"),
        ({"weights_sha256": "0" * 64}, "weights_sha256 in other-1.json is that of another file"),
        ({"name": "another"}, r"the file must have the name on its card: another\.onnx"),
        ({"thresholds": {}}, "thresholds is not the same"),
        ({}, "the card cannot be read"),
    ],
)
def test_a_file_that_is_not_that_of_its_card_is_refused(
    checkout: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    model = finished(tmp_path / "made")
    beside = model.with_suffix(".json")
    document = json.loads(beside.read_text())
    if "vocabulary" in change:
        document["vocabulary"] = document["vocabulary"][::-1]  # the same tags, but other outputs are theirs
    else:
        document |= change
    if change:
        beside.write_text(json.dumps(document))
    else:
        beside.unlink()
    before = contents(checkout)
    with pytest.raises(ModelError, match=message):
        bundle_model(model, checkout)
    assert contents(checkout) == before


@pytest.mark.parametrize("name", ["musicnn-mtt", 'a "b"'])
def test_names_that_cannot_be_used_are_refused(checkout: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match=re.escape(repr(name))):
        bundle_model(finished(tmp_path / "made", name=name), checkout)


@pytest.mark.parametrize("name", [*NAMED, *QUOTED])
def test_where_a_place_is_gone_nothing_is_changed(checkout: Path, tmp_path: Path, name: str) -> None:
    (checkout / name).write_text("something else\n")
    before = contents(checkout)
    with pytest.raises(DataError, match=f"^{re.escape(name)}: .* 0 times"):
        bundle_model(finished(tmp_path / "made"), checkout)
    assert contents(checkout) == before


def test_records_are_wrapped_for_reading() -> None:
    record = {"a": "x" * 20, "b": None, "c": [1, 2], "d": [{"e": "é"}, {"e": 2}], "f": []}
    text = wrapped(record, width=30)
    assert json.loads(text) == record
    assert text.splitlines() == [
        '{"a": "xxxxxxxxxxxxxxxxxxxx",',
        ' "b": null, "c": [1, 2],',
        ' "d": [{"e": "é"},',
        '       {"e": 2}], "f": []}',
    ]

"""A file's degrees are apart from its tags."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import ConfigError
from earmark.core.json_records import failed_record
from earmark.tagging.segments import _in_thresholds
from earmark.tagging.tagger import load_tagger
from earmark.tagging.taggram import _rows
from tests.helpers import sounds
from tests.helpers.degrees import CARD, DEGREES, EMOTIONS, KEPT, SCORES, made
from tests.helpers.onnx_files import tiny

RATE_HZ = 16_000


def test_no_list_of_tags_has_them() -> None:
    found = made(CARD, list(SCORES.values()))
    assert found.degrees == DEGREES
    assert list(found.degrees) == ["energy", "valence"]
    assert tuple(tag.tag for tag in found.top(0, "auto")) == KEPT
    assert [tag.tag for tag in found.top_per_category()] == ["rock", "drums", "calm", "soft"]
    assert [tag.tag for tag in found.top(0)] == ["rock", "calm", "soft", "techno", "drums"]
    assert [tag.tag for tag in found.top(0, 0.6)] == ["rock", "calm"]
    assert [tag.tag for tag in found.top(1)] == ["rock"]
    for wrong in (2.0, "some"):
        with pytest.raises(ConfigError, match="must be auto, none or a number"):
            found.top(1, wrong)
    assert found["energy"] == 0.875
    assert dict(found) == dict(found.items()) == SCORES
    assert "energy" in found
    assert ": rock 0.75, calm 0.62, soft 0.50>" in repr(found)
    table, _, below = found._repr_html_().partition("</table>")
    assert "energy" not in table
    assert "energy 88, valence 38" in below


def test_without_a_tag_that_holds_a_file_abstains_and_has_degrees() -> None:
    card = CARD.replace(thresholds={**CARD.thresholds, "drums": 0.5})
    record = made(card, [0.875, 0.25, 0.25, 0.25, 0.25, 0.375, 0.12345]).to_record(0, "auto")
    assert (record["abstained"], record["tags"], record["degrees"]) == (True, [], DEGREES)
    fine = made(CARD, [1 / 3, *list(SCORES.values())[1:]]).to_record(2, 0.9)
    assert fine["degrees"] == {"energy": 0.3333, "valence": 0.375}
    assert list(fine) == list(failed_record("a", "why", "m"))


def test_a_silent_file_has_none() -> None:
    found = made(CARD, [0.0] * len(SCORES), silent=True)
    assert (found.degrees, found.top(0)) == ({}, [])
    assert found.to_record()["degrees"] == failed_record("a", "why", "m")["degrees"] == {}


def test_models_without_thresholds_list_regression_tags() -> None:
    found = made(EMOTIONS, [0.25, 0.75, 0.5])
    assert found.degrees == found.to_record()["degrees"] == {}
    for threshold in ("auto", "none"):
        assert [tag.tag for tag in found.top(0, threshold)] == ["power", "calmness", "joy"]
    assert [tag.tag for tag in found.top(0, 0.4)] == ["power", "calmness"]
    assert len(_rows(found, 24)) == 3


def test_parts_of_a_file_and_its_taggram_have_tags_only(tmp_path: Path) -> None:
    samples = np.concatenate([np.full(10 * RATE_HZ, 0.9), np.full(10 * RATE_HZ, 0.01)]).astype(np.float32)
    tagger = load_tagger(tiny(tmp_path / "graded.onnx", CARD))
    scores = tagger.tag_waveform(samples, RATE_HZ)
    parts = scores.segments(min_seconds=3)
    listed = {tag.tag for part in parts for tag in (*part.tags, *part.summary)}
    assert listed <= set(SCORES) - set(DEGREES)
    assert "drums" in listed
    names = [scores.tags[i] for i in _rows(scores, 24)]
    assert sorted(names) == sorted(set(SCORES) - set(DEGREES))
    assert [scores.tags[i] for i in _rows(replace(scores, taggram=0 * scores.taggram), 1)] != ["energy"]


def test_changes_of_degrees_are_no_change_points() -> None:
    found = made(CARD, list(SCORES.values()))
    np.testing.assert_allclose(_in_thresholds(found, "auto"), [[1.5, 1.25, 1.25]])  # rock, calm, soft
    np.testing.assert_allclose(_in_thresholds(found, 0.125), [[1.5, 1.5, 1.5, 1.5, 1.0]])
    np.testing.assert_allclose(_in_thresholds(made(EMOTIONS, [0.25, 0.75, 0.5]), "auto"), [[1.5, 1.0]])


def test_a_tagger_gives_them_in_the_model_s_order(tmp_path: Path) -> None:
    scores = load_tagger(tiny(tmp_path / "graded.onnx", CARD)).tag_waveform(sounds.music(3, RATE_HZ)[0], RATE_HZ)
    assert scores.degrees == {"energy": scores["energy"], "valence": scores["valence"]}

"""What is printed never contradicts itself, calibrated scores mean what they say, and old cards are read as ever."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.core.calibration import Platt, calibrated, logit, sigmoid
from earmark.core.card import ModelCard, read_rules
from earmark.core.errors import ConfigError, DataError, ModelError
from earmark.core.input_spec import InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Vocabulary
from earmark.evaluation.platt import LEAST_SLOPE, calibrated_card, fit_calibration, fit_platt
from earmark.evaluation.scores import ScoreTable
from earmark.library.tagfiles.changes import WritePolicy, wanted_values
from earmark.library.tagfiles.mapping import TagMapping
from earmark.plots.reliability import reliabilities
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger
from tests.helpers.score_tables import score_table

NAMES = ("vocals", "no vocals", "male vocals", "female vocals", "fast", "slow", "rock", "choir")
RULES = TagConstraints(
    (("vocals", "no vocals"), ("fast", "slow")),
    {"male vocals": "vocals", "female vocals": "vocals", "choir": "female vocals"},
)
CARD = ModelCard("trial", "made", InputSpec(8_000, 8_000, 8_000), Vocabulary.of(NAMES), rules=RULES)

score = st.floats(0, 1, width=32)
platt = st.builds(Platt, st.floats(0.01, 30), st.floats(-30, 30))


def scores_of(scores: list[float], thresholds: dict[str, float]) -> TagScores:
    array = np.array(scores, np.float32)
    return TagScores(
        None, "trial", CARD.vocabulary, array, array[None], np.zeros(1), 1.0, 1.0, thresholds, rules=CARD.rules
    )


@pytest.mark.slow
@given(st.lists(score, min_size=8, max_size=8), st.lists(score, min_size=8, max_size=8), st.integers(0, 8))
@settings(max_examples=300, deadline=None)
def test_printed_tags_never_contradict_each_other(scores: list[float], limits: list[float], n: int) -> None:
    thresholds = dict(zip(NAMES, limits, strict=True))
    result = scores_of(scores, thresholds)
    every = [tag.tag for tag in result.top(0, "auto")]
    printed = [tag.tag for tag in result.top(n, "auto")]
    assert printed == every[: n or None]
    for group in RULES.exclusive:
        assert len(set(group) & set(printed)) <= 1
    for tag, needed in RULES.requires.items():
        assert tag not in every or needed in every
    assert all(result[tag] >= np.float32(thresholds[tag]) - 1e-6 for tag in printed)
    # Scores stay as they are for programs, and a number as the threshold asks no rules.
    assert [tag.score for tag in result.top(0)] == sorted(np.float32(scores).tolist(), reverse=True)
    assert len(result.top(0, 0.0)) == len(NAMES)
    assert result.to_record(0, "auto")["abstained"] == (not every)
    # What is written into files is what is printed.
    mapping = TagMapping({"genre": {name: (name,) for name in NAMES}})
    wanted = wanted_values(CARD.replace(thresholds=thresholds), scores, WritePolicy(mapping, max_genres=99))
    assert list(wanted["genre"]) == every


def test_rules_by_example() -> None:
    limits = dict.fromkeys(NAMES, 0.5)
    limits["no vocals"] = 0.2

    def said(**scores: float) -> set[str]:
        values = [scores.get(name.replace(" ", "_"), 0.0) for name in NAMES]
        return {tag.tag for tag in scores_of(values, limits).top(0, "auto")}

    assert said(vocals=0.9, no_vocals=0.6, male_vocals=0.7, rock=0.8) == {"vocals", "male vocals", "rock"}
    assert said(vocals=0.6, no_vocals=0.9, male_vocals=0.7) == {"no vocals"}
    assert said(vocals=0.45, no_vocals=0.3) == set()  # the likelier of the two does not hold: neither is said
    assert said(vocals=0.9, choir=0.9) == {"vocals"}  # the choir needs a voice that is not there
    assert said(vocals=0.9, female_vocals=0.6, choir=0.9) == {"vocals", "female vocals", "choir"}
    assert said(fast=0.7, slow=0.7) == {"fast"}


@pytest.mark.slow
@given(platt, st.lists(score, min_size=2, max_size=20), platt)
@settings(max_examples=300, deadline=None)
def test_calibration_is_monotone_and_stays_in_bounds(first: Platt, scores: list[float], second: Platt) -> None:
    ordered = np.sort(np.array(scores, np.float32))
    out = calibrated(ordered[:, None], ("a",), {"a": first})[:, 0]
    assert out.dtype == np.float32
    assert (out >= 0).all()
    assert (out <= 1).all()
    assert (np.diff(out) >= 0).all()
    composed = second.after(first)
    np.testing.assert_allclose(
        logit(composed(ordered)),
        np.clip(second.slope * (first.slope * logit(ordered) + first.offset) + second.offset, -16.12, 16.12),
        atol=1e-2,
    )


def test_tags_without_a_map_keep_their_scores() -> None:
    scores = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
    out = calibrated(scores, ("a", "b"), {"b": Platt(1, 1)})
    np.testing.assert_array_equal(out[:, 0], scores[:, 0])
    assert (out[:, 1] > scores[:, 1]).all()
    np.testing.assert_array_equal(calibrated(scores, ("a", "b"), {}), scores)


def made_table(seed: int, n: int = 4_000, slope: float = 0.4, offset: float = -1.0) -> ScoreTable:
    """Scores that are too sure and too high: the true share is sigmoid(slope * logit + offset)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, 2))
    labels = (rng.random((n, 2)) < sigmoid(slope * logits + offset)).astype(np.float32)
    return score_table(labels, sigmoid(logits), ("vocals", "fast"), artists=(None,) * n)


def test_calibration_fitted_on_one_half_lowers_the_error_on_the_other() -> None:
    fitted, other = fit_calibration(made_table(1)), made_table(2)
    assert fitted.notes == ()
    for found in fitted.maps.values():
        assert found.slope == pytest.approx(0.4, abs=0.05)
        assert found.offset == pytest.approx(-1.0, abs=0.12)

    def error(scores: np.ndarray) -> float:
        table = ScoreTable(**{**vars(other), "scores": scores})
        return reliabilities(table, n_resamples=0)[0].error

    before, after = error(other.scores), error(calibrated(other.scores, other.vocabulary.names, fitted.maps))
    assert before > 0.2
    assert after < 0.02


def test_separable_and_meaningless_scores_have_finite_rising_maps() -> None:
    y = np.repeat([0.0, 1.0], 50)
    separated = fit_platt(y, y)
    assert separated.slope > 0
    assert float(separated(1.0)) > 0.9
    against = fit_platt(y, 1 - 0.9 * y)
    assert against.slope == LEAST_SLOPE
    assert float(against(0.5)) == pytest.approx(0.5, abs=0.1)
    constant = fit_platt(np.repeat([0, 0, 0, 1], 25), np.full(100, 0.9))
    assert float(constant(0.9)) == pytest.approx(0.25, abs=0.02)
    soft = fit_platt(np.full(200, 0.3), np.full(200, 0.8))
    assert float(soft(0.8)) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("labels", "scores"), [([0, 1], [0.5]), ([np.nan], [0.5]), ([0, 2], [0.1, 0.2]), ([0, 1], [0.1, np.nan])]
)
def test_what_cannot_be_fitted_is_refused(labels: list[float], scores: list[float]) -> None:
    with pytest.raises(ConfigError):
        fit_platt(labels, scores)


def test_tags_with_few_labels_are_left_out_and_named() -> None:
    table = made_table(0, n=60)
    table.labels[:, 1] = 0
    table.labels[:9, 1] = 1
    fitted = fit_calibration(table)
    assert list(fitted.maps) == ["vocals"]
    assert "fast: not calibrated, 9 clips with it and 51 without" in fitted.notes[0]
    with pytest.raises(DataError, match="no tag of the model can be calibrated"):
        calibrated_card(CARD, made_table(0, n=4))


def test_a_calibrated_card_keeps_its_tags_and_may_be_calibrated_again() -> None:
    table = made_table(3)
    card, _ = calibrated_card(CARD.replace(thresholds={"vocals": 0.7, "rock": 0.4}), table)
    after = calibrated(table.scores, table.vocabulary.names, card.calibration)
    np.testing.assert_array_equal(after[:, 0] >= np.float32(card.thresholds["vocals"]), table.scores[:, 0] >= 0.7)
    assert card.thresholds["rock"] == 0.4
    again, _ = calibrated_card(card, ScoreTable(**{**vars(table), "scores": after}))
    assert again.calibration["vocals"].slope == pytest.approx(card.calibration["vocals"].slope, rel=0.02)
    refitted, _ = calibrated_card(CARD, table, refit_thresholds=True)
    assert set(refitted.thresholds) == {"vocals", "fast"}
    assert ModelCard.from_json(card.to_json()) == card


def test_taggers_give_calibrated_scores() -> None:
    class Made:
        card = CARD.replace(calibration={"rock": Platt(2.0, -1.0)})

        def __call__(self, batch: np.ndarray) -> np.ndarray:
            rows = 0.2 + 0.6 * (np.abs(batch).max(axis=1, keepdims=True) > 0.5)
            return np.repeat(rows, len(NAMES), axis=1).astype(np.float32)

    samples = np.concatenate([np.full(8_000, 0.1), np.full(8_000, 0.9)])
    scores = Tagger(Made()).tag_waveform(samples, 8_000)
    assert scores["vocals"] == pytest.approx(0.5)
    assert scores["rock"] == pytest.approx(float(sigmoid(-1.0)), abs=1e-6)  # the mean first, then the map
    rock = NAMES.index("rock")
    np.testing.assert_allclose(scores.taggram[:, rock], Platt(2.0, -1.0)([0.2, 0.8]), atol=1e-6)


def test_cards_from_before_calibration_are_read() -> None:
    document = json.loads(CARD.replace(rules=TagConstraints()).to_json())
    del document["calibration"], document["rules"]
    old = ModelCard.from_json(json.dumps(document))
    assert old == CARD.replace(rules=TagConstraints())
    assert not old.rules


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"calibration": {"jazz": {"slope": 1, "offset": 0}}}, "'jazz': no such tag"),
        ({"calibration": {"rock": {"slope": 0, "offset": 0}}}, "slope 0"),
        ({"calibration": {"rock": {"slope": "x"}}}, "x.json"),
        ({"calibration": {"rock": [1, 0]}}, "must be an object"),
        ({"calibration": []}, "x.json"),
        ({"rules": {"exclusive": [["rock", "jazz"]]}}, "no tag 'jazz'"),
        ({"rules": {"exclusive": [["rock"]]}}, "two or more"),
        ({"rules": {"requires": {"rock": "fast", "fast": "rock"}}}, "in a circle"),
        ({"rules": {"requires": {"fast": "slow"}, "exclusive": [["fast", "slow"]]}}, "exclude each other"),
        ({"rules": {"never": 1}}, "unknown key 'never'"),
        ({"rules": 7}, "x.json"),
    ],
)
def test_wrong_calibrations_and_rules_are_refused(change: dict, message: str) -> None:
    document = json.loads(CARD.to_json()) | change
    with pytest.raises(ModelError, match=message):
        ModelCard.from_json(json.dumps(document), where="x.json")


def test_rules_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text('{"exclusive": [["fast", "slow"]]}')
    assert read_rules(path) == TagConstraints((("fast", "slow"),))
    path.write_text("[1]")
    with pytest.raises(ConfigError, match=r"rules\.json: no rules"):
        read_rules(path)

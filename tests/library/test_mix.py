"""Playlists in harmonic order."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest

from earmark.core.musical_key import KEYS, MusicalKey
from earmark.library.index.measures import NO_KEY
from earmark.library.mix import _costs, _greedy, mix_order, mix_report
from tests.helpers.command import earmark_here
from tests.helpers.made_library import Row, make_index


def keys(*texts: str) -> np.ndarray:
    return np.array([NO_KEY if text == "-" else KEYS.index(MusicalKey.parse(text)) for text in texts], np.int64)


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    bpm = np.round(draw.uniform(70, 180, n), 1)
    places = draw.integers(0, 24, n)
    bpm[draw.random(n) < 0.1], places[draw.random(n) < 0.1] = np.nan, NO_KEY
    return bpm, places


def cost(order: np.ndarray, costs: np.ndarray) -> float:
    return float(costs[order[:-1], order[1:]].sum())


def test_a_chain_that_was_taken_apart_is_put_together() -> None:
    wheel = [f"{number}A" for number in range(1, 13)]
    bpm = np.linspace(100, 122, 12)
    shuffled = np.random.default_rng(3).permutation(12)
    order = mix_order(bpm[shuffled], keys(*np.array(wheel)[shuffled]))
    assert shuffled[order].tolist() == list(range(12))
    assert mix_report(bpm, keys(*wheel)).n_harmonic == 11


def test_half_and_double_tempi_go_together() -> None:
    bpm = np.array([70.0, 100.0, 140.0, 101.0, 71.0])
    order = mix_order(bpm, keys(*["8A"] * 5))
    at = {tempo: place for place, tempo in enumerate(bpm[order])}
    assert abs(at[100.0] - at[101.0]) == 1
    assert max(at[70.0], at[71.0], at[140.0]) - min(at[70.0], at[71.0], at[140.0]) == 2
    assert mix_report(bpm[order], keys(*["8A"] * 5)).n_near_tempo == 3


@pytest.mark.parametrize("seed", range(8))
def test_small_sets_cost_no_more_than_the_best_order_by_a_tenth(seed: int) -> None:
    bpm, places = drawn(7, seed)
    bpm, places = np.nan_to_num(bpm, nan=120.0), np.where(places == NO_KEY, 0, places)
    costs = _costs(bpm, places)
    best = min(cost(np.array(order), costs) for order in itertools.permutations(range(7)))
    assert cost(mix_order(bpm, places), costs) <= 1.1 * best + 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_improving_beats_the_greedy_start_and_nothing_is_random(seed: int) -> None:
    bpm, places = drawn(200, seed)
    bpm = np.nan_to_num(bpm, nan=120.0)
    order = mix_order(bpm, places)
    costs = _costs(bpm, places)
    assert sorted(order.tolist()) == list(range(200))
    assert cost(order, costs) < 0.95 * cost(_greedy(costs, bpm), costs)
    assert order.tolist() == mix_order(bpm, places).tolist()


def test_tracks_of_which_nothing_is_known_come_last_as_they_came() -> None:
    bpm = np.array([np.nan, 120, np.nan, np.nan, 121])
    order = mix_order(bpm, keys("-", "8A", "8A", "-", "-"))
    assert order[-2:].tolist() == [0, 3]
    assert set(order[:3].tolist()) == {1, 2, 4}
    assert mix_order(np.full(3, np.nan), keys("-", "-", "-")).tolist() == [0, 1, 2]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_tracks(n: int) -> None:
    bpm, places = np.arange(100.0, 100 + n), keys(*["8A"] * n)
    assert mix_order(bpm, places).tolist() == list(range(n))
    report = mix_report(bpm, places)
    assert report.n_steps == report.n_harmonic == report.n_near_tempo == max(0, n - 1)


def test_steps_with_something_unknown_are_not_counted() -> None:
    report = mix_report(np.array([120.0, np.nan, 122.0, 123.0]), keys("8A", "8A", "-", "8A"))
    assert (report.n_steps, report.n_harmonic, report.n_near_tempo) == (3, 1, 1)


@pytest.mark.slow
def test_two_thousand_tracks_take_seconds() -> None:
    bpm, places = drawn(2000, 0)
    begun = time.process_time()
    order = mix_order(bpm, places)
    assert time.process_time() - begun < 30
    report = mix_report(bpm[order], places[order])
    assert report.n_harmonic > 0.85 * report.n_steps


# The command -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheel = ["8A", "3A", "9A", "2A", "10A", "4A"]
    rows = [
        Row(f"/m/{text}.mp3", {"slow": 0.9 - place / 100}, bpm=120.0 + place, musical_key=MusicalKey.parse(text).id3)
        for place, text in enumerate(wheel)
    ]
    return make_index(tmp_path_factory.mktemp("index") / "library.sqlite", rows)


def names(path: Path) -> list[str]:
    return [Path(line).stem for line in path.read_text().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("options", [("--mix",), ("--order", "mix"), ("--mix", "--order", "mix")])
def test_a_playlist_in_harmonic_order(index: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    out = tmp_path / "set.m3u8"
    done = earmark_here("library", "playlist", "slow", *options, "--out", out, "--index", index)
    assert done.returncode == 0, done.stderr
    assert names(out) in (["8A", "9A", "10A", "4A", "3A", "2A"], ["8A", "9A", "10A", "2A", "3A", "4A"])
    assert "of 5 steps 4 are harmonic" in done.stderr
    assert "5 are within 6% of the tempo" in done.stderr


def test_a_playlist_by_tempo_or_key(index: Path, tmp_path: Path) -> None:
    for order, expected in (("bpm", "8A 3A 9A 2A 10A 4A"), ("key", "2A 3A 4A 8A 9A 10A")):
        out = tmp_path / f"{order}.m3u8"
        earmark_here("library", "playlist", "--order", order, "--out", out, "--index", index)
        assert names(out) == expected.split()


def test_what_makes_no_sense_is_refused(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.m3u8"
    both = earmark_here("library", "playlist", "--mix", "--order", "title", "--out", out, "--index", index)
    assert (both.returncode, "--mix with --order title: give one of them" in both.stderr) == (2, True)
    shuffled = earmark_here("library", "playlist", "--mix", "--shuffle", "--out", out, "--index", index)
    assert (shuffled.returncode, "choose one of the two" in shuffled.stderr) == (2, True)
    unknown = earmark_here("library", "playlist", "--order", "loudness", "--out", out, "--index", index)
    assert unknown.returncode == 2
    assert "order 'loudness': must be one of score, title" in unknown.stderr
    assert not out.exists()

"""Excitations: a pattern planted in a network's gates is found; and tags that are given together."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.core.errors import ConfigError, DataError
from earmark.core.vocabulary import Vocabulary
from earmark.models import create_model
from earmark.models.checkpoint import make_card, save_checkpoint
from earmark.plots.binarize import binarize_labels
from earmark.plots.cooccurrence import cooccurrence, unlike
from earmark.plots.excitations import (
    ClipExcitations,
    by_tag,
    channel_table,
    draw_channels,
    draw_spread,
    measure_excitations,
    spread_table,
)

RATE, WINDOW = 8000, 3**5
TAGS = ("quiet", "noisy")
PLANTED = 3
"""The channel of block 1 whose gate opens for noise, and for nothing else."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network whose gates are known: constants, and one that opens for noise."""
    torch.manual_seed(0)
    model = create_model("samplecnn_se", 2, n_samples=WINDOW, sample_rate_hz=RATE, width=0.0625).eval()
    gates = []
    for block in model.blocks:
        excitation = block.se.excitation
        channels = excitation.dense2.out_features
        constant = torch.linspace(0.2, 0.8, channels).flip(0)  # falling, so that sorting turns the order round
        with torch.no_grad():
            excitation.dense1.weight.zero_()
            excitation.dense1.bias.zero_()
            excitation.dense2.weight.zero_()
            excitation.dense2.bias.copy_(constant.logit())
        gates.append(constant.numpy())
    model.first.conv.weight.data[0] = torch.tensor([[1.0, -1.0, 1.0]])  # channel 0 answers to noise, not to silence
    first = model.blocks[0].se.excitation
    with torch.no_grad():
        levels = []
        hook = first.squeeze.register_forward_hook(lambda _m, _i, out: levels.append(out))
        model(torch.from_numpy(np.stack([np.zeros(WINDOW, np.float32), noise(WINDOW, 0)])))
        hook.remove()
        differs = int((levels[0][1] - levels[0][0]).argmax())
        silent, loud = (float(level) for level in levels[0][:, differs])
        assert loud > silent  # some channel of block 1 is louder for noise
        scale = 400 / (loud - silent)
        first.dense1.weight[0, differs] = scale
        first.dense1.bias[0] = -scale * (silent + loud) / 2
        first.dense2.weight[PLANTED, 0] = 1.0  # closed in silence: the constant; wide open in noise
    folder = tmp_path_factory.mktemp("planted")
    save_checkpoint(folder, model, make_card(model, name="planted", vocabulary=Vocabulary.of(TAGS)))
    return folder, model, gates


def noise(n_samples: int, seed: int) -> np.ndarray:
    return (0.5 * np.random.default_rng(seed).standard_normal(n_samples)).clip(-1, 1).astype(np.float32)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four clips of silence and four of noise, each of a whole number of windows, in a table."""
    folder = tmp_path_factory.mktemp("clips")
    rows = []
    for i in range(8):
        noisy, n_windows = i % 2, 1 + i // 2
        samples = noise(n_windows * WINDOW, i) if noisy else np.zeros(n_windows * WINDOW, np.float32)
        soundfile.write(folder / f"{i}.wav", samples, RATE, subtype="FLOAT")
        rows.append((f"{i}.wav", "test", f"artist {i}", 1 - noisy, noisy))
    pd.DataFrame(rows, columns=["path", "split", "artist", *TAGS]).to_csv(folder / "clips.csv", index=False)
    return folder


@pytest.mark.slow
def test_a_planted_excitation_is_found_in_its_block_and_channel(checkpoint, clips):
    _, model, gates = checkpoint
    spec = make_card(model, name="planted", vocabulary=Vocabulary.of(TAGS)).input
    of_clips = measure_excitations(model, spec, [clips / f"{i}.wav" for i in range(8)])
    assert of_clips.n_windows.tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert of_clips.channels == tuple(len(constant) for constant in gates)
    holds = np.array([[i % 2 == 0, i % 2 == 1] for i in range(8)])
    found = by_tag(of_clips, holds, TAGS)
    assert found.n_clips.tolist() == [4, 4]
    assert found.means[0][1, PLANTED] == pytest.approx(1.0, abs=1e-6)  # noise opens it
    assert found.means[0][0, PLANTED] == pytest.approx(gates[0][PLANTED], abs=1e-6)
    for block, constant in enumerate(gates):
        others = [c for c in range(len(constant)) if (block, c) != (0, PLANTED)]
        assert np.allclose(found.means[block][:, others], constant[others], atol=1e-6)
    expected = (1 - gates[0][PLANTED]) / 2 / len(gates[0])  # of two values the deviation is half their distance
    assert found.spread == pytest.approx([expected] + [0.0] * (len(gates) - 1), abs=1e-6)
    order = found.order(0).tolist()
    overall = gates[0].copy()
    overall[PLANTED] = (gates[0][PLANTED] + 1) / 2  # as many windows of noise as of silence
    assert order == np.argsort(overall, kind="stable").tolist()

    table = channel_table(found, ["noisy", "quiet"])
    assert set(table.block) == {1, (len(gates) - 1) // 2 + 1, len(gates)}
    row = table[(table.block == 1) & (table.tag == "noisy") & (table.channel == PLANTED)].iloc[0]
    assert (row.mean_gate, row["rank"]) == (pytest.approx(1.0, abs=1e-6), order.index(PLANTED) + 1)
    ranks = table[(table.block == 1) & (table.tag == "quiet")]
    assert ranks.mean_gate_all_clips.is_monotonic_increasing
    spread = spread_table(found)
    assert spread.spread.idxmax() == 0
    assert (spread.by_chance[1:] < 1e-6).all()  # constants do not depend on labels, dealt or not
    assert 0 < spread.by_chance[0] < spread.spread[0]
    assert draw_channels(found, TAGS, "planted").table.equals(channel_table(found, TAGS))
    assert draw_spread(found, "planted").name == "excitation-spread"


def test_every_window_of_a_tags_clips_counts_alike():
    of_clips = ClipExcitations(np.array([[3.0], [0.2]]), np.array([3, 1]), (1,))  # means of 1.0 and 0.2
    found = by_tag(of_clips, np.array([[True, True], [True, False]]), ["both", "first"], n_deals=1)
    assert found.means[0][:, 0] == pytest.approx([0.8, 1.0])
    assert found.overall[0] == pytest.approx([0.8])


def test_tags_without_clips_are_left_out_and_asked_for_in_vain():
    of_clips = ClipExcitations(np.ones((2, 1)), np.array([1, 1]), (1,))
    found = by_tag(of_clips, np.array([[True, False], [True, False]]), ["there", "not"], n_deals=1)
    assert found.tags == ("there",)
    with pytest.raises(DataError, match="'not' holds for no clip"):
        found.of("not")
    with pytest.raises(DataError, match="no tag holds"):
        by_tag(of_clips, np.zeros((2, 2), bool), ["a", "b"])
    with pytest.raises(DataError, match=r"must be \(2, 1\)"):
        by_tag(of_clips, np.zeros((2, 2), bool), ["a"])


def test_networks_without_excitation_are_refused(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    for name, options in (
        ("samplecnn_basic", {"n_samples": WINDOW, "width": 0.0625}),
        ("ensemble_model1", {"window_seconds": 1.5, "width": 0.05}),
    ):
        model = create_model(name, 2, **options).eval()
        spec = make_card(model, name="x", vocabulary=Vocabulary.of(TAGS)).input
        with pytest.raises(ConfigError, match="samplecnn_se"):
            measure_excitations(model, spec, [tmp_path / "silence.wav"])


def test_pairs_are_counted_and_ordered():
    holds = np.array([[1, 1, 0, 0]] * 3 + [[1, 0, 1, 0]] + [[0, 0, 1, 1]] * 4, bool)
    pairs = cooccurrence(holds, ["rock", "guitar", "opera", "voice"])
    assert pairs.counts.tolist() == [[4, 3, 1, 0], [3, 3, 0, 0], [1, 0, 5, 4], [0, 0, 4, 4]]
    assert pairs.shares()[0].tolist() == [1, 0.75, 0.25, 0]
    assert pairs.most_frequent(2).tags == ("opera", "rock")
    alike = pairs.of(["rock", "voice", "guitar", "opera"]).alike_together()
    assert abs(alike.tags.index("rock") - alike.tags.index("guitar")) == 1
    assert abs(alike.tags.index("opera") - alike.tags.index("voice")) == 1
    assert alike.counts[alike.tags.index("rock"), alike.tags.index("opera")] == 1
    assert unlike(pairs, 2) == ("opera", "guitar")
    with pytest.raises(ConfigError, match="did you mean guitar"):
        pairs.of(["guitars"])
    assert math.isnan(cooccurrence(np.zeros((2, 1), bool), ["none"]).shares()[0, 0])


def test_degrees_hold_from_a_degree_on():
    labels = np.array([[0.6, np.nan, 1.0]], np.float32)
    assert binarize_labels(labels, least_degree=0.6).tolist() == [[True, False, True]]
    assert binarize_labels(labels, least_degree=0.61).tolist() == [[False, False, True]]
    with pytest.raises(ConfigError, match="least degree 0"):
        binarize_labels(labels, least_degree=0)


@pytest.mark.slow
def test_the_commands_write_their_files(checkpoint, clips, tmp_path):
    folder, _, gates = checkpoint
    runner = CliRunner()
    data = ["--dataset", "manifest", "--root", str(clips / "clips.csv"), "--out", str(tmp_path)]
    result = runner.invoke(app, ["analyze", "excitations", str(folder), *data, "-q"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "excitations.csv")
    assert set(table.tag) == set(TAGS)
    opened = table[(table.block == 1) & (table.channel == PLANTED)].set_index("tag").mean_gate
    assert opened["noisy"] == pytest.approx(1, abs=1e-4)
    assert opened["quiet"] == pytest.approx(gates[0][PLANTED], abs=1e-4)
    result = runner.invoke(app, ["analyze", "tag-pairs", *data], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.{ending}"
        for name in ("excitations", "excitation-spread", "tag-pairs")
        for ending in ("png", "svg", "csv")
    }
    with pytest.raises(ConfigError, match="no tag 'noise'"):
        runner.invoke(app, ["analyze", "excitations", str(folder), *data, "--tag", "noise"], catch_exceptions=False)
    with pytest.raises(ConfigError, match="either --dataset and --root, or --labels"):
        runner.invoke(app, ["analyze", "tag-pairs", "--out", str(tmp_path)], catch_exceptions=False)

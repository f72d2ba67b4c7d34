"""The ensemble paper's Model 3 (Table 3) and its combiner (Table 4)."""

from __future__ import annotations

import itertools
import json

import numpy as np
import onnxruntime
import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Vocabulary
from earmark.export import check_signals, export_onnx
from earmark.models import create_model
from earmark.models.checkpoint import load_checkpoint, make_card, save_checkpoint
from earmark.models.ensemble_combiner import combine

TABLE_3 = {
    "conv1": (64, 465_596),
    "pool1": (64, 29_099),
    "pair2.0": (128, 29_097),
    "pair2": (128, 29_095),
    "pool2": (128, 7_273),
    "pair3.0": (128, 7_271),
    "pair3": (128, 7_269),
    "pool3": (128, 1_817),
    "pair4.0": (256, 1_815),
    "pair4": (256, 1_813),
    "pool4": (256,),
    "dense": (1_024,),
    "last": (50,),
}
TAGS = Vocabulary.of(["calm", "loud", "strings"])
MEMBERS = {  # one of a log-mel, one of other bands, one of raw samples and a shorter window
    "ensemble_model1": {"window_seconds": 2.0, "width": 0.1},
    "ensemble_model2": {"window_seconds": 6.4, "width": 0.05, "frontend": {"n_fft": 512}},
    "ensemble_model3": {"window_seconds": 1.5, "width": 0.1},
}
SAID = [{"architecture": name, "options": options} for name, options in MEMBERS.items()]


def trained(name: str, n_tags: int = 3):
    """A member whose running statistics are no longer the fresh ones."""
    torch.manual_seed(list(MEMBERS).index(name))
    model = create_model(name, n_tags, **MEMBERS[name])
    with torch.no_grad():
        model(torch.randn(3, model.window_samples) * 0.1)
    return model.eval()


@pytest.fixture(scope="module")
def members():
    return [trained(name) for name in MEMBERS]


def state(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.slow
def test_model_3_is_table_3():
    model = create_model("ensemble_model3", 50).eval()
    assert (model.window_samples, model.sample_rate_hz) == (465_600, 16_000)
    seen = {}
    for name, layer in model.layers.named_modules():
        layer.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: tuple(out.shape[1:])}))
    with torch.inference_mode():
        model(torch.zeros(1, 465_600))
    assert {name: seen[name] for name in TABLE_3} == TABLE_3
    convolutions = 64 * 6 + 128 * (64 * 3 + 1) + 3 * 128 * (128 * 3 + 1) + 256 * (128 * 3 + 1) + 256 * (256 * 3 + 1)
    assert model.n_parameters == convolutions + 4 * 128 + 1024 * 257 + 50 * 1025 == 783_282


def test_model_3_has_its_layers_in_the_order_of_table_3():
    kinds = [type(layer).__name__ for layer in create_model("ensemble_model3", 50, width=0.1).layers]
    block = ["Sequential", "MaxPool1d", "BatchNorm1d", "Dropout"]
    end = ["Sequential", "GlobalMax", "Linear", "ReLU", "Linear"]
    assert kinds == ["Conv1d", "ReLU", "MaxPool1d", *block, *block, *end]


def test_model_3_standardises_its_samples():
    def answer(waveform, **options):
        torch.manual_seed(0)
        model = create_model("ensemble_model3", 3, window_seconds=0.2, width=0.1, **options).eval()
        with torch.inference_mode():
            return model(waveform)

    torch.manual_seed(1)
    waveform = torch.randn(2, 3200) * 0.1 + 0.02
    plain = answer((waveform - 0.02) / 0.1, standardise=None)
    torch.testing.assert_close(answer(waveform, standardise="dataset", mean=0.02, std=0.1), plain)
    torch.testing.assert_close(answer(waveform), answer(waveform * 3 + 0.1), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(answer(waveform, standardise=None), answer(waveform * 3, standardise=None), atol=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"standardise": "no"}, "standardise 'no'"),
        ({"mean": 0.1}, "mean 0.1"),
        ({"standardise": "dataset", "std": 0.0}, "std 0.0"),
        ({"window_seconds": 0.1}, "needs at least 1604"),
    ],
)
def test_model_3_refuses_bad_values_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        create_model("ensemble_model3", 3, **options)


def test_combiner_is_table_4():
    model = create_model("ensemble_combiner", 50)
    assert [member.architecture for member in model.members] == list(MEMBERS)
    assert model.window_samples == 465_600
    dense = [(layer.in_features, layer.out_features) for layer in model.dense if isinstance(layer, torch.nn.Linear)]
    assert dense == [(150, 256), (256, 512), (512, 50)]
    learned = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert learned == 195_890
    assert round(learned * 4 / 1000) == 784  # KB, as the paper reports


@pytest.mark.slow
@pytest.mark.parametrize(
    "subset", [s for n in (1, 2, 3) for s in itertools.combinations(MEMBERS, n)], ids=lambda subset: "+".join(subset)
)
def test_any_subset_can_be_combined(members, subset):
    chosen = [member for member in members if member.architecture in subset]
    model = combine(chosen, width=0.1).eval()
    assert model.dense.dense1.in_features == 3 * len(subset)
    assert model.window_samples == max(member.window_samples for member in chosen)
    assert model(torch.zeros(2, model.window_samples)).shape == (2, 3)


def test_its_input_is_the_scores_of_its_members(members):
    model = combine(members, width=0.1).eval()
    waveform = torch.randn(2, model.window_samples, generator=torch.Generator().manual_seed(3)) * 0.1
    with torch.inference_mode():
        scores = model.member_scores(waveform)  # (2, 3, 3)
        assert scores.shape == (2, 3, 3)
        torch.testing.assert_close(scores[:, 1], members[1](waveform).sigmoid())
        for place, length in ((0, 32_000), (2, 24_000)):  # 6.4 s = 102,400 samples: the last window is moved back
            starts = [*range(0, 102_400 - length + 1, length), 102_400 - length]
            windows = [members[place](waveform[:, start : start + length]).sigmoid() for start in starts]
            torch.testing.assert_close(scores[:, place], torch.stack(windows).mean(0))
        torch.testing.assert_close(model(waveform), model.dense(scores.flatten(1)))


def test_combining_leaves_the_members_alone(members):
    before = [state(member) for member in members]
    model = combine(members, width=0.1)
    for own, given, old in zip(model.members, members, before, strict=True):
        assert own is not given
        assert not given.training
        assert all(parameter.requires_grad for parameter in given.parameters())
        for name, value in own.state_dict().items():
            assert torch.equal(value, old[name]), name


def test_training_it_moves_the_combiner_alone(members):
    torch.manual_seed(0)
    model = combine(members[::2], width=0.1, dropout=0.2).train()
    assert model.dense.training
    assert not any(module.training for member in model.members for module in member.modules())
    before = state(model)
    waveform, labels = torch.randn(4, model.window_samples) * 0.1, torch.eye(3)[[0, 1, 2, 0]]
    optimiser = torch.optim.Adam(model.parameters(), 0.01, weight_decay=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(waveform), labels).backward()
        optimiser.step()
    after = model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.startswith("dense.")}


def test_a_combiner_of_checkpoints_is_saved_and_rebuilt_from_its_card(members, tmp_path):
    loaded = []
    for member in members:
        folder = tmp_path / member.architecture
        save_checkpoint(folder, member, make_card(member, name=member.architecture, vocabulary=TAGS))
        loaded.append(load_checkpoint(folder)[0])
    model = combine(loaded, width=0.1).eval()
    save_checkpoint(tmp_path / "all", model, make_card(model, name="all", vocabulary=TAGS))
    again, card = load_checkpoint(tmp_path / "all")
    said = card.architecture_options["members"]
    assert [entry["architecture"] for entry in said] == list(MEMBERS)
    assert [entry["options"] for entry in said] == [member.architecture_options for member in members]
    waveform = torch.randn(2, model.window_samples) * 0.1
    with torch.inference_mode():
        assert torch.equal(again(waveform), model(waveform))
    assert not any(parameter.requires_grad for parameter in again.members.parameters())


def test_options_of_members_are_written_out_in_full():
    model = create_model("ensemble_combiner", 3, members=["ensemble_model3", SAID[0]], width=0.1)
    first, second = json.loads(json.dumps(model.architecture_options))["members"]
    assert first["options"]["window_seconds"] == 29.1
    assert second["options"]["frontend"]["n_mels"] == 128
    assert model.architecture_options["width"] == 0.1


@pytest.mark.slow
def test_it_is_exported_as_one_onnx_file(members, tmp_path):
    model = combine(members, width=0.1).eval()
    card = make_card(model, name="all", vocabulary=TAGS)
    report = export_onnx(model, card, tmp_path / "all.onnx", check_signals(card.input))
    assert report.max_abs_difference < 1e-4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.json", "all.onnx"]
    session = onnxruntime.InferenceSession(report.path, providers=["CPUExecutionProvider"])
    waveform = np.random.default_rng(0).normal(0, 0.1, (3, model.window_samples)).astype(np.float32)
    (scores,) = session.run(["probabilities"], {"waveform": waveform})
    with torch.inference_mode():
        np.testing.assert_allclose(scores, model(torch.from_numpy(waveform)).sigmoid().numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([], "at least one"),
        ("ensemble_model1", "must be a list"),
        (["ensemble_modell"], "did you mean"),
        ([{"options": {}}], "must be a name, or an object with architecture"),
        ([{"architecture": "ensemble_model1", "option": {}}], "must be a name, or an object with architecture"),
        ([{"architecture": "ensemble_model1", "options": {"depth": 3}}], "has no option 'depth'"),
        ([{"architecture": "ensemble_model1", "options": [1]}], "must be an object"),
    ],
)
def test_members_that_cannot_be_built_are_refused(said, message):
    with pytest.raises(ConfigError, match=message):
        create_model("ensemble_combiner", 3, members=said)


def test_members_that_do_not_fit_together_are_refused(members):
    other = create_model("ensemble_model1", 4, **MEMBERS["ensemble_model1"])
    with pytest.raises(ConfigError, match=r"differ in n_tags.*ensemble_model1: 3, ensemble_model1: 4"):
        combine([members[0], other])
    other = create_model("ensemble_model1", 3, window_seconds=4.0, width=0.1, frontend={"sample_rate_hz": 12_000})
    with pytest.raises(ConfigError, match="differ in sample_rate_hz"):
        combine([members[0], other])

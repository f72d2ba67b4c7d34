"""Kim, Lee & Nam 2018: weights of the authors' code, shapes of Figure 1, and blocks worked out by hand."""

from __future__ import annotations

import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.models import create_model
from earmark.models.samplecnn import Block, BlockKind, SqueezeExcite
from tests.helpers.layers import layer_shapes

NAMES = ["basic", "se", "res1", "res2", "rese1", "rese2"]
AUTHORS_COUNTS = {
    ("basic", True): 2_690_354,
    ("basic", False): 1_875_762,
    ("se", True): 24_749_618,
    ("se", False): 23_935_026,
    ("res2", True): 4_933_938,
    ("res2", False): 4_119_346,
    ("rese2", True): 26_993_202,
    ("rese2", False): 26_178_610,
}
BLOCKS = [(128, 6561), (128, 2187), (256, 729), (256, 243), (256, 81), (256, 27), (256, 9), (256, 3), (512, 1)]
SMALL = {"n_samples": 243, "width": 0.1}


def stored(model) -> int:
    """Everything a checkpoint holds but PyTorch's counter of batches: weights, biases, running means, variances."""
    return sum(value.numel() for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("multi", [True, False])
def test_counts_of_the_authors_code_and_layers_of_figure_1(name, multi):
    model = create_model(f"samplecnn_{name}", 50, multi=multi)
    assert (model.sample_rate_hz, model.window_samples) == (22_050, 59_049)
    if (name, multi) in AUTHORS_COUNTS:
        assert stored(model) == AUTHORS_COUNTS[name, multi]
    running = sum(module.num_features for module in model.modules() if isinstance(module, torch.nn.BatchNorm1d))
    assert model.n_parameters == stored(model) - 2 * running
    seen = layer_shapes(model)
    assert seen["first"] == (128, 19_683)
    assert [seen[f"blocks.block{i}"] for i in range(1, 10)] == BLOCKS
    units = 1024 if multi else 512
    assert (seen["head.dense1"], seen["head.dense2"]) == ((units,), (50,))
    assert model.head.dense1.in_features == units
    if "se" in name:
        for i, (channels, _) in enumerate(BLOCKS, start=1):
            assert seen[f"blocks.block{i}.se.excitation.dense1"] == (16 * channels,)
            assert seen[f"blocks.block{i}.se.excitation"] == (channels,)


@pytest.mark.slow
def test_one_convolution_counts_follow_from_the_published_ones():
    """Res-1 is basic with the skips; ReSE-1 adds to Res-1 what SE adds to basic."""
    skips = (128 * 256 + 256 + 4 * 256) + (256 * 512 + 512 + 4 * 512)
    res1, rese1 = (create_model(f"samplecnn_{name}", 50) for name in ("res1", "rese1"))
    assert stored(res1) == AUTHORS_COUNTS["basic", True] + skips
    assert stored(rese1) - stored(res1) == AUTHORS_COUNTS["se", True] - AUTHORS_COUNTS["basic", True]


@pytest.mark.parametrize(("k", "channels"), [(5, [128, 128, 256, 512]), (7, [128, 128, 256, 256, 256, 512])])
def test_other_powers_of_three(k, channels):
    model = create_model("samplecnn_basic", 50, n_samples=3**k)
    seen = layer_shapes(model)
    assert [seen[f"blocks.block{i}"][0] for i in range(1, k)] == channels
    assert seen[f"blocks.block{k - 1}"] == (512, 1)
    assert model.head.dense1.in_features == sum(channels[-3:])
    assert len(model.blocks) == k - 1


@pytest.mark.parametrize("k", [5, 8, 12, 13])
def test_every_power_of_three_is_recognised(k):
    model = create_model("samplecnn_basic", 2, n_samples=3**k, width=0.05)
    assert (model.window_samples, len(model.blocks)) == (3**k, k - 1)


@pytest.mark.parametrize("name", ["res2", "rese2"])
def test_dropouts(name):
    model = create_model(f"samplecnn_{name}", 5, **SMALL)
    assert [block.branch.dropout.p for block in model.blocks] == [0.2] * 4
    assert model.head.dropout.p == 0.5
    model = create_model(f"samplecnn_{name}", 5, dropout=0, block_dropout=0, **SMALL)
    assert not any(isinstance(module, torch.nn.Dropout) for module in model.modules())


@pytest.mark.parametrize("name", ["basic", "se", "res1", "rese1"])
def test_one_convolution_has_no_dropout_between(name):
    model = create_model(f"samplecnn_{name}", 5, **SMALL)
    assert [key for key, module in model.named_modules() if isinstance(module, torch.nn.Dropout)] == ["head.dropout"]


@pytest.mark.parametrize("name", NAMES)
def test_group_normalisation_takes_the_place_of_batch_normalisation(name):
    batch = create_model(f"samplecnn_{name}", 5, **SMALL)
    group = create_model(f"samplecnn_{name}", 5, normalisation="group", **SMALL)
    where = [key for key, module in batch.named_modules() if isinstance(module, torch.nn.BatchNorm1d)]
    norms = {key: module for key, module in group.named_modules() if isinstance(module, torch.nn.GroupNorm)}
    assert list(norms) == where
    assert {module.num_groups for module in norms.values()} == {8}
    assert batch.n_parameters == group.n_parameters


def block(**options) -> Block:
    """One channel of +-1: the convolutions let their input through, normalisation nothing changes (in eval mode)."""
    kind = {"n_convolutions": 1, "residual": False, "alpha": None, "normalisation": "batch", **options}
    built = Block(1, 1, BlockKind(**kind)).eval()
    with torch.no_grad():
        for name, module in built.branch.named_children():
            if name.startswith("conv"):
                module.weight.copy_(torch.tensor([[[0.0, 1.0, 0.0]]]))
            if name.startswith("norm"):
                module.running_var.fill_(1 - module.eps)
        if kind["alpha"]:  # excitation = sigmoid(2 relu(mean) - 1)
            excitation = built.se.excitation
            excitation.dense1.weight.fill_(1.0)
            excitation.dense2.weight.fill_(2.0 / len(excitation.dense1.weight))
            excitation.dense2.bias.fill_(-1.0)
    return built


X = torch.tensor([[[1.0, 2.0, 3.0, -3.0, -2.0, -1.0, 0.0, 6.0, 0.0]]])


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [3.0, 0.0, 6.0]),
        ({"residual": True}, [6.0, 0.0, 12.0]),
        ({"residual": True, "n_convolutions": 2}, [6.0, 0.0, 12.0]),  # the branch's ReLU takes the negative ones
        ({"alpha": 4}, [3.0, 0.0, 6.0]),  # mean of 3, 0, 6: 3; scaled by sigmoid(5)
        ({"alpha": 4, "residual": True}, [3.0, 0.0, 6.0]),
        ({"alpha": 4, "residual": True, "n_convolutions": 2}, [3.0, 0.0, 6.0]),
    ],
)
def test_blocks_by_hand(options, wanted):
    wanted = torch.tensor([[wanted]])
    if options.get("alpha"):
        mean = {1: 2 / 3, 2: 4 / 3}[options.get("n_convolutions", 1)] if options.get("residual") else 3.0
        gate = torch.tensor(2 * mean - 1).sigmoid()
        wanted = wanted * (gate + 1) if options.get("residual") else wanted * gate
    with torch.inference_mode():
        torch.testing.assert_close(block(**options)(X), wanted)


def test_skip_is_projected_where_channels_change():
    kind = BlockKind(1, residual=True, alpha=None, normalisation="batch")
    assert isinstance(Block(8, 8, kind).skip, torch.nn.Identity)
    conv, norm = Block(8, 16, kind).skip
    assert (conv.kernel_size, conv.in_channels, conv.out_channels, norm.num_features) == ((1,), 8, 16, 16)
    assert Block(8, 16, BlockKind(1, residual=False, alpha=None, normalisation="batch")).skip is None


def test_excitations_are_what_channels_are_scaled_with():
    torch.manual_seed(0)
    se = SqueezeExcite(3, alpha=2)
    activations = torch.randn(2, 3, 5)
    seen = []
    hook = se.excitation.register_forward_hook(lambda _m, _i, out: seen.append(out))
    scaled = se(activations)
    hook.remove()
    assert seen[0].shape == (2, 3)
    assert ((seen[0] > 0) & (seen[0] < 1)).all()
    torch.testing.assert_close(scaled / activations, seen[0].unsqueeze(2).expand(2, 3, 5))


@pytest.mark.parametrize("name", ["se", "rese1", "rese2"])
def test_excitations_of_a_network(name):
    torch.manual_seed(0)
    model = create_model(f"samplecnn_{name}", 5, alpha=1, **SMALL).eval()
    waveform = torch.randn(3, 243) * 0.1
    with torch.inference_mode():
        excitations = model.excitations(waveform)
        assert [tuple(e.shape) for e in excitations] == [(3, 16), (3, 16), (3, 24), (3, 48)]
        by_name = {}
        for i, part in enumerate(model.blocks):
            part.se.excitation.register_forward_hook(lambda _m, _i, out, i=i: by_name.update({i: out}))
        model(waveform)
    assert all(torch.equal(by_name[i], e) for i, e in enumerate(excitations))
    assert all(((e > 0) & (e < 1)).all() for e in excitations)


def test_excitations_leave_no_hooks_behind():
    model = create_model("samplecnn_se", 5, alpha=1, **SMALL).eval()
    with pytest.raises(ConfigError, match="samples"):
        model.excitations(torch.zeros(1, 100))
    assert not any(module._forward_hooks for module in model.modules())


def test_networks_without_excitations_say_so():
    with pytest.raises(ConfigError, match="samplecnn_res2: its blocks have no excitations"):
        create_model("samplecnn_res2", 5, **SMALL).excitations(torch.zeros(1, 243))


def test_multi_uses_the_last_three_blocks():
    """The dense layer's input: what each of the last three blocks gives, its maximum over time."""
    torch.manual_seed(0)
    model = create_model("samplecnn_basic", 5, n_samples=729, width=0.1).eval()
    outputs, inputs = [], []
    for part in model.blocks:
        part.register_forward_hook(lambda _m, _i, out: outputs.append(out))
    model.head.register_forward_hook(lambda _m, arguments, _o: inputs.append(arguments[0]))
    with torch.inference_mode():
        model(torch.randn(2, 729))
    assert [tuple(out.shape[1:]) for out in outputs] == [(16, 81), (16, 27), (24, 9), (24, 3), (48, 1)]
    assert torch.equal(inputs[0], torch.cat([out.max(dim=2).values for out in outputs[-3:]], dim=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 59_048}, "n_samples 59048.*59049"),
        ({"n_samples": 81}, "n_samples 81.*243"),
        ({"n_samples": 0}, "n_samples"),
        ({"n_blocks": 3}, "n_blocks 3"),
        ({"n_samples": 242, "n_blocks": 4}, "n_samples 242.*243"),
        ({"alpha": 0}, "alpha 0"),
        ({"normalisation": "layer"}, "'layer'.*batch or group"),
        ({"dropout": 1.0}, "dropout"),
        ({"width": 0}, "width"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ConfigError, match=message):
        create_model("samplecnn_se", 5, **{"n_samples": 243, "width": 0.1, **options})

"""Timbre CNN, and multi-level multi-scale features: sizes, filters, and what pools over what."""

from __future__ import annotations

import pytest
import torch

from earmark.core.errors import ConfigError
from earmark.models import create_model
from earmark.models.multi_level_multi_scale import POOLS, SegmentCNN
from earmark.models.timbre_cnn import SHAPES


def test_the_timbre_cnn_has_the_weights_of_the_authors_program() -> None:
    model = create_model("timbre_cnn", 50)
    heights = {0.8: 76, 0.6: 57, 0.2: 19}  # of 96 bands
    filters = sum(n * (heights[share] * frames + 1) for share, frames, n in SHAPES)
    n_filters = sum(n for _, _, n in SHAPES)
    assert n_filters == 92
    norms = 2 * (n_filters + 1)
    back_end = (8 * 92 * 32 + 32) + (45 * 32 * 100 + 100) + (100 * 50 + 50)
    assert model.n_parameters == filters + norms + back_end == 185_856
    convolutions = [shape.conv for shape in model.filters.shapes]
    assert [tuple(conv.weight.shape) for conv in convolutions[:4]] == [
        (3, 1, 76, 7),
        (3, 1, 76, 5),
        (6, 1, 76, 3),
        (10, 1, 76, 1),
    ]
    assert [tuple(conv.weight.shape) for conv in convolutions[8:]] == [
        (5, 1, 19, 7),
        (5, 1, 19, 5),
        (10, 1, 19, 3),
        (15, 1, 19, 1),
    ]


def test_timbre_filters_keep_time_and_do_not_care_for_pitch() -> None:
    model = create_model("timbre_cnn", 5).eval()
    mel = torch.full((1, 1, 96, 187), -1.0)
    mel[:, :, 40:50, 90:95] = 3.0
    features = model.filters(mel)
    assert features.shape == (1, 92, 187)
    torch.testing.assert_close(
        model.filters(mel.roll(6, dims=2))[:, 57:], features[:, 57:]
    )  # those of a fifth of the bands


def test_segments_are_pooled_by_their_maximum_and_averaged() -> None:
    torch.manual_seed(0)
    for frames, pools in POOLS.items():
        product = 1
        for pool in pools:
            product *= pool
        assert product == frames
        scale = SegmentCNN(16, frames, 0.1).eval()
        segments = torch.randn(3, 16, frames)
        each = torch.cat([scale(segment[None]) for segment in segments])
        together = scale(torch.cat([*segments, torch.randn(16, frames // 2)], dim=1)[None])
        torch.testing.assert_close(together, each.mean(dim=0, keepdim=True))  # what is left over counts nothing
        assert scale(segments).shape == (3, scale.n_features)


def test_levels_and_scales_are_side_by_side() -> None:
    model = create_model("multi_level_multi_scale", 50)
    three, four, more = 128 + 128 + 256, 128 + 256 + 256, 256 * 3  # of CNNs of three, four, five or six layers
    assert model.head.dense.in_features == 2 * three + four + 2 * more == 3200
    with pytest.raises(ConfigError, match="must be some of 18, 27, 54, 108, 216, each once"):
        create_model("multi_level_multi_scale", 50, segment_frames=[18, 18])
    with pytest.raises(ConfigError, match="window of 44 frames: is shorter than a segment of 216"):
        create_model("multi_level_multi_scale", 50, window_seconds=1.0)


def test_timbre_cnn_refuses_what_leaves_nothing() -> None:
    with pytest.raises(ConfigError, match="window of 5 frames: nothing is left after the pooling"):
        create_model("timbre_cnn", 5, window_seconds=0.1)

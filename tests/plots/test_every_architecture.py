"""Every registered architecture has a figure of its responses. A new one is tested by being registered."""

from __future__ import annotations

import pytest
import torch

from earmark.core.vocabulary import Vocabulary
from earmark.models import create_model, list_models
from earmark.models.checkpoint import make_card
from earmark.plots.drawing import png_bytes
from earmark.plots.layer_responses import draw_layer_responses
from tests.models.test_every_architecture import SMALL_OPTIONS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", list_models())
def test_every_architecture_gives_a_figure(name: str) -> None:
    for options in SMALL_OPTIONS.get(name, [{}]):
        torch.manual_seed(0)
        model = create_model(name, 3, **options).eval()
        card = make_card(model, name=name, vocabulary=Vocabulary.of(["a", "b", "c"]))
        drawings = draw_layer_responses(model, card, most_layers=3, n_tones=16)
        assert len({drawing.name for drawing in drawings}) == len(drawings) >= 1
        for drawing in drawings:
            assert len(drawing.table)
            assert drawing.name.startswith("layer-")
    assert len(png_bytes(drawings[0].figure)) > 5000

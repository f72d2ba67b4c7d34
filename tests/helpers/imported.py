"""Weights of other projects: what is said where they are refused, and what their network answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from earmark.core.errors import ModelError
from earmark.importers.detect_format import import_weights
from earmark.models import TaggingModel


def refusal(path: Path) -> str:
    """Why a file is refused; each line names the file."""
    with pytest.raises(ModelError) as caught:
        import_weights(path)
    assert all(line.startswith(str(path)) for line in str(caught.value).splitlines())
    return str(caught.value)


def answers(model: TaggingModel) -> torch.Tensor:
    """To the same two windows of noise."""
    generator = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        return model(torch.randn(2, model.window_samples, generator=generator) * 0.1)

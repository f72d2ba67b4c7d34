"""Mean and deviation of the training data's features, for networks that standardise by those of a dataset."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from earmark import audio
from earmark.core.errors import DataError
from earmark.core.input_spec import InputSpec
from earmark.models import TaggingModel
from earmark.models.frontend import LogMel
from earmark.training.audio_store import Waveform

MOST_CLIPS = 1000
"""Statistics are of so many training clips at most, evenly spread over the split."""


def needs_statistics(options: dict[str, Any]) -> bool:
    """Whether a model's options say ``standardise: dataset``, of the front-end or of samples, and give no numbers.

    Example:
        >>> needs_statistics({"frontend": {"standardise": "dataset"}}), needs_statistics({"width": 0.5})
        (True, False)
        >>> needs_statistics({"standardise": "dataset", "mean": 0.01, "std": 0.2})
        False
    """
    return any(
        place.get("standardise") == "dataset" and not {"mean", "std"} & set(place)
        for place in (options, options.get("frontend") or {})
    )


def standardise_by(model: TaggingModel, waveforms: Sequence[Waveform], spec: InputSpec) -> tuple[float, float]:
    """Let a model standardise by the statistics of the training data; they become options of its architecture.

    Args:
        model: whose front-end, or whose own ``standardise``, is "dataset".
        waveforms: of the training clips.
        spec: how they are cut into windows.

    Returns:
        Mean and standard deviation of the log-mel values, or of the samples of a network without a front-end.

    Raises:
        DataError: all values are the same.
    """
    options = copy.deepcopy(model.architecture_options)
    frontend = model.frontend
    features: Callable[[Tensor], Tensor] = lambda windows: windows  # noqa: E731
    if frontend is not None:
        features = LogMel(dataclasses.replace(frontend.config, standardise=None, mean=0.0, std=1.0))
    mean, std = _statistics(features, waveforms, spec)
    if not std > 0:
        raise DataError("the training clips are silent: their features are all the same and cannot be standardised")
    if frontend is not None:
        frontend.config = dataclasses.replace(frontend.config, mean=mean, std=std)
        options["frontend"] = {**(options.get("frontend") or {}), "mean": mean, "std": std}
    else:
        for name, value in (("mean", mean), ("std", std)):
            setattr(model, name, value)
            options[name] = value
    model.architecture_options = options
    return mean, std


def _statistics(
    features: Callable[[Tensor], Tensor], waveforms: Sequence[Waveform], spec: InputSpec
) -> tuple[float, float]:
    """Mean and population deviation, to six digits."""
    chosen = np.unique(np.linspace(0, len(waveforms) - 1, min(MOST_CLIPS, len(waveforms))).astype(int))
    total = squares = 0.0
    n = 0
    with torch.inference_mode():
        for i in chosen:
            values = features(torch.from_numpy(audio.cut(waveforms[i].read(), spec))).double()
            total += float(values.sum())
            squares += float(values.square().sum())
            n += values.numel()
    mean = total / n
    return float(f"{mean:.6g}"), float(f"{math.sqrt(max(0.0, squares / n - mean**2)):.6g}")

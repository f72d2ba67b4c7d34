"""The bundled networks for tempo and key, in ONNX Runtime."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MODELS_FOLDER = Path(__file__).parent.parent / "bundled" / "tempo_key"
"""Each has a card beside it (.json): what it was trained on, and what it reaches."""


@cache
def _session(name: str) -> Any:
    import onnxruntime as ort  # takes 60 ms, so only when a network is needed

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # files are measured side by side
    options.log_severity_level = 3
    return ort.InferenceSession(MODELS_FOLDER / f"{name}.onnx", options, providers=["CPUExecutionProvider"])


def tempo_probabilities(tempograms: Floats) -> Floats:
    """Of each tempo, and last of no clear beat, ``(81,)``; they add up to 1.

    Args:
        tempograms: :func:`.tempogram.tempograms`, ``(n_segments, 12, 161)``.
    """
    return _probabilities("tempo", "tempograms", tempograms)


def key_probabilities(pitches: Floats) -> Floats:
    """Of the major keys from C, then of the minor keys, ``(24,)``; they add up to 1.

    Args:
        pitches: :func:`.pitch_features.tuned_pitches`, ``(n_steps, 66)``.
    """
    return _probabilities("key", "pitches", pitches)


def _probabilities(name: str, input_name: str, features: Floats) -> Floats:
    found: Floats = _session(name).run(["probabilities"], {input_name: features[None].astype(np.float32, copy=False)})[
        0
    ][0]
    return found

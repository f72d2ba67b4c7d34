"""A published file of weights as a checkpoint and as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from earmark.core.atomic_files import refuse_existing
from earmark.core.card import ModelCard
from earmark.export import ExportReport, check_signals, export_onnx
from earmark.importers.detect_format import import_weights
from earmark.models.checkpoint import CARD_NAME, WEIGHTS_NAME, save_checkpoint

DITHER = 2.0**-15
"""Noise on the made-up sounds that both runtimes must agree on, one step of 16 bits as on a recording. Without it most
bands of a pure tone hold nothing but float32's rounding, and spectrograms in dB show that as large differences."""


def convert_weights(file: str | Path, out: str | Path, *, force: bool = False) -> tuple[ModelCard, ExportReport]:
    """Import a published file and write ``model.safetensors``, ``card.json``, ``NAME.onnx`` and ``NAME.json``.

    Args:
        file: see :func:`earmark.importers.detect_format.import_weights`.
        out: folder; created if missing.
        force: replace files of these names that are there.

    Returns:
        The checkpoint's card, whose name is NAME, and what the export did.

    Raises:
        ConfigError: the folder has one of these files, and ``force`` is not given.
        ModelError: the file is refused, or ONNX Runtime's answers differ from PyTorch's; nothing is written then.
        OSError: the folder cannot be written.
    """
    model, card = import_weights(file)
    folder = Path(out)
    onnx = folder / f"{card.name}.onnx"
    refuse_existing([folder / WEIGHTS_NAME, folder / CARD_NAME, onnx, onnx.with_suffix(".json")], force=force)
    windows = check_signals(card.input)
    windows += DITHER * np.random.default_rng(0).standard_normal(windows.shape, dtype=np.float32)
    report = export_onnx(model, card, onnx, windows)
    return save_checkpoint(folder, model, card), report

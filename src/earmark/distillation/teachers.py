"""The published networks that label music, on ONNX Runtime with one thread each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.core.errors import ModelError
from earmark.core.published_weights import find_published
from earmark.tagging.runtime import OnnxModel, user_models_folder

Floats = npt.NDArray[np.float32]

TEACHERS = (
    "fcn-mtat",
    "fcn-msd",
    "fcn-jamendo",
    "crnn-msd",
    "crnn-jamendo",
    "vgg-mtt",
    "vgg-msd",
    "musicnn-mtt",
    "musicnn-msd",
    "musicnn-mtat-pytorch",
    "musicnn-jamendo-pytorch",
)
"""All published networks, the cheapest first: FCN, then CRNN (1.5 times its cost), VGG (3), musicnn (6)."""

FAST_TEACHERS = TEACHERS[:7]
"""Those that label the large set: all but musicnn, which costs most. How well they agree with all eleven on held-out music,
and that they are as good on Emotify's genres, is told by `earmark distill teachers`."""

_BATCH_WINDOWS = 2
"""Larger batches are no faster, and eleven networks keep the memory of their largest one."""

VOCABULARY_OF = {name: find_published(name).vocabulary for name in TEACHERS}
"""Which tags a teacher answers with: mtat-50, msd-50 or mtg-jamendo-50."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """One network and how it hears an example.

    Attributes:
        name: one of :data:`TEACHERS`.
        model: the network.
        starts: first sample of each of its windows; a negative one begins on the mirror image in front.
        sha256: of the ONNX file.
    """

    name: str
    model: OnnxModel
    starts: tuple[int, ...]
    sha256: str

    def listen(self, samples: Floats) -> Floats:
        """Probabilities (n_windows, 50) of an example, (n_samples,) float32 at 16 kHz.

        A network of 3 s hears windows side by side, the last one moved back to end with the example; one of 29 s
        hears a single window from the start on.
        """
        spec = self.model.card.input
        if len(self.starts) == 1:
            return self.model(samples[None, : spec.window_samples])
        windows = audio.cut(samples, spec)
        batches = range(0, len(windows), _BATCH_WINDOWS)
        return np.concatenate([self.model(windows[start : start + _BATCH_WINDOWS]) for start in batches])


def load_teacher(path: Path, n_samples: int) -> Teacher:
    """A teacher from its ONNX file, for examples of ``n_samples`` samples.

    Raises:
        ModelError: not a model, or one whose windows are longer than an example.
    """
    model = OnnxModel(path)
    spec = model.card.input
    if spec.window_samples > n_samples:
        raise ModelError(f"{path}: its windows of {spec.window_samples} samples are longer than examples ({n_samples})")
    starts = audio.window_starts(n_samples, spec)
    if n_samples < 2 * spec.window_samples:
        starts = starts[:1]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Teacher(model.card.name, model, tuple(starts.tolist()), sha256)


def prepare_teacher(name: str, folder: Path, weights: Path | None) -> Path:
    """The ONNX file of a teacher: made before, made now from its published weights, or fetched before.

    Args:
        name: one of :data:`TEACHERS`.
        folder: where the files are kept, a folder for each.
        weights: folder with the published files, named as :mod:`earmark.core.published_weights` names them.

    Raises:
        ModelError: none of these is there.
    """
    path = folder / name / f"{name}.onnx"
    if path.is_file():
        return path
    if weights is not None and (source := weights / find_published(name).file_name).is_file():
        from earmark.importers.convert import convert_weights  # PyTorch: only where something is to be converted

        convert_weights(source, path.parent)
        return path
    fetched = user_models_folder() / f"{name}.onnx"
    if fetched.is_file():
        return fetched
    where = f"no {find_published(name).file_name} in {weights}" if weights is not None else "no folder of weights given"
    raise ModelError(f"teacher {name}: {where}; fetch it with: earmark models pull {name}")

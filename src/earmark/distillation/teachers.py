"""The networks that label music, on ONNX Runtime with one thread each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.core.errors import ConfigError, ModelError
from earmark.core.published_weights import find_published, published_names
from earmark.core.tag_lists import load_vocabulary
from earmark.datasets.labelled_set.shards import RATE_HZ
from earmark.tagging.runtime import OnnxModel, user_models_folder

Floats = npt.NDArray[np.float32]

_SHORT_SECONDS = 3.1
"""Longest of the short windows of the published networks for music."""
_IMAGE_GAIN = np.float32(0.3)
_BATCH_WINDOWS = 2
"""Larger batches are no faster, and each network keeps the memory of its largest one."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """One network and how it cuts an example.

    Attributes:
        name: of a published network, or the one on the card of an ONNX file.
        model: the network.
        starts: first sample of each of its windows, at the network's rate; a negative one begins on the mirror image in
            front.
        sha256: of the ONNX file.
    """

    name: str
    model: OnnxModel
    starts: tuple[int, ...]
    sha256: str

    @property
    def vocabulary(self) -> str:
        """Name of its tag list, e.g. "mtat-50"; that of the network itself where it is not a published one."""
        return find_published(self.name).vocabulary if is_published(self.name) else self.name

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of its outputs, in order, as its vocabulary has them."""
        return load_vocabulary(self.vocabulary).names if is_published(self.name) else self.model.card.vocabulary.names

    def to_document(self) -> dict[str, Any]:
        """Its entry in set.json, with samples counted as in examples, at 16 kHz."""
        spec = self.model.card.input
        document: dict[str, Any] = {
            "name": self.name,
            "vocabulary": self.vocabulary,
            "starts": [round(start * RATE_HZ / spec.sample_rate_hz) for start in self.starts],
            "sha256": self.sha256,
        }
        # Without it windows are about 3 s, or a single one.
        if not is_published(self.name) or (len(self.starts) > 1 and spec.window_seconds > _SHORT_SECONDS):
            document["window_samples"] = round(spec.window_samples * RATE_HZ / spec.sample_rate_hz)
        return document

    def predict(self, samples: Floats) -> Floats:
        """Probabilities (n_windows, n_tags) of an example, (n_samples,) float32 at 16 kHz.

        A network with short windows takes them side by side, the last one moved back to end with the example; one with
        windows of nearly the whole example takes a single one from the start on. One of another rate gets the example
        resampled, see :func:`resample_example`.
        """
        spec = self.model.card.input
        samples = resample_example(samples, spec.sample_rate_hz)
        if len(self.starts) == 1:
            return self.model(samples[None, : spec.window_samples])
        windows = audio.cut(samples, spec)
        batches = range(0, len(windows), _BATCH_WINDOWS)
        return np.concatenate([self.model(windows[start : start + _BATCH_WINDOWS]) for start in batches])


def resample_example(samples: Floats, rate_hz: int) -> Floats:
    """An example (n_samples,) at 16 kHz as a teacher of another rate gets it.

    At 32 kHz the empty band above 8 kHz is filled with the mirror image of the band below, as linear interpolation leaves
    it (spectral folding), 10 dB lower. To networks that learned from full-band audio nothing at all above 8 kHz is
    unusual: mn04's answers on 164 tracks had a mean ROC-AUC of .819 over 24 instruments at 32 kHz, of .801 after plain
    resampling from 16 kHz, and of .818 with the image.
    """
    out = audio.resample(samples, RATE_HZ, rate_hz)
    if rate_hz == 2 * RATE_HZ:
        stuffed = np.zeros_like(out)  # zeros between the samples: the band and its image
        stuffed[::2] = samples
        out += _IMAGE_GAIN * np.convolve(stuffed - out / 2, np.array([0.5, 1.0, 0.5], np.float32), mode="same")
    return out


def is_published(name: str) -> bool:
    """Is this one of the networks that `earmark models pull` knows?"""
    return name in published_names()


def load_teacher(path: Path, n_samples: int) -> Teacher:
    """A teacher from its ONNX file, for examples of ``n_samples`` samples at 16 kHz.

    Raises:
        ModelError: not a model, or one whose windows are longer than an example.
    """
    model = OnnxModel(path)
    spec = model.card.input
    n_samples = round(n_samples * spec.sample_rate_hz / RATE_HZ)
    if spec.window_samples > n_samples:
        raise ModelError(f"{path}: its windows of {spec.window_samples} samples are longer than examples ({n_samples})")
    starts = audio.window_starts(n_samples, spec)
    if n_samples < 2 * spec.window_samples:
        starts = starts[:1]
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Teacher(model.card.name, model, tuple(starts.tolist()), sha256)


def prepare_teacher(name: str, folder: Path, weights: Path | None) -> Path:
    """The ONNX file of a published teacher: converted before, converted now, or downloaded before.

    Args:
        name: of a published network.
        folder: where converted files are kept, a folder for each.
        weights: folder with the published files, named as :mod:`earmark.core.published_weights` names them.

    Raises:
        ModelError: none of these exists.
    """
    path = folder / name / f"{name}.onnx"
    if path.is_file():
        return path
    if weights is not None and (source := weights / find_published(name).file_name).is_file():
        from earmark.importers.convert import convert_weights  # PyTorch: only where something is to be converted

        convert_weights(source, path.parent, force=True)  # a conversion that was stopped
        return path
    fetched = user_models_folder() / f"{name}.onnx"
    if fetched.is_file():
        return fetched
    where = f"no {find_published(name).file_name} in {weights}" if weights is not None else "no folder of weights given"
    raise ModelError(f"teacher {name}: {where}; fetch it with: earmark models pull {name}")


def vocabularies_of(teachers: Sequence[Teacher]) -> dict[str, tuple[str, ...]]:
    """Vocabulary -> its tags, of all teachers."""
    found: dict[str, tuple[str, ...]] = {}
    for teacher in teachers:
        found[teacher.vocabulary] = teacher.tags
    return found


def check_names(teachers: Sequence[Teacher]) -> None:
    """Raises ConfigError where two teachers have one name."""
    names = [teacher.name for teacher in teachers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"teachers: {', '.join(twice)} is there more than once; give each model file a name of its own"
        )

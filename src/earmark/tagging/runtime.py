"""Models in ONNX Runtime: load one with its card, and find one by name."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from earmark.core.card import CARD_KEY, ModelCard
from earmark.core.errors import ConfigError, ModelError
from earmark.core.hints import did_you_mean
from earmark.tagging.devices import CPU, first_line, open_session

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

DEFAULT_MODEL = "earmark-2"
"""The bundled model that tags when none is named."""

MODELS_VARIABLE = "EARMARK_MODELS"
"""Environment variable with the folder in which the user's own models are kept."""


class WindowModel(Protocol):
    """A model that a Tagger can use, e.g. :class:`OnnxModel`. Called from several threads."""

    @property
    def card(self) -> ModelCard:
        """Card of the model."""

    def __call__(self, batch: Floats) -> Floats:
        """Windows ``(n, window_samples)`` -> scores ``(n, n_tags)``, 0..1."""


@runtime_checkable
class EmbeddingModel(WindowModel, Protocol):
    """A model that may give embeddings, too; ``embedding_dims`` is None where it gives none."""

    @property
    def embedding_dims(self) -> int | None:
        """Length of the embeddings."""

    def with_embedding(self, batch: Floats) -> tuple[Floats, Floats]:
        """Windows ``(n, window_samples)`` -> scores ``(n, n_tags)``, and embeddings ``(n, embedding_dims)``."""


class LayerModel(Protocol):
    """A model that gives the values of one of its layers. Called from several threads."""

    @property
    def card(self) -> ModelCard:
        """Card of the model."""

    @property
    def layer(self) -> str:
        """Name of the layer."""

    def layer_values(self, batch: Floats) -> Floats:
        """Windows ``(n, window_samples)`` -> the layer's values ``(n, ...)``."""


INPUT_NAME, OUTPUT_NAME, EMBEDDING_NAME = "waveform", "probabilities", "embedding"
"""Of ONNX files that earmark makes."""
"""The input of a network's last layer, averaged over time and frequency where it has these."""


class OnnxModel:
    """An exported model: waveform windows in, probabilities out. Safe to call from several threads.

    Pickling keeps only where the model is (the name of a bundled model, else the path) and its device, and unpickling loads
    it again.

    Args:
        path: an ONNX file written by :func:`earmark.export.export_onnx`, with the card in its metadata.
        layer: a value of the graph that :meth:`layer_values` gives, one of
            :func:`earmark.tagging.onnx_layers.layer_operators`; None for its embedding.
        device: "cpu", or a GPU by "cuda", "directml" or "coreml", where the ONNX Runtime that is installed has it. On a GPU
            one run is made at a time.

    Attributes:
        card: the model's card.
        layer: as given, or "embedding".
        device: as given.
        embedding_dims: length of its embeddings; None for a model without embeddings.

    Raises:
        ModelError: no such file, not ONNX, no card in it, or no such layer.
        ConfigError: an unknown device, or one that cannot be used.
    """

    def __init__(self, path: str | Path, *, layer: str | None = None, device: str = CPU) -> None:
        import onnxruntime as ort  # takes 60 ms, so only when a model is loaded

        self.path, self.layer, self.device = Path(path), layer or EMBEDDING_NAME, device
        if not self.path.is_file():
            raise ModelError(f"{path}: no such model file")
        network = str(self.path) if self.layer == EMBEDDING_NAME else self._with_layer(self.layer)
        options = ort.SessionOptions()
        # One thread per call: the Tagger makes several calls in parallel.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = open_session(network, device, options)
        except ConfigError:
            raise
        except Exception as error:
            raise ModelError(f"{path}: not a model that ONNX Runtime can load ({first_line(error)})") from error
        # DirectML allows one run at a time; CUDA allows more, which gain nothing, and takes memory for each thread.
        self._turn: AbstractContextManager[Any] = nullcontext() if device == CPU else threading.Lock()
        metadata: dict[str, Any] = self._session.get_modelmeta().custom_metadata_map
        if CARD_KEY not in metadata:
            raise ModelError(f"{path}: an ONNX file without earmark's card: make it with `earmark export`")
        self.card = ModelCard.from_json(metadata[CARD_KEY], where=str(path))
        self._check_shapes()
        outputs = {item.name: item.shape for item in self._session.get_outputs()}
        self.embedding_dims: int | None = outputs[EMBEDDING_NAME][1] if EMBEDDING_NAME in outputs else None
        logger.debug("loaded model %s from %s", self.card.name, self.path)

    def _with_layer(self, layer: str) -> bytes | str:
        """The file with one more output."""
        from earmark.tagging.onnx_layers import layer_operators, with_output

        content = self.path.read_bytes()
        known = layer_operators(content)
        if layer not in known:
            hint = did_you_mean(layer, known, "`earmark embed --layers` lists them.")
            raise ModelError(f"{self.path}: no layer {layer!r}; {hint}")
        return str(self.path) if layer == OUTPUT_NAME else with_output(content, layer)

    def _check_shapes(self) -> None:
        """Raises ModelError where the network is not that of the card: its scores would be those of other tags."""
        wanted = {INPUT_NAME: self.card.input.window_samples, OUTPUT_NAME: len(self.card.vocabulary)}
        found = {item.name: item.shape for item in (*self._session.get_inputs(), *self._session.get_outputs())}
        problems = []
        for name, size in wanted.items():
            if name not in found:
                problems.append(f"has no {name!r}")
            elif len(found[name]) != 2 or (isinstance(found[name][1], int) and found[name][1] != size):
                problems.append(f"{name!r} is of shape {found[name]}, the card says (n, {size})")
        shape = found.get(EMBEDDING_NAME, [None, 1])
        if len(shape) != 2 or not isinstance(shape[1], int):
            problems.append(f"'embedding' is of shape {shape}: must be (n, size)")
        if problems:
            raise ModelError("\n".join(f"{self.path}: {problem}" for problem in problems))

    def __reduce__(self) -> tuple[Callable[[str, str, str], OnnxModel], tuple[str, str, str]]:
        bundled = self.path.resolve().parent == _bundled_folder().resolve()
        return _reload, (self.path.stem if bundled else str(self.path.absolute()), self.layer, self.device)

    def __call__(self, batch: Floats) -> Floats:
        """Probabilities ``(n, n_tags)``, 0..1, of windows ``(n, window_samples)`` at the card's rate."""
        (out,) = self._run([OUTPUT_NAME], batch)
        return out

    def with_embedding(self, batch: Floats) -> tuple[Floats, Floats]:
        """Probabilities ``(n, n_tags)``, as of a plain call, and embeddings ``(n, embedding_dims)``, of windows.

        An embedding is the input of the network's last layer: windows that sound alike to the network have similar
        embeddings, whether or not their tags differ.

        Raises:
            ModelError: windows of another shape, or a model that gives no embeddings.
        """
        if self.embedding_dims is None:
            raise ModelError(f"model {self.card.name} gives no embeddings: export it again with `earmark export`")
        scores, embeddings = self._run([OUTPUT_NAME, EMBEDDING_NAME], batch)
        return scores, embeddings

    def layer_values(self, batch: Floats) -> Floats:
        """Values ``(n, ...)`` of the layer that was chosen, of windows ``(n, window_samples)``.

        Raises:
            ModelError: windows of another shape, or no layer was chosen and the model gives no embeddings.
        """
        if self.layer == EMBEDDING_NAME:
            return self.with_embedding(batch)[1]
        (values,) = self._run([self.layer], batch)
        return values

    def _run(self, outputs: list[str], batch: Floats) -> list[Floats]:
        expected = self.card.input.window_samples
        if batch.ndim != 2 or batch.shape[1] != expected:
            raise ModelError(f"windows of shape {batch.shape}: model {self.card.name} takes (n, {expected})")
        with self._turn:
            answers: list[Floats] = self._session.run(outputs, {INPUT_NAME: np.ascontiguousarray(batch, np.float32)})
        return answers


def device_of(model: WindowModel | LayerModel) -> str:
    """The device of an ONNX model; "cpu" for any other."""
    return model.device if isinstance(model, OnnxModel) else CPU


def _reload(name_or_path: str, layer: str = EMBEDDING_NAME, device: str = CPU) -> OnnxModel:
    return OnnxModel(find_model(name_or_path), layer=layer, device=device)


def user_models_folder() -> Path:
    """Where fetched models are kept: $EARMARK_MODELS, else "models" in the user's data folder. It need not exist."""
    chosen = os.environ.get(MODELS_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs  # the bundled model is found without

    return platformdirs.user_data_path("earmark", appauthor=False) / "models"


def model_folders() -> list[Path]:
    """Folders in which models are found by name: the bundled one first, then the user's."""
    return [_bundled_folder(), user_models_folder()]


def _bundled_folder() -> Path:
    return Path(__file__).parent / "bundled"


def list_installed() -> dict[str, Path]:
    """Name -> ONNX file of every installed model."""
    bundled, fetched = (_models_in(folder) for folder in model_folders())
    return bundled | {name: path for name, path in fetched.items() if name not in bundled}


def _models_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}


def find_model(model: str | Path | None = None) -> Path:
    """The ONNX file of a model.

    Args:
        model: a name (:func:`list_installed`), a path to an .onnx file, or None for the default.

    Raises:
        ModelError: there is no such model; similar names are listed.
    """
    wanted = DEFAULT_MODEL if model is None else str(model)
    if (bundled := _models_in(_bundled_folder()).get(wanted)) is not None:
        return bundled
    installed = list_installed()
    if wanted in installed:
        return installed[wanted]
    if wanted.endswith(".onnx") or "/" in wanted or "\\" in wanted:
        path = Path(wanted)
        if path.is_file():
            return path
        raise ModelError(f"{wanted}: no such model file")
    from earmark.core.published_weights import published_names

    if wanted in published_names():
        raise ModelError(f"model {wanted!r} is not on this machine; fetch it with: earmark models pull {wanted}")
    hint = did_you_mean(wanted, installed, f"there are: {', '.join(installed) or 'none'}.")
    raise ModelError(f"no model named {wanted!r}; {hint} A file needs its ending: ./my.onnx")


def read_card(path: Path) -> ModelCard:
    """The card of a model file: from the JSON beside it where that exists, else from its metadata."""
    beside = path.with_suffix(".json")
    return ModelCard.read(beside) if beside.is_file() else OnnxModel(path).card

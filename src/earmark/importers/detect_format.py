"""Reading a file of weights with the importer of its format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.core.card import ModelCard
from earmark.core.errors import ModelError
from earmark.importers import keras_musicnn, pytorch_state_dict, tensorflow_musicnn  # noqa: F401  register their formats
from earmark.importers.hub import is_hub_folder, read_hub_folder
from earmark.importers.registry import IMPORTERS, Importer
from earmark.models import TaggingModel

MAX_BYTES = 1 << 28
"""Largest file that is read at all: 256 MiB, eighty times the largest published one."""
MAX_SHARDS = 64
"""Most files beside the first one that are read."""


def import_weights(file: str | Path) -> tuple[TaggingModel, ModelCard]:
    """Read a published file of weights; its content counts, not its name.

    earmark itself reads the files in :func:`earmark.core.published_weights.all_published`; other formats can be registered,
    see :func:`earmark.importers.register_importer`. Layers, shapes and types are compared with the networks that the
    file can contain. Its hash says which of the published files it is, and so what its outputs mean. Files that somebody
    trained with the same layers but other tags are refused.

    Args:
        file: Keras HDF5, PyTorch state dict, frozen TensorFlow graph, model.json of a TensorFlow.js model with its weights
            beside it or the folder of such a model, a folder that `earmark export --hub` wrote, or a format of a
            registered importer.

    Returns:
        The network, on the CPU and in eval mode, and its card, ready for :func:`earmark.models.checkpoint.save_checkpoint`.

    Raises:
        ModelError: the file cannot be read, is cut short or damaged, has another format or layout (the message says
            what was expected and what was found), would run code, or is none of the published ones.
    """
    path = Path(file)
    if is_hub_folder(path):
        return read_hub_folder(path)
    if (path / "model.json").is_file():
        path = path / "model.json"
    content = _content(path)
    importer = _find_importer(content)
    if importer is None:
        *most, last = [item.title for _, item in IMPORTERS.items()]
        found = "an empty file" if not content else f"bytes that begin with {content[:8]!r}"
        raise ModelError(f"{path}: expected {', '.join(most)} or {last}, found {found}")
    model, card = importer.read(content, str(path), *_shards(path, importer.shard_names(content, str(path))))
    return model.eval(), card


def _find_importer(content: bytes) -> Importer | None:
    """The importer of a file, by its content; those from outside are asked first, the latest before the others."""
    return next((item for _, item in reversed(IMPORTERS.items()) if item.recognises(content)), None)


def _shards(path: Path, names: Sequence[str]) -> list[bytes]:
    """Contents of further files beside a file, which names them; it may name no others."""
    if len(names) > MAX_SHARDS:
        raise ModelError(f"{path}: names {len(names)} further files: no published weights have more than {MAX_SHARDS}")
    for name in names:
        if name in ("", ".", "..") or any(mark in name for mark in "/\\\0"):
            raise ModelError(f"{path}: names {name!r} as a file with weights: must be the name of a file beside it")
    return [_content(path.parent / name) for name in names]


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path}: {size} bytes: no published weights have more than {MAX_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the weights cannot be read ({error.strerror or error})") from error

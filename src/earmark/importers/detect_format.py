"""From a published file of weights to a network and its card."""

from __future__ import annotations

import hashlib
from pathlib import Path

from earmark.core.card import ModelCard
from earmark.core.errors import ModelError
from earmark.core.published_weights import PublishedWeights, published_by_hash, published_names
from earmark.core.tag_lists import load_vocabulary
from earmark.importers import keras_musicnn, pytorch_sota
from earmark.importers.layout import fresh_model
from earmark.models import TaggingModel
from earmark.models.checkpoint import load_weights, make_card

MAX_BYTES = 1 << 28
"""Largest file that is read at all: 256 MiB, eighty times the largest published one."""


def import_weights(file: str | Path) -> tuple[TaggingModel, ModelCard]:
    """Read a published file of weights; its name does not matter, its content does.

    Known are the files in :data:`earmark.core.published_weights.PUBLISHED`. Layers, shapes and types are held against the
    networks they can be of; the hash of the file says which of the published ones it is, and so whose tags its outputs
    mean. Files of one's own training have the same layers but not those tags: they are refused.

    Args:
        file: Keras HDF5 or PyTorch state dict.

    Returns:
        The network, on the CPU and in eval mode, and its card, ready for :func:`earmark.models.checkpoint.save_checkpoint`.

    Raises:
        ModelError: the file cannot be read, is cut short or damaged, is of another format or layout (told is what was
            expected and what was found), would run code, or is none of the published ones.
    """
    path = Path(file)
    content = _content(path)
    where = str(path)
    if content.startswith(keras_musicnn.SIGNATURE):
        layout, weights = keras_musicnn.read(content, where)
    elif content.startswith(pytorch_sota.SIGNATURES):
        layout, weights = pytorch_sota.read(content, where)
    else:
        found = "an empty file" if not content else f"bytes that begin with {content[:8]!r}"
        raise ModelError(f"{where}: expected Keras HDF5 or a PyTorch state dict, found {found}")
    sha256 = hashlib.sha256(content).hexdigest()
    known = published_by_hash(sha256)
    if known is None or known.architecture != layout.architecture:
        raise ModelError(
            f"{where}: has the layers of {layout.title}, but is none of the published files (SHA-256 {sha256}): it is of "
            "another training, and whose tags its outputs mean cannot be known, or it is damaged. "
            f"Published are {', '.join(published_names())}"
        )
    model = fresh_model(known.architecture, known.architecture_options)
    load_weights(model, weights, where)
    return model.eval(), _card(model, known)


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path}: {size} bytes: no published weights have more than {MAX_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the weights cannot be read ({error.strerror or error})") from error


def _card(model: TaggingModel, known: PublishedWeights) -> ModelCard:
    return make_card(
        model,
        name=known.name,
        vocabulary=load_vocabulary(known.vocabulary),
        hop_samples=known.hop_samples,
        lead_samples=known.lead_samples,
        description=known.description,
        training={
            "dataset": known.dataset,
            "protocol": known.protocol,
            "trained_by": known.project,
            "vocabulary": known.vocabulary,
            "source_file": known.file_name,
            "source_sha256": known.sha256,
            "source_addresses": list(known.addresses),
        },
        licence=known.licence,
        limits=(
            "Imported weights: earmark has not trained them and knows no thresholds for their tags.",
            f"Knows only the {model.n_tags} tags it was trained with, and those unevenly well.",
        ),
        citations=known.citations,
    )

"""Models in folders of :mod:`earmark.export.hub`, read back. :mod:`earmark.hub.download` fetches them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from earmark.core.atomic_files import write_atomic
from earmark.core.card import ModelCard
from earmark.hub.layout import CONFIG_NAME, WEIGHTS_NAME, read_hub_config
from earmark.models import TaggingModel
from earmark.models.checkpoint import CARD_NAME, load_checkpoint


def is_hub_folder(folder: Path) -> bool:
    """Whether a folder has a model in the layout of hubs."""
    return (folder / CONFIG_NAME).is_file() and (folder / WEIGHTS_NAME).is_file()


def read_hub_folder(folder: str | Path) -> tuple[TaggingModel, ModelCard]:
    """The network and the card in such a folder.

    Raises:
        ModelError: config.json is none of earmark's, or the weights are not those of its card.
    """
    folder = Path(folder)
    card = read_hub_config((folder / CONFIG_NAME).read_bytes(), str(folder / CONFIG_NAME)).card
    with tempfile.TemporaryDirectory(prefix="earmark-") as place:
        (Path(place) / WEIGHTS_NAME).symlink_to((folder / WEIGHTS_NAME).resolve())
        write_atomic(Path(place) / CARD_NAME, card.to_json().encode())
        return load_checkpoint(place)

"""Importers by name: functions that read one format of published weights each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.core.errors import ConfigError
from earmark.core.registry import Registry

if TYPE_CHECKING:
    from earmark.core.card import ModelCard
    from earmark.models import TaggingModel

    Read = Callable[..., tuple[TaggingModel, ModelCard]]

ShardNames = Callable[[bytes, str], Sequence[str]]


def no_shards(content: bytes, where: str) -> Sequence[str]:  # noqa: ARG001
    """For formats of one file."""
    return ()


@dataclass(frozen=True)
class Importer:
    """A registered importer.

    Attributes:
        title: of the format, as messages name it, e.g. "Keras HDF5".
        recognises: whether these are the bytes of such a file; called with the whole content, so it must be quick.
        read: (content, file name for messages) -> (network, card); raises ModelError for a file that it cannot use.
            The contents of its shards, if it has any, are further arguments.
        shard_names: (content, file name for messages) -> names of further files beside it that belong to it.
    """

    title: str
    recognises: Callable[[bytes], bool]
    read: Read
    shard_names: ShardNames = no_shards


IMPORTERS = Registry[Importer]("importer", "earmark.importers")


def register_importer(
    *, title: str, recognises: Callable[[bytes], bool], shard_names: ShardNames = no_shards
) -> Callable[[Read], Read]:
    """Register ``read(content: bytes, where: str) -> (TaggingModel, ModelCard)`` under its own name.

    The card is made by :func:`earmark.models.checkpoint.make_card`. docs/plugins.md has an example.

    Args:
        title, recognises, shard_names: see :class:`Importer`.

    Raises:
        ConfigError: the name is taken, or the title is empty.
    """
    if not title.strip():
        raise ConfigError("title: must name the format")

    def register(read: Read) -> Read:
        IMPORTERS.add(Importer(title, recognises, read, shard_names), name=read.__name__, source=read.__module__)
        return read

    return register

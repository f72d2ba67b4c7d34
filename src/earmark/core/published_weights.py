"""The published weights that earmark can read: which they are, where they come from, under what terms.

The table is ``data/published_weights.toml``, read when it is first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from earmark.core.errors import ModelError
from earmark.core.hints import did_you_mean
from earmark.core.tag_lists import load_vocabulary

KERAS = "Keras HDF5"


@dataclass(frozen=True)
class PublishedFile:
    """A further file of a model that is several files.

    Attributes:
        file_name: as we name it, in the same folder as the first file.
        sha256, size_bytes, addresses: see :class:`PublishedWeights`.
    """

    file_name: str
    sha256: str
    size_bytes: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class PublishedWeights:
    """One published file of weights.

    Attributes:
        name: how users name the model, e.g. ``earmark models pull NAME``.
        file_name: as we name the file; its own project may name all its files alike. May begin with a folder.
        file_format: for people, e.g. :data:`KERAS`.
        sha256: of the file, hexadecimal.
        size_bytes: of the file.
        architecture, architecture_options: what :func:`earmark.models.create_model` builds for it.
        hop_samples: distance of windows; None for windows side by side.
        lead_samples: mirrored in front of a file, see :class:`earmark.core.input_spec.InputSpec`.
        vocabulary: one of :data:`earmark.core.tag_lists.VOCABULARIES`.
        dataset, protocol: on what it was trained.
        project: the repository the file is from.
        addresses: public addresses of the file, the first to be tried first.
        licence: of the project the file is from.
        citations: papers and data to cite.
        description: one sentence for people.
        shards: further files of the model, in the order in which the first one names them.
        equal_files: the same weights in other formats, which `earmark import-weights` takes, too: the SHA-256 of a file and
            of its shards.
        outputs: which of the file's outputs are kept, in the order of the vocabulary; empty for all.
        limits: sentences for the card, beside those of all imported weights.
    """

    name: str
    file_name: str
    file_format: str
    sha256: str
    size_bytes: int
    architecture: str
    vocabulary: str
    dataset: str
    protocol: str
    project: str
    addresses: tuple[str, ...]
    licence: str
    citations: tuple[str, ...]
    description: str
    architecture_options: dict[str, Any] = field(default_factory=dict)
    hop_samples: int | None = None
    lead_samples: int = 0
    shards: tuple[PublishedFile, ...] = ()
    equal_files: tuple[tuple[str, ...], ...] = ()
    outputs: tuple[int, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def n_tags(self) -> int:
        """Number of tags of the model."""
        return len(load_vocabulary(self.vocabulary))

    @property
    def total_bytes(self) -> int:
        """Size of the file and its shards."""
        return self.size_bytes + sum(shard.size_bytes for shard in self.shards)


@cache
def all_published() -> tuple[PublishedWeights, ...]:
    """All published weights, in the order in which they are listed."""
    import tomllib

    table = tomllib.loads((Path(__file__).parent / "data" / "published_weights.toml").read_text(encoding="utf-8"))
    return tuple(
        _weights(project | weights, table["citations"])
        for project in table["projects"]
        for weights in project.pop("weights")
    )


def _weights(values: dict[str, Any], citations: dict[str, str]) -> PublishedWeights:
    fields: dict[str, Any] = {key: tuple(x) if isinstance(x, list) else x for key, x in values.items()}
    fields["citations"] = tuple(citations[key] for key in values["citations"])
    fields["equal_files"] = tuple(tuple(hashes) for hashes in values.get("equal_files", ()))
    fields["shards"] = tuple(
        PublishedFile(**shard | {"addresses": tuple(shard["addresses"])}) for shard in values.get("shards", ())
    )
    return PublishedWeights(**fields)


def published_names() -> list[str]:
    """Names of all published weights."""
    return [weights.name for weights in all_published()]


def find_published(name: str) -> PublishedWeights:
    """Published weights by name. Raises ModelError, with near names, where there are none.

    Example:
        >>> find_published("fcn-mtat").file_name
        'mtat_fcn.pth'
    """
    for weights in all_published():
        if weights.name == name:
            return weights
    names = published_names()
    hint = f"{did_you_mean(name, names, n=1)} there are {', '.join(names)}".lstrip()
    raise ModelError(f"no published weights {name!r}; {hint}")


def published_by_hash(sha256: str, *shards: str) -> PublishedWeights | None:
    """Published weights by the SHA-256 of their file and of its shards, in any of their formats, or None."""
    wanted = (sha256, *shards)
    for weights in all_published():
        if wanted == (weights.sha256, *(shard.sha256 for shard in weights.shards)) or wanted in weights.equal_files:
            return weights
    return None

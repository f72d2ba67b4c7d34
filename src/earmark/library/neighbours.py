"""Nearest neighbours of tracks by embeddings, or by scores where the model has no embeddings.

Similarity is the cosine of the angle between two vectors. In small libraries all vectors are compared, which is exact.
Large ones get a graph of neighbours (HNSW, by the library USearch, ``earmark[library]``) in a file beside the index, which
is memory-mapped, and rebuilt when the index has changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from earmark.core.array_files import ARRAY_FILE_ERRORS
from earmark.core.errors import ConfigError, DataError, MissingExtraError
from earmark.library.index.rows import ModelRow
from earmark.library.index.track_index import Index, vectors_of

logger = logging.getLogger(__name__)

Kind = Literal["embedding", "scores"]
Floats = npt.NDArray[np.float32]

EXACT_UP_TO = 50_000
"""Up to this many tracks all vectors are compared: tens of milliseconds at most, and no file."""

_CONNECTIVITY = 16
_EXPANSION_ADD = 64
_EXPANSION_SEARCH = 128  # recall of the nearest ten: docs/results/search.md
_FORMAT = 1


@dataclass(frozen=True)
class Neighbour:
    """An audio content and its similarity, -1..1, 1 for the same direction."""

    content_key: str
    similarity: float


class _Searcher(Protocol):
    def nearest(self, vector: Floats, n: int) -> Iterator[tuple[int, float]]:
        """Rows and similarities of the n nearest, nearest first."""


class Neighbours:
    """The vectors of a library, ready to be searched. :meth:`open` makes one.

    Attributes:
        model: the model that the vectors are from.
        kind: "embedding", or "scores" where the model gives no embeddings.
        keys: content key of every vector.
        exact: whether every vector is compared.
    """

    def __init__(self, model: ModelRow, kind: Kind, keys: npt.NDArray[np.bytes_], searcher: _Searcher, exact: bool):
        self.model, self.kind, self.keys, self.exact = model, kind, keys, exact
        self._searcher = searcher

    @classmethod
    def open(
        cls,
        index: Index,
        *,
        exact: bool | None = None,
        on_build: Callable[[int], None] | None = None,
    ) -> Neighbours:
        """Load the vectors of an index, or the graph of them.

        Args:
            index: an open index.
            exact: compare every vector; None for up to EXACT_UP_TO of them, and where USearch is not installed.
            on_build: called with the number of vectors before a graph is built, which takes a while.

        Raises:
            DataError: nothing was tagged yet, or the index cannot be read.
            MissingExtraError: ``exact`` is False, and USearch is not installed.
        """
        model = index.current_model()
        kind: Kind = "embedding" if model.embedding_dims else "scores"
        n, newest = _state(index, model, kind)
        if not n:
            raise DataError(f"{index.path}: no tracks are tagged yet; do it with: earmark library scan FOLDER")
        if exact is None:
            exact = n <= EXACT_UP_TO or not usearch_is_installed()
        if not exact and not usearch_is_installed():
            raise MissingExtraError("a graph of neighbours", "library")
        if exact:
            keys, vectors = load_vectors(index, model, kind)
            return cls(model, kind, keys, _Exact(vectors), True)
        fingerprint = _fingerprint(model, kind, n, newest)
        graph = _Graph.find(index.path, fingerprint)
        if graph is None:
            if on_build is not None:
                on_build(n)
            graph = _Graph.build(index.path, fingerprint, *load_vectors(index, model, kind))
        return cls(model, kind, graph.keys, graph, False)

    def __len__(self) -> int:
        return len(self.keys)

    def nearest(self, vector: npt.ArrayLike, n: int = 10) -> list[Neighbour]:
        """The n nearest to a vector ``(n_dims,)``, nearest first.

        Raises:
            ConfigError: n below 1, or a vector of another length.
        """
        if n < 1:
            raise ConfigError(f"n {n}: must be at least 1")
        wanted = np.asarray(vector, np.float32)
        dims = len(self.model.vocabulary) if self.kind == "scores" else self.model.embedding_dims
        if wanted.shape != (dims,):
            raise ConfigError(f"a vector of shape {wanted.shape}: model {self.model.name} has ({dims},)")
        found = self._searcher.nearest(unit_vectors(wanted[None])[0], min(n, len(self)))
        return [Neighbour(self.keys[row].decode(), similarity) for row, similarity in found]


def read_vector(index: Index, content_key: str) -> Floats | None:
    """The vector of an audio content, or None where it has none of the current model."""
    model = index.current_model()
    column = "embedding" if model.embedding_dims else "scores"
    row = index.execute(
        f"SELECT {column} FROM results WHERE content_key = ? AND model_id = ?", (content_key, model.model_id)
    ).fetchone()
    return None if row is None or row[0] is None else vectors_of(row, 1)[0].copy()


def usearch_is_installed() -> bool:
    """Whether large libraries can have a graph of neighbours."""
    import importlib.util

    return importlib.util.find_spec("usearch") is not None


class _Exact:
    """All vectors compared."""

    def __init__(self, vectors: Floats) -> None:
        self.vectors = unit_vectors(vectors)

    def nearest(self, vector: Floats, n: int) -> Iterator[tuple[int, float]]:
        similarity = self.vectors @ vector
        rows = np.argpartition(-similarity, n - 1)[:n]
        for row in rows[np.argsort(-similarity[rows], kind="stable")]:
            yield int(row), float(similarity[row])


class _Graph:
    """USearch's graph in a file, mapped into memory."""

    def __init__(self, graph: Any, keys: npt.NDArray[np.bytes_]) -> None:
        self.graph, self.keys = graph, keys

    def nearest(self, vector: Floats, n: int) -> Iterator[tuple[int, float]]:
        found = self.graph.search(vector, n)
        for row, distance in zip(found.keys, found.distances, strict=True):
            yield int(row), 1.0 - float(distance)

    @classmethod
    def find(cls, index_path: Path, fingerprint: str) -> _Graph | None:
        """The graph of this state of the index, or None."""
        from usearch.index import Index as UsearchIndex

        graph_path, keys_path = _files(index_path, fingerprint)
        try:
            keys = np.load(keys_path, mmap_mode="r", allow_pickle=False)
            graph = UsearchIndex.restore(graph_path, view=True, expansion_search=_EXPANSION_SEARCH)
        except (*ARRAY_FILE_ERRORS, RuntimeError):  # none, or damaged
            return None
        return cls(graph, keys) if graph is not None and len(graph) == len(keys) else None

    @classmethod
    def build(cls, index_path: Path, fingerprint: str, keys: npt.NDArray[np.bytes_], vectors: Floats) -> _Graph:
        """Build the graph and its file; older files are removed. Where it cannot be saved, it is used from memory."""
        from usearch.index import Index as UsearchIndex

        graph = UsearchIndex(
            ndim=vectors.shape[1],
            metric="cos",
            dtype="f16",
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION_ADD,
            expansion_search=_EXPANSION_SEARCH,
        )
        graph.add(np.arange(len(keys), dtype=np.uint64), unit_vectors(vectors))
        graph_path, keys_path = _files(index_path, fingerprint)
        beside = [path.with_name(f".{path.name}.{os.getpid()}.part") for path in (graph_path, keys_path)]
        try:
            graph_path.parent.mkdir(exist_ok=True)
            with beside[1].open("wb") as file:
                np.save(file, keys, allow_pickle=False)
            graph.save(beside[0])
            beside[1].replace(keys_path)
            beside[0].replace(graph_path)
            for old in graph_path.parent.iterdir():
                if old.suffix in (".usearch", ".npy") and not old.name.startswith((fingerprint, ".")):
                    old.unlink(missing_ok=True)
        except (OSError, RuntimeError) as error:
            logger.warning(
                "the graph of neighbours cannot be saved beside the index (%s): it will be built again", error
            )
            return cls(graph, keys)
        finally:
            for path in beside:
                path.unlink(missing_ok=True)
        return cls.find(index_path, fingerprint) or cls(graph, keys)


def _files(index_path: Path, fingerprint: str) -> tuple[Path, Path]:
    folder = index_path.with_name(f"{index_path.name}.neighbours")
    return folder / f"{fingerprint}.usearch", folder / f"{fingerprint}.npy"


def _state(index: Index, model: ModelRow, kind: Kind) -> tuple[int, float]:
    """Number of vectors in the index, and when the newest was made: another state gives another graph."""
    wanted = "embedding IS NOT NULL" if kind == "embedding" else "scores IS NOT NULL"
    n, newest = index.execute(
        f"SELECT count(*), coalesce(max(tagged_at), 0) FROM results WHERE model_id = ? AND {wanted}", (model.model_id,)
    ).fetchone()
    return int(n), float(newest)


def _fingerprint(model: ModelRow, kind: Kind, n: int, newest: float) -> str:
    text = json.dumps([_FORMAT, model.weights_sha256, kind, n, newest])
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def load_vectors(index: Index, model: ModelRow, kind: Kind) -> tuple[npt.NDArray[np.bytes_], Floats]:
    """Content keys ``(n,)`` and vectors ``(n, n_dims)`` of all audio with results of the current model."""
    column = "embedding" if kind == "embedding" else "scores"
    keys, blobs = [], []
    for key, blob in index.rows(
        f"SELECT content_key, {column} FROM results WHERE model_id = ? AND {column} IS NOT NULL ORDER BY content_key",
        (model.model_id,),
    ):
        keys.append(key.encode())
        blobs.append(blob)
    return np.array(keys, np.bytes_), vectors_of(blobs, len(keys))


def unit_vectors(vectors: Floats) -> Floats:
    """Vectors ``(n, n_dims)`` scaled to length one; zeros stay zeros."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    scaled: Floats = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return scaled

"""Indexes made of rows, without any audio: for tests and benchmarks of searching."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from earmark.core.card import ModelCard
from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.library.index.track_index import Index, to_blob

TAGS = Vocabulary(
    (
        Tag("slow", category="tempo"),
        Tag("fast", category="tempo"),
        Tag("guitar", category="instrument"),
        Tag("piano", category="instrument"),
        Tag("female vocals", category="voice"),
        Tag("vocals", category="voice"),
        Tag("jazz", category="genre"),
        Tag("rock", category="genre"),
        Tag("drum and bass", category="genre"),
        Tag("happy", category="mood"),
    )
)
THRESHOLDS = {name: 0.5 for name in TAGS.names if name not in ("happy", "piano")}


@dataclass(frozen=True)
class Row:
    """A file of a made library. Tags that are not named have a score of 0.1."""

    path: str | bytes
    scores: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = 180.0
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genre: str | None = None
    status: str = "ok"
    error: str | None = None
    key: str | None = None
    embedding: tuple[float, ...] | None = None
    tagged: bool = True
    bpm: float | None = None
    musical_key: str | None = None
    measured: bool = False
    """Tempo and key were estimated, though they may not be clear."""


def card(vocabulary: Vocabulary = TAGS, **changes: object) -> ModelCard:
    """A card with a name and a vocabulary."""
    thresholds = {name: value for name, value in THRESHOLDS.items() if name in vocabulary.names}
    spec = InputSpec(16_000, 16_000, 16_000)
    return ModelCard("made", "none", spec, vocabulary, thresholds=thresholds).replace(**changes)


def make_index(
    path: Path,
    rows: Iterable[Row],
    *,
    model: ModelCard | None = None,
    sha256: str = "made",
    embedding_dims: int | None = None,
    tagged_at: float = 1.0,
) -> Path:
    """Write (or add to) an index at ``path``."""
    model = model or card()
    with Index.open(path, write=True) as index:
        number = index.use_model(model, sha256, embedding_dims).model_id
        with index.transaction():
            for row in rows:
                name = os.fsencode(row.path)
                key = None if row.status == "error" else row.key or f"key of {os.fsdecode(name)!a}"
                index.execute(
                    "INSERT OR REPLACE INTO files (path, size, mtime_ns, inode, content_key, status, error, first_seen, "
                    "last_seen, title, artist, album, genre) VALUES (?, 1, 1, 1, ?, ?, ?, 1, 1, ?, ?, ?, ?)",
                    (name, key, row.status, row.error, row.title, row.artist, row.album, row.genre),
                )
                if key is None or not row.tagged:
                    continue
                scores = [row.scores.get(tag, 0.1) for tag in model.vocabulary.names]
                vector = None if row.embedding is None else to_blob(row.embedding)
                index.execute("INSERT OR REPLACE INTO audio VALUES (?, ?)", (key, row.seconds))
                index.execute(
                    "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, '[]', ?)",
                    (key, number, to_blob(scores), vector, tagged_at),
                )
                if row.measured or row.bpm or row.musical_key:
                    index.execute("INSERT OR REPLACE INTO tempos VALUES (?, ?, ?)", (key, row.bpm, 0.9))
                    index.execute("INSERT OR REPLACE INTO keys VALUES (?, ?, 0.8, 440.5)", (key, row.musical_key))
    return path


def make_large_index(
    path: Path, n_tracks: int, *, embedding_dims: int = 200, n_clusters: int = 1000, seed: int = 0
) -> Path:
    """An index of many tracks with made-up scores and embeddings that lie in clusters, as music's do."""
    draw = np.random.default_rng(seed)
    vocabulary = Vocabulary(TAGS.tags + tuple(Tag(f"made tag {i}", category="other") for i in range(50 - len(TAGS))))
    scores = draw.beta(0.4, 2.0, (n_tracks, len(vocabulary))).astype("<f4")
    centres = draw.normal(size=(n_clusters, embedding_dims)).astype("<f4")
    embeddings = centres[draw.integers(n_clusters, size=n_tracks)]
    embeddings += draw.normal(scale=0.7, size=embeddings.shape).astype("<f4")
    seconds = draw.uniform(60, 600, n_tracks)
    words = ("Blue", "River", "Night", "Stone", "Ægir", "Love", "Road", "Sun", "Dust", "Wolf")
    with Index.open(path, write=True) as index:
        number = index.use_model(card(vocabulary), "large", embedding_dims).model_id
        with index.transaction():
            index.executemany(
                "INSERT INTO files (path, size, mtime_ns, inode, content_key, status, first_seen, last_seen, title, "
                "artist, album, genre) VALUES (?, 1, 1, 1, ?, 'ok', 1, 1, ?, ?, ?, NULL)",
                (
                    (
                        f"/music/{words[i % 7]}/{words[i % 9]} {i // 12}/{i:06d}.mp3".encode(),
                        f"{i:064x}",
                        f"{words[i % 10]} {words[i // 10 % 10]} {i}",
                        f"The {words[i % 7]}s",
                        f"{words[i % 9]} {i // 12}",
                    )
                    for i in range(n_tracks)
                ),
            )
            index.executemany("INSERT INTO audio VALUES (?, ?)", ((f"{i:064x}", seconds[i]) for i in range(n_tracks)))
            index.executemany(
                "INSERT INTO results VALUES (?, ?, ?, ?, '[]', 1)",
                ((f"{i:064x}", number, scores[i].tobytes(), embeddings[i].tobytes()) for i in range(n_tracks)),
            )
    return path

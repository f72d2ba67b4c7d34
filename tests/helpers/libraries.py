"""Small libraries of music, and the contents of an index."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from earmark.library.index.track_index import Index
from earmark.library.scan.lazy_tagger import LazyTagger
from earmark.library.scan.scan import scan
from earmark.library.scan.summary import ScanSummary
from tests.helpers import sounds

RATE_HZ = 16_000


def clip(path: Path, seed: int, seconds: float = 1.0) -> Path:
    """A WAV of made music; one seed, one sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return sounds.write_int_wav(path, sounds.music(seconds, RATE_HZ, seed=seed)[0], RATE_HZ)


def clips(folder: Path, n: int) -> list[Path]:
    """``0.wav``, ``1.wav`` and so on, all different."""
    return [clip(folder / f"{i}.wav", seed=i) for i in range(n)]


def scanned(index: Path, *roots: Path, **options: Any) -> ScanSummary:
    """Scan as the command does, with the bundled model unless another tagger is given."""
    tagger = options.pop("tagger", None) or LazyTagger()
    with Index.open(index, write=True) as opened:
        return scan(opened, roots, tagger, **options)


def happened(summary: ScanSummary) -> dict[str, int]:
    """The counts of a scan without zeros."""
    counts = {**summary.outcomes, "deleted": summary.deleted, "pruned": summary.pruned, "tagged": summary.tagged}
    return {str(name): n for name, n in counts.items() if n}


def content(index: Path) -> dict[bytes, tuple[Any, ...]]:
    """Everything an index holds that does not depend on when it was scanned: path -> row with its scores."""
    statement = (
        "SELECT f.path, f.size, f.mtime_ns, f.content_key, f.status, f.error, f.title, f.artist, f.album, f.genre, "
        "a.duration_seconds, r.scores, r.embedding, r.warnings FROM files f LEFT JOIN audio a USING (content_key) "
        "LEFT JOIN results r USING (content_key)"
    )
    with Index.open(index) as opened:
        rows = list(opened.rows(statement))
    found = {path: tuple(row) for path, *row in rows}
    assert len(found) == len(rows), "a file has several rows"
    return found


def assert_same_content(one: Path, other: Path) -> None:
    """Two indexes hold the same; scores and embeddings but for the rounding of other batches."""
    a, b = content(one), content(other)
    assert a.keys() == b.keys()
    for path in a:
        assert [*a[path][:10], a[path][12]] == [*b[path][:10], b[path][12]], path
        for mine, theirs in zip(a[path][10:12], b[path][10:12], strict=True):
            assert (mine is None) == (theirs is None), path
            if mine is not None:
                np.testing.assert_allclose(np.frombuffer(mine, "<f4"), np.frombuffer(theirs, "<f4"), atol=1e-4)


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Root may read and write everything: be another user for a moment, with access to the folder."""
    as_root = os.geteuid() == 0
    if as_root:
        for parent in folder.parents[:-2]:
            parent.chmod(parent.stat().st_mode | 0o055)
        os.seteuid(65_534)
    try:
        yield
    finally:
        if as_root:
            os.seteuid(0)

"""Tables of embeddings: both formats say the same, a run that was stopped continues, and nothing is half written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import AudioError, ConfigError, DataError
from earmark.tagging.embedder import Embedding
from earmark.tagging.embedding_table import read_embeddings
from earmark.tagging.embedding_writer import EmbeddingWriter

ABOUT = {"model": "m", "n_dims": 3}
PATHS = [Path("a.mp3"), Path(os.fsdecode(b"b\xff.mp3")), Path("c é.mp3")]


def embedding(n_rows: int, seed: int) -> Embedding:
    values = np.random.default_rng(seed).normal(size=(n_rows, 3)).astype(np.float32)
    return Embedding(None, values, np.arange(n_rows) * 0.5, np.full(n_rows, 0.5, np.float32), 10.0 + seed)


RESULTS = [embedding(2, 0), AudioError("no such file", "b.mp3"), embedding(1, 2)]


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_rows_come_back(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"table{suffix}"
    writer = EmbeddingWriter(out, PATHS, ABOUT, ["x", "y", "z"])
    for place, result in enumerate(RESULTS):
        writer.add(place, result)
    writer.finish()
    table = read_embeddings(out)
    assert table.about == {**ABOUT, "files": 3}
    assert table.paths == tuple(map(str, [PATHS[0], *PATHS]))
    assert table.clips == ("x", "x", "y", "z")
    assert table.errors == ("", "", "no such file", "")
    np.testing.assert_array_equal(table.durations_seconds, [10, 10, np.nan, 12])
    assert table.starts_seconds[[0, 1, 3]].tolist() == [0, 0.5, 0]
    assert table.weights[[0, 1, 3]].tolist() == [0.5] * 3
    first, last = RESULTS[0], RESULTS[2]
    assert isinstance(first, Embedding)
    assert isinstance(last, Embedding)
    np.testing.assert_array_equal(table.values[:2], first.values)
    assert np.isnan(table.values[2]).all()
    np.testing.assert_array_equal(table.values[3:], last.values)
    assert list(tmp_path.iterdir()) == [out]


def test_parquet_is_read_by_pandas(tmp_path: Path) -> None:
    import pandas as pd

    writer = EmbeddingWriter(tmp_path / "t.parquet", PATHS[:2], ABOUT)
    writer.add(0, RESULTS[0])
    writer.add(1, RESULTS[1])
    writer.finish()
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert table.status.tolist() == ["ok", "ok", "error"]
    assert table.path.tolist()[-1] == "b\\xff.mp3"
    assert np.stack(table.embedding[:2]).shape == (2, 3)


def test_a_stopped_run_continues_and_tries_failures_again(tmp_path: Path) -> None:
    out = tmp_path / "table.npz"
    first = EmbeddingWriter(out, PATHS, ABOUT)
    first.add(0, RESULTS[0])
    first.add(1, RESULTS[1])
    first.flush()
    again = EmbeddingWriter(out, PATHS, ABOUT)
    assert (again.n_done, again.todo) == (1, [1, 2])
    again.add(2, RESULTS[2])
    again.add(1, embedding(1, 1))
    again.finish()
    table = read_embeddings(out)
    assert table.errors == ("",) * 4
    assert table.durations_seconds.tolist() == [10, 10, 11, 12]


def test_many_parts_in_order(tmp_path: Path) -> None:
    paths = [Path(f"{i}.mp3") for i in range(30)]
    writer = EmbeddingWriter(tmp_path / "table.parquet", paths, ABOUT)
    for place in reversed(range(30)):
        writer.add(place, embedding(1, place))
        writer.flush()
    writer.finish()
    assert read_embeddings(tmp_path / "table.parquet").durations_seconds.tolist() == [10.0 + i for i in range(30)]


def test_parts_of_other_files_or_settings_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "table.npz"
    EmbeddingWriter(out, PATHS, ABOUT)
    for paths, about in ((PATHS[:2], ABOUT), (PATHS, {**ABOUT, "model": "other"})):
        with pytest.raises(ConfigError, match="other files or settings"):
            EmbeddingWriter(out, paths, about)


def test_other_endings_and_damaged_tables(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ending"):
        EmbeddingWriter(tmp_path / "table.csv", PATHS, ABOUT)
    for name in ("t.npz", "t.parquet"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 damaged")
        with pytest.raises(DataError, match="not a table of `earmark embed`"):
            read_embeddings(tmp_path / name)

"""Manifests and tables: CSV, TSV, JSON Lines and Parquet with strange cells, and mutated bytes of them."""

from __future__ import annotations

import csv
import io
import json
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from earmark.core.errors import ConfigError, DataError
from earmark.datasets.manifest import load_manifest
from earmark.datasets.table import ARROW_SUFFIXES, read_arrow, read_table
from fuzzing.mutation import mutate
from fuzzing.target import Case, Target, WrongResultError

COLUMNS = (
    "path",
    "split",
    "tags",
    "id",
    "artist",
    "song",
    "title",
    "#note",
    "rock",
    "calm [regression mood]",
    "pop [genre]",
)
COLUMNS += ("x [nonsense]", "[genre]", "", " path ", "rock\n", "calm", '"', "duration_seconds", "é", "\ud800", "0")
CELLS = (
    "",
    "0",
    "1",
    "0.5",
    "true",
    "nan",
    "inf",
    "1e999",
    "-1",
    "rock",
    "rock;pop",
    "rock [genre];rock [mood]",
    "x [regression]",
    ";;",
)
CELLS += (
    "train",
    "validation",
    "test",
    "a.wav",
    "b.wav",
    "c.wav",
    "\0",
    "x" * 5000,
    "/",
    "..",
    "a\nb",
    '"',
    "'",
    "\u2028",
    "\ud800",
    "٣",
    "[",
    "]",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    1,
    0.5,
    -1,
    10**400,
    1e308,
    float("nan"),
    [],
    ["rock"],
    ["rock", None],
    [["a"]],
    {},
    {"a": 1},
)

_cells = st.one_of(st.sampled_from(CELLS), st.text(max_size=6))
_values = st.one_of(_cells, st.sampled_from(VALUES), st.lists(_cells, max_size=3), st.integers(), st.floats())
_good = st.fixed_dictionaries(
    {
        "path": st.sampled_from(("a.wav", "b.wav", "c.wav", "d.wav")),
        "split": st.sampled_from(("train", "validation", "test")),
    }
)
_names = st.lists(st.one_of(st.sampled_from(COLUMNS), st.text(max_size=4)), max_size=7)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@st.composite
def _separated(draw: Any) -> Case:
    suffix = draw(st.sampled_from((".csv", ".tsv")))
    names = [*draw(st.sampled_from((["path", "split"], []))), *draw(_names)]
    file = io.StringIO()
    writer = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",")
    writer.writerow(names)
    for row in draw(st.lists(_good, max_size=5)):
        cells = [row.get(name) or draw(_cells) for name in names]
        writer.writerow(cells[: draw(st.sampled_from((None, None, None, -1, 2)))])
    content = _encode(file.getvalue())
    return Case(f"table{suffix}", draw(st.sampled_from((b"", b"", b"\xef\xbb\xbf"))) + content)


@st.composite
def _json_lines(draw: Any) -> Case:
    lines = []
    for row in draw(st.lists(_good, max_size=4)):
        line = row | draw(st.dictionaries(st.sampled_from(COLUMNS), _values, max_size=5))
        lines.append(json.dumps(line, ensure_ascii=draw(st.booleans())))
    odd = (
        "[" * 5000,
        "{}",
        "null",
        "[1]",
        '{"path": ' + "1" * 5000 + "}",
        '{"a": 1, "a": 2}',
        "",
        "nan",
        '{"path": "\\ud800"}',
    )
    lines += draw(st.lists(st.sampled_from(odd) | st.text(max_size=10), max_size=1))
    return Case(draw(st.sampled_from(("table.jsonl", "table.ndjson"))), _encode("\n".join(lines)))


_arrays = st.sampled_from((
    ["a.wav", "b.wav", "c.wav"], ["train", "test", "validation"], ["rock", None, "pop;rock"], [["rock"], [], None], [1.0, 0.0, None],
    [0.5, float("nan"), 1.0], [1, 0, 1], [True, None, False], [b"a", b"\xff", None], [{"a": 1}, None, {"a": 2}], [None, None, None],
    [10**18, -1, 0],
))  # fmt: skip


@st.composite
def _parquet(draw: Any) -> Case:
    columns = {"path": ["a.wav", "b.wav", "c.wav"], "split": ["train", "test", "validation"]} | draw(
        st.dictionaries(st.sampled_from(COLUMNS[:-2]), _arrays, max_size=5)
    )
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression=draw(st.sampled_from(("none", "snappy", "gzip"))))
    return Case("table.parquet", file.getvalue())


_whole = st.one_of(_separated(), _json_lines(), _parquet())
_mutated = st.builds(
    lambda case, n: Case(case.name, mutate(case.content, Random(n), (case.content,))), _whole, st.integers(0, 2**32)
)


class Manifest(Target):
    """``load_manifest``, ``read_table`` and ``read_arrow``."""

    name = "manifest"
    title = "Manifests and tables (`earmark.datasets`)"
    expected = "a dataset or table, DataError or ConfigError"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        for name in ("a.wav", "b.wav", "c.wav", "d.wav"):
            (folder / name).write_bytes(b"")

    def strategy(self) -> Any:
        return _whole | _mutated

    def check(self, case: Case) -> str:
        path = self.folder / case.name
        path.write_bytes(case.content)
        if path.suffix in ARROW_SUFFIXES:
            try:
                read_arrow(path, lambda names: names[2:3])
            except DataError as error:
                str(error).encode("utf-8", "surrogatepass")
        try:
            table = read_table(path)
        except DataError:
            return "refused table"
        try:
            dataset = load_manifest(path, check_files=bool(zlib.crc32(case.content) % 2))
        except (DataError, ConfigError):
            return "refused manifest"
        for clip in dataset.clips:
            if clip.labels.shape != (len(dataset.vocabulary),) or (clip.labels < 0).any() or (clip.labels > 1).any():
                raise WrongResultError("labels of another shape or range", f"{clip.labels}")
            if not np.isfinite(clip.labels[~np.isnan(clip.labels)]).all():
                raise WrongResultError("infinite labels", f"{clip.labels}")
        if len(dataset.clips) != len(table.rows):
            raise WrongResultError("a dataset with another number of clips than rows")
        return "read"

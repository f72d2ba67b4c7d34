"""Which rows make up which shard, what the shards are called, and which of them are there already.

A shard's name is a hash of its rows, the model and the settings: the same input always has the same name, so that a
finished shard is never made again. Where a shard ends is decided by the rows themselves: rows that are added or taken
away change the shard that they are in, or two, and all others stay the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from earmark.cluster.manifest import Row
from earmark.core.errors import ConfigError, DataError
from earmark.core.json_records import parse_json
from earmark.core.storage import Store

WORK = "_work"
"""Folder below the results where the machines find what they have to do; gone when all is done."""

STALE = "_stale"
"""Folder below the results for shards of rows that the manifest has no more."""

SETTINGS = "_earmark.json"
"""File beside the shards: what made them."""

PREFIX, SUFFIX = "part-", ".parquet"

_FORMAT = 1  # of the shards: part of their names
_SHARDS_A_PLAN = 32
_NAME_BYTES = 16


@dataclass(frozen=True)
class Settings:
    """Everything that decides the content of a shard, besides its rows.

    Attributes:
        model: name of the model.
        weights_sha256: of its ONNX file.
        windows: as for :class:`earmark.tagging.tagger.Tagger`.
        damaged: the same.
        embeddings: whether embeddings are kept.
        shard_rows: rows of a shard, about.
        with_tempo, with_key: whether they are estimated.
    """

    model: str
    weights_sha256: str
    windows: int | None
    damaged: Literal["error", "tag"]
    embeddings: bool
    shard_rows: int
    with_tempo: bool = False
    with_key: bool = False

    def __post_init__(self) -> None:
        if self.shard_rows < 1:
            raise ConfigError(f"shard_rows {self.shard_rows}: must be at least 1")

    def key(self) -> bytes:
        """The part of shard names that depends on the settings, without the number of rows per shard."""
        measures = [
            name for name in ("with_tempo", "with_key") if getattr(self, name)
        ]  # none: as before there were any
        parts = [_FORMAT, self.weights_sha256, self.windows, self.damaged, self.embeddings, *measures]
        return json.dumps(parts).encode()


@dataclass(frozen=True)
class Todo:
    """A shard that is to be made.

    Attributes:
        name: of its file.
        plan: file in the store that has its rows.
        group: the row group of that file.
        n_rows: how many they are.
    """

    name: str
    plan: str
    group: int
    n_rows: int


@dataclass
class Plan:
    """What is to be done for a manifest.

    Attributes:
        todo: shards to be made, in the order of the manifest.
        kept: names of shards that are there, with the number of their rows.
        n_rows: of the whole manifest.
    """

    todo: list[Todo] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    n_rows: int = 0


def cut_rows(rows: Iterable[Row], shard_rows: int) -> Iterator[list[Row]]:
    """Rows of each shard: half of ``shard_rows`` to double of it, about as many on average.

    A row's hash decides whether a shard ends after it. So the same rows are cut at the same places, whatever precedes
    them.
    """
    least, most = (shard_rows + 1) // 2, 2 * shard_rows
    every = max(1, shard_rows - least)
    gathered: list[Row] = []
    for row in rows:
        gathered.append(row)
        if len(gathered) < least:
            continue
        ends = int.from_bytes(hashlib.blake2b(_encoded(row), digest_size=8).digest()) % every == 0
        if ends or len(gathered) >= most:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


def shard_names(shards: Iterable[list[Row]], settings: Settings) -> Iterator[tuple[str, list[Row]]]:
    """Each shard with its name. Shards of the same rows, in a manifest that lists them twice, have different names."""
    seen: dict[bytes, int] = {}
    key = settings.key()
    for rows in shards:
        digest = hashlib.blake2b(key, digest_size=_NAME_BYTES)
        for row in rows:
            digest.update(_encoded(row))
        n_before = seen.get(digest.digest(), 0)
        seen[digest.digest()] = n_before + 1
        if n_before:
            digest.update(n_before.to_bytes(4))
        yield f"{PREFIX}{digest.hexdigest()}{SUFFIX}", rows


def make_plan(rows: Iterable[Row], settings: Settings, store: Store, run: str, redo: frozenset[str]) -> Plan:
    """Find out what is missing, and write it where all machines can read it.

    Rows are taken as they come: memory grows by only some 200 bytes per shard.

    Args:
        rows: of the manifest.
        settings: what decides the shards.
        store: where the results are.
        run: folder below WORK for this run's plans.
        redo: names of shards to make again although they exist.

    Raises:
        ConfigError, DataError: as :func:`earmark.cluster.manifest.read_manifest`, or the store cannot be used.
    """
    there = {name for name, size in store.sizes().items() if is_shard(name) and size} - redo
    plan = Plan()
    waiting: list[tuple[str, list[Row]]] = []
    n_plans = 0

    def write() -> None:
        nonlocal n_plans
        name = f"{WORK}/{run}/plan-{n_plans:06d}.parquet"
        store.write(name, _plan_file([rows for _, rows in waiting]))
        plan.todo += [Todo(shard, name, group, len(rows)) for group, (shard, rows) in enumerate(waiting)]
        waiting.clear()
        n_plans += 1

    for name, shard in shard_names(cut_rows(rows, settings.shard_rows), settings):
        plan.n_rows += len(shard)
        if name in there:
            plan.kept[name] = len(shard)
            continue
        waiting.append((name, shard))
        if len(waiting) == _SHARDS_A_PLAN:
            write()
    if waiting:
        write()
    return plan


def read_plan(store: Store, plan: str, group: int) -> list[Row]:
    """Rows of one shard, from a plan that :func:`make_plan` wrote. Raises OSError, DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(pa.BufferReader(store.read(plan))).read_row_group(group, use_threads=False)
    columns = [[_text(value) for value in table.column(name).to_pylist()] for name in Row._fields]
    return [Row(own, uri or "", address or "") for own, uri, address in zip(*columns, strict=True)]


def is_shard(name: str) -> bool:
    """Whether this is the name of a shard.

    >>> is_shard("part-0123456789abcdef0123456789abcdef.parquet"), is_shard("part-1.parquet")
    (True, False)
    """
    return name.startswith(PREFIX) and name.endswith(SUFFIX) and len(name) == len(PREFIX + SUFFIX) + 2 * _NAME_BYTES


def check_settings(store: Store, settings: Settings) -> None:
    """A folder has the results of one model with one set of options. Checks it, or records them.

    Raises:
        ConfigError: the folder has results of other settings.
        DataError: it cannot be read or written to, or its content is invalid.
    """
    try:
        found = store.read_if_there(SETTINGS)
        if found is None or not any(map(is_shard, store.sizes())):
            store.write(SETTINGS, (json.dumps(asdict(settings), indent=2) + "\n").encode())
            return
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"{store}: cannot be used for results ({why}); name another folder with --out") from error
    try:
        before = parse_json(found)
        now = asdict(settings)
        before = {"with_tempo": False, "with_key": False} | before  # which earlier versions did not record
        differing = [name for name in now if before.get(name) != now[name]]
    except (ValueError, AttributeError) as error:
        raise DataError(
            f"{store.at(SETTINGS)}: damaged; it records the model that made the shards beside it"
        ) from error
    if differing:
        words = "; ".join(
            f"{name.replace('_', ' ')}: {_in_words(name, before)} there, {_in_words(name, now)} now"
            for name in differing
        )
        raise ConfigError(f"{store}: holds results of another run ({words}). Name another folder with --out")


def _in_words(name: str, settings: dict[str, Any]) -> str:
    """The value of a setting, as its option says it."""
    value = settings.get(name, "not recorded")
    if value is None:
        return "all" if name == "windows" else "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _encoded(row: Row) -> bytes:
    """A row, encoded so that fields cannot run together."""
    parts = [b"\xff" if value is None else value.encode("utf-8", "surrogatepass") for value in row]
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogatepass")


def _plan_file(shards: list[list[Row]]) -> bytes:
    """Parquet, one row group per shard. Texts as bytes: names need not be valid UTF-8."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.binary()) for name in Row._fields])
    out = pa.BufferOutputStream()
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for rows in shards:
            columns = [
                [None if x is None else x.encode("utf-8", "surrogatepass") for x in c] for c in zip(*rows, strict=True)
            ]
            writer.write_table(pa.table(dict(zip(Row._fields, columns, strict=True)), schema=schema))
    content: bytes = out.getvalue().to_pybytes()
    return content

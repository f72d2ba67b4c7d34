"""Manifests of every kind, which rows make up a shard, and what is missing."""

from __future__ import annotations

import gzip
import importlib
import json
import socket
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from earmark.cluster.addresses import fetch
from earmark.cluster.manifest import Row, read_manifest
from earmark.cluster.plan import SETTINGS as SETTINGS_FILE
from earmark.cluster.plan import Settings, check_settings, cut_rows, is_shard, make_plan, read_plan, shard_names
from earmark.cluster.ray_session import connected
from earmark.cluster.results_table import TrackScores, shard_counts, shard_table, tag_columns
from earmark.core.errors import AudioError, ConfigError, DataError
from earmark.core.musical_key import MusicalKey
from earmark.core.storage import Store
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo
from tests.helpers.cluster_results import read_shard

SETTINGS = Settings("first", "0" * 64, None, "error", True, 20)
ROWS = [Row(f"id-{k}", f"{k}.mp3", f"/music/{k}.mp3") for k in range(1000)]


def names_of(rows: list[Row], settings: Settings = SETTINGS) -> list[str]:
    return [name for name, _ in shard_names(cut_rows(rows, settings.shard_rows), settings)]


def test_manifests_of_all_kinds_say_the_same(tmp_path: Path) -> None:
    ids, uris = ["1", None, "3"], ["a.mp3", "s3://music/b, c.mp3", "/x/\u00e9.mp3"]
    pq.write_table(pa.table({"other": [1, 2, 3], "uri": uris, "id": ids}), tmp_path / "m.parquet")
    text = 'other,uri,id\n1,a.mp3,1\n2,"s3://music/b, c.mp3",\n3,/x/\u00e9.mp3,3\n'
    (tmp_path / "m.csv").write_text("\ufeff" + text, encoding="utf-8")
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "m.tsv").write_text("uri\tid\n" + "".join(f"{u}\t{i or ''}\n" for u, i in zip(uris, ids, strict=True)))
    lines = [json.dumps({"uri": u, "id": i}) for u, i in zip(uris, ids, strict=True)]
    (tmp_path / "m.jsonl").write_text("\n".join(lines) + "\n\n")
    wanted = [
        Row("1", "a.mp3", str(tmp_path / "a.mp3")),
        Row(None, uris[1], uris[1]),
        Row("3", "/x/\u00e9.mp3", "/x/\u00e9.mp3"),
    ]
    for name in ("m.parquet", "m.csv", "m.csv.gz", "m.tsv", "m.jsonl"):
        assert list(read_manifest(str(tmp_path / name))) == wanted, name
    assert next(iter(read_manifest(f"file://{tmp_path}/m.csv"))) == wanted[0]


def test_manifests_that_cannot_be_used(tmp_path: Path) -> None:
    def refused(name: str, content: bytes, kind: type[Exception], text: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(kind, match=text) as raised:
            list(read_manifest(str(tmp_path / name)))
        assert "secret" not in str(raised.value)

    refused("m.txt", b"", ConfigError, "must be one of .csv, .tsv")
    refused("m.csv", b"path,title\n1,2\n", ConfigError, "no column 'uri'.*path, title")
    refused("empty.csv", b"uri\n", DataError, "lists no tracks")
    refused("m.jsonl", b'{"uri": "a"}\n{"uri"', DataError, "line 2: not JSON")
    refused("m.parquet", b"no parquet at all", DataError, "cannot be read")
    urls = "uri\na.mp3\nhttps://me:secret@example.org/a.mp3\ns3://secret@x/a\n"
    refused("s.csv", urls.encode(), ConfigError, "rows 2, 3 hold a user name or password.*environment")
    with pytest.raises(DataError, match="no such file"):
        list(read_manifest(str(tmp_path / "missing.csv")))
    with pytest.raises(ConfigError, match="holds a user name"):
        list(read_manifest("https://me:secret@example.org/m.csv"))


def test_rows_without_address_and_of_strange_names_are_kept(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"uri": null, "id": 0}\n{"uri": "\\udcff.mp3"}\n')
    rows = list(read_manifest(str(tmp_path / "m.jsonl")))
    assert rows == [Row("0", "", ""), Row(None, "\udcff.mp3", f"{tmp_path}/\udcff.mp3")]
    (tmp_path / "ragged.csv").write_bytes(b'uri,id\n,\n\xff.mp3\nb "live".mp3,2,more\n')
    ragged = [Row(None, "", ""), Row(None, "\udcff.mp3", f"{tmp_path}/\udcff.mp3")]
    assert list(read_manifest(str(tmp_path / "ragged.csv"))) == [
        *ragged,
        Row("2", 'b "live".mp3', f'{tmp_path}/b "live".mp3'),
    ]
    plan = make_plan(rows, SETTINGS, Store(tmp_path / "out"), "run", frozenset())
    assert read_plan(Store(tmp_path / "out"), plan.todo[0].plan, 0) == rows
    content = shard_table(rows, [TrackScores(error="x"), TrackScores(error="y")], ["rock"], SETTINGS)
    Store(tmp_path).write("one.parquet", content)
    assert read_shard(Store(tmp_path), "one.parquet")["uri"].to_pylist() == ["", "\\xff.mp3"]


def test_shards_hold_all_rows_in_order_and_about_as_many_as_asked_for() -> None:
    for shard_rows in (1, 2, 20, 300):
        shards = list(cut_rows(ROWS, shard_rows))
        assert [row for shard in shards for row in shard] == ROWS
        assert all((shard_rows + 1) // 2 <= len(shard) <= 2 * shard_rows for shard in shards[:-1])
    assert 30 < len(list(cut_rows(ROWS, 20))) < 80


def test_a_change_makes_few_shards_anew() -> None:
    before = set(names_of(ROWS))
    assert before == set(names_of(ROWS)), "names are a function of the input"
    assert all(map(is_shard, before))
    changed = [row._replace(uri="other") if k == 500 else row for k, row in enumerate(ROWS)]
    for rows, most in (
        (changed, 2),
        (ROWS[:300] + ROWS[301:], 3),
        ([*ROWS[:300], ROWS[0], *ROWS[300:]], 3),
        (ROWS[7:], 3),
    ):
        assert 1 <= len(set(names_of(rows)) - before) <= most
    other = [Settings("first", "1" * 64, None, "error", True, 20), Settings("first", "0" * 64, 8, "error", True, 20)]
    for settings in other:
        assert not before & set(names_of(ROWS, settings))


def test_rows_that_are_listed_twice_are_done_twice() -> None:
    names = names_of([*ROWS[:40], *ROWS[:40]] * 5)
    assert len(set(names)) == len(names)


def test_a_plan_is_what_is_missing(tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    plan = make_plan(ROWS, SETTINGS, store, "run", frozenset())
    assert (plan.n_rows, plan.kept) == (1000, {})
    rows = [row for todo in plan.todo for row in read_plan(store, todo.plan, todo.group)]
    assert rows == ROWS
    first, second = plan.todo[:2]
    for todo in (first, second):
        scores = [TrackScores(error="no such file")] * todo.n_rows
        store.write(todo.name, shard_table(read_plan(store, todo.plan, todo.group), scores, ["rock"], SETTINGS))
    again = make_plan(ROWS, SETTINGS, store, "again", frozenset([second.name]))
    assert again.kept == {first.name: first.n_rows}
    assert [todo.name for todo in again.todo] == [todo.name for todo in plan.todo[1:]]
    counts = shard_counts(store, first.name)
    assert counts == {"n_rows": first.n_rows, "n_failed": first.n_rows, "audio_seconds": 0.0}


def test_counts_are_found_at_the_end_of_a_wide_shard(tmp_path: Path) -> None:
    tags = [f"a tag with a long name, number {k}" for k in range(800)] + ["id", "uri"]
    assert tag_columns(tags)[-2:] == ["tag:id", "tag:uri"]
    Store(tmp_path).write("wide", shard_table(ROWS[:3], [TrackScores(error="x")] * 3, tags, SETTINGS))
    assert shard_counts(Store(tmp_path), "wide")["n_failed"] == 3
    Store(tmp_path).write("none", b"no Parquet at all")
    with pytest.raises(ValueError, match="no Parquet"):
        shard_counts(Store(tmp_path), "none")


def test_a_folder_has_the_results_of_one_way_of_reading(tmp_path: Path) -> None:
    other = Settings("first", "0" * 64, 8, "error", True, 20)
    check_settings(Store(tmp_path), other)
    check_settings(Store(tmp_path), SETTINGS)  # there are no results yet
    Store(tmp_path).write(names_of(ROWS)[0], b"a shard")
    check_settings(Store(tmp_path), SETTINGS)
    with pytest.raises(ConfigError, match=r"another run \(windows: all there, 8 now\)"):
        check_settings(Store(tmp_path), other)


def test_places_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(
            DataError, match=r"file(/below)?: cannot be used for results \(.+\); name another folder with"
        ):
            check_settings(Store(place), SETTINGS)
    with pytest.raises(DataError, match=r"^ftp://127.0.0.1:9/tags: cannot be reached \("):
        Store("ftp://127.0.0.1:9/tags")


@pytest.mark.slow
def test_a_cluster_where_nobody_answers_is_reported_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # closed again: nobody listens there
    importlib.import_module("ray")  # which takes seconds by itself, where the machine is busy
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "a..b:1", "127.0.0.1:99999"):
        started = time.monotonic()
        with pytest.raises(DataError, match=f"no Ray cluster at {address} .*--address local"), connected(address):
            pass
        assert time.monotonic() - started < 20


@pytest.mark.slow
def test_addresses_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="begins with ftp://: must be a path or one of s3"):
        fetch("ftp://example.org/a.mp3", tmp_path / "a", 1)
    with pytest.raises(AudioError, match=r"cannot be fetched|took longer"):
        fetch("http://127.0.0.1:9/a.mp3", tmp_path / "a", 0.2)


def test_tempo_and_key_are_columns_where_they_are_wanted(tmp_path: Path) -> None:
    found = TrackScores(
        scores=np.array([0.5], np.float32), tempo=Tempo(123.4, 0.9), key=KeyEstimate(MusicalKey(6, "minor"), 0.8, 441.0)
    )
    unclear = TrackScores(scores=np.array([0.5], np.float32), tempo=Tempo(None, 0.1), key=KeyEstimate(None, 0.2, 440.0))
    settings = replace(SETTINGS, embeddings=False, with_tempo=True, with_key=True)
    results = [found, unclear, TrackScores(error="x")]
    Store(tmp_path).write("one.parquet", shard_table(ROWS[:3], results, ["key"], settings))
    rows = read_shard(Store(tmp_path), "one.parquet").to_pylist()
    columns = ("bpm", "tempo_confidence", "key", "camelot", "key_confidence", "tuning_hz")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        (123.4, 0.9, "F#m", "11A", 0.8, 441.0),
        (None, 0.1, None, None, 0.2, 440.0),
        (None,) * 6,
    ]
    assert [row["tag:key"] for row in rows] == [0.5, 0.5, None]
    Store(tmp_path).write("two.parquet", shard_table(ROWS[:3], results, ["rock"], replace(settings, with_key=False)))
    assert not {"key", "camelot"} & set(read_shard(Store(tmp_path), "two.parquet").column_names)


def test_settings_of_before_tempo_and_key_are_the_same_settings(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old = {name: value for name, value in asdict(SETTINGS).items() if not name.startswith("with_")}
    store.write(SETTINGS_FILE, json.dumps(old).encode())
    store.write(names_of(ROWS[:5])[0], b"")
    check_settings(store, SETTINGS)
    with pytest.raises(ConfigError, match="with tempo: no there, yes now"):
        check_settings(store, replace(SETTINGS, with_tempo=True))
    assert set(names_of(ROWS)) & set(names_of(ROWS, replace(SETTINGS, with_key=True))) == set()

"""Published models: fetched whole, imported, or nothing."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator

import pytest

from earmark.core import published_weights as published
from earmark.core.errors import ConfigError, DownloadError, ModelError, WrongFileError
from earmark.core.published_weights import PublishedFile, all_published, find_published
from earmark.importers.pull import file_addresses, pull_model
from earmark.tagging.runtime import DEFAULT_MODEL, list_installed
from tests.helpers.download_server import (
    CONTENT,
    SHA256,
    WRONG,
    WRONG_SHA256,
    Server,
    cut,
    names,
    running,
    whole,
)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as made:
        yield made


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> str:
    """A published model whose file is CONTENT: it can be fetched, but is none that can be imported."""
    item = dataclasses.replace(
        all_published()[0], name="made", file_name="made.h5", sha256=SHA256, size_bytes=len(CONTENT)
    )
    monkeypatch.setattr(published, "all_published", lambda: (*all_published(), item))
    return item.name


def test_a_mirror_holds_files_under_our_names_for_them():
    item = find_published("crnn-msd")
    assert file_addresses(item) == item.addresses
    assert file_addresses(item, "") == item.addresses
    for mirror in ("http://host/dir", "http://host/dir/"):
        assert file_addresses(item, mirror) == ("http://host/dir/msd_crnn.pth",)


def test_a_file_that_cannot_be_imported_leaves_nothing(server, made, tmp_path):
    server.plan = [whole()]
    folder = tmp_path / "models"
    with pytest.raises(ModelError, match="expected Keras HDF5, a PyTorch state dict"):
        pull_model(made, folder, mirror=f"{server.address}/mirror/")
    assert server.requests == [("/mirror/made.h5", None, None)]
    assert names(folder) == set()


def test_wrong_bytes_leave_nothing_and_the_older_model_stays(server, made, tmp_path):
    server.plan = [whole(WRONG)]
    older = tmp_path / "made.onnx"
    older.write_bytes(b"older")
    with pytest.raises(WrongFileError, match=WRONG_SHA256):
        pull_model(made, tmp_path, mirror=server.address)
    assert names(tmp_path) == {"made.onnx"}
    assert older.read_bytes() == b"older"


def test_a_broken_download_is_kept_out_of_sight(server, made, tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_MODELS", str(tmp_path))
    server.plan = [cut(1000)]
    with pytest.raises(DownloadError, match="1000 of 300000 bytes are kept"):
        pull_model(made, tmp_path, mirror=server.address, retries=0)
    assert names(tmp_path) == {".downloads"}
    assert names(tmp_path / ".downloads") == {".made.h5.part"}
    assert set(list_installed()) == {DEFAULT_MODEL}


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> str:
    """A published model of two files in a folder: the second one is CONTENT."""
    first = b"{}"
    shard = PublishedFile("made/weights.bin", SHA256, len(CONTENT), ("https://host/made/weights.bin",))
    item = dataclasses.replace(
        all_published()[0],
        name="in-parts",
        file_name="made/model.json",
        sha256=hashlib.sha256(first).hexdigest(),
        size_bytes=len(first),
        shards=(shard,),
    )
    monkeypatch.setattr(published, "all_published", lambda: (*all_published(), item))
    return item.name


def test_all_parts_of_a_model_are_fetched(server, in_parts, tmp_path):
    server.plan = [whole(b"{}"), whole()]
    with pytest.raises(ModelError, match="expected Keras HDF5, a PyTorch state dict"):
        pull_model(in_parts, tmp_path, mirror=f"{server.address}/mirror")
    assert [path for path, _, _ in server.requests] == ["/mirror/made/model.json", "/mirror/made/weights.bin"]
    assert names(tmp_path) == set()


def test_a_wrong_part_leaves_nothing_and_a_broken_one_is_resumed(server, in_parts, tmp_path):
    server.plan = [whole(b"{}"), whole(WRONG)]
    with pytest.raises(WrongFileError, match=WRONG_SHA256):
        pull_model(in_parts, tmp_path, mirror=server.address)
    assert names(tmp_path) == set()
    server.plan = [whole(b"{}"), cut(1000)]
    with pytest.raises(DownloadError, match="1000 of 300000 bytes are kept"):
        pull_model(in_parts, tmp_path, mirror=server.address, retries=0)
    server.requests.clear()
    server.plan = [whole(b"{}"), whole()]
    with pytest.raises(ModelError):
        pull_model(in_parts, tmp_path, mirror=server.address)
    assert server.ranges == [None, "bytes=1000-"]
    assert names(tmp_path) == set()


def test_unknown_names_and_mirrors_are_refused(tmp_path):
    with pytest.raises(ModelError, match="did you mean"):
        pull_model("musicnn", tmp_path)
    with pytest.raises(ConfigError, match="must be http"):
        pull_model("musicnn-mtt", tmp_path, mirror="/media/stick")
    with pytest.raises(ConfigError, match="without a query"):
        pull_model("musicnn-mtt", tmp_path, mirror="http://host/dir?key=1")
    assert names(tmp_path) == set()

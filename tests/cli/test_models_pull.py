"""`earmark models pull`, and what comes of it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from earmark.core.published_weights import find_published, published_names
from earmark.core.tag_lists import load_vocabulary
from earmark.tagging.runtime import DEFAULT_MODEL, OnnxModel, find_model, user_models_folder
from tests.conftest import ROOT
from tests.helpers.command import earmark_here
from tests.helpers.download_server import (
    WRONG,
    WRONG_SHA256,
    Server,
    cut,
    names,
    running,
    status,
    whole,
)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as made:
        yield made


def earmark(*arguments: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    with mock.patch.dict(os.environ, {"EARMARK_MODELS": str(folder), "no_proxy": "127.0.0.1", **variables}):
        if "EARMARK_MIRROR" not in variables:
            os.environ.pop("EARMARK_MIRROR", None)
        return earmark_here(*arguments)


def test_without_a_name_they_are_listed(tmp_path):
    done = earmark("models", "pull", folder=tmp_path / "none")
    assert done.returncode == 0
    assert done.stderr == ""
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["name", *published_names()]
    assert ["musicnn-mtt", "no", "50", "-", "3.3", "MB", "ISC"] in [row[:7] for row in rows]
    assert not (tmp_path / "none").exists()


def test_an_unknown_name_lists_them(tmp_path):
    done = earmark("models", "pull", "musicn-mtt", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "did you mean musicnn-mtt" in done.stderr
    assert all(name in done.stderr for name in published_names())


def test_help_names_folder_and_mirror(tmp_path):
    said = " ".join(earmark("models", "pull", "--help", folder=tmp_path).stdout.split())
    assert "EARMARK_MIRROR" in said
    assert "EARMARK_MODELS" in said


def test_asked_for_but_not_fetched_it_says_how(tmp_path):
    done = earmark("tag", "--model", "fcn-msd", ROOT / "examples" / "clips", folder=tmp_path)
    assert done.returncode == 2
    assert "earmark models pull fcn-msd" in done.stderr


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (whole(WRONG), WRONG_SHA256),
        (status(404), "the server answered 404 Not Found"),
        (whole(b"x" * 4_000_000), "the server sends more"),
    ],
)
def test_failures_end_with_one_and_leave_nothing(server, tmp_path, step, said):
    server.plan = [step]
    done = earmark("models", "pull", "fcn-mtat", folder=tmp_path, EARMARK_MIRROR=f"{server.address}/files")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"earmark: {server.address}/files/mtat_fcn.pth: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert names(tmp_path) == set()


@pytest.mark.slow
@pytest.mark.shared
def test_pulled_it_tags(server, shared_dir, tmp_path):
    """The network fails half-way, the command is given again, and what comes of it tags a song."""
    content = (shared_dir / "data" / "peers" / "MTT_musicnn.h5").read_bytes()
    server.plan = [cut(1_000_000, content), status(404)]
    mirror = f"{server.address}/mirror"
    done = earmark("models", "pull", "musicnn-mtt", "--mirror", mirror, folder=tmp_path)
    assert done.returncode == 1
    assert "1000000 of 3319120 bytes are kept" in done.stderr

    server.requests.clear()
    server.plan = [cut(2_000_000, content), whole(content)]
    done = earmark("models", "pull", "musicnn-mtt", folder=tmp_path, EARMARK_MIRROR=mirror)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress where stderr is no terminal
    assert "earmark tag --model musicnn-mtt" in done.stdout
    assert server.requests == [
        ("/mirror/MTT_musicnn.h5", "bytes=1000000-", None),
        ("/mirror/MTT_musicnn.h5", "bytes=3000000-", '"one"'),
    ]
    assert names(tmp_path) == {"musicnn-mtt.onnx", "musicnn-mtt.json"}

    card = json.loads(earmark("models", "show", "musicnn-mtt", "--json", folder=tmp_path).stdout)
    assert card["licence"] == "ISC"
    assert len(card["citations"]) >= 2
    assert card["training"]["source_sha256"] == hashlib.sha256(content).hexdigest()
    assert OnnxModel(tmp_path / "musicnn-mtt.onnx").card.citations == tuple(card["citations"])
    listed = json.loads(earmark("models", "list", "--json", folder=tmp_path).stdout)
    assert [row["name"] for row in listed] == [DEFAULT_MODEL, "musicnn-mtt"]
    assert "\nmusicnn-mtt\tyes\t50\t3.008 s\t" in earmark("models", "list", folder=tmp_path).stdout

    song = ROOT / "examples" / "clips" / "03-rock.mp3"
    done = earmark("tag", "--model", "musicnn-mtt", song, "--format", "jsonl", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["model"] == "musicnn-mtt"
    assert len(result["tags"]) == 50

    server.requests.clear()
    again = earmark("models", "pull", "musicnn-mtt", "--mirror", mirror, folder=tmp_path)
    assert again.returncode == 0
    assert "exists already" in again.stdout
    assert server.requests == []


def test_the_folder_is_chosen_by_variable_or_by_the_system(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_MODELS", "~/mine")
    assert user_models_folder() == Path.home() / "mine"
    for unset in ("", None):
        monkeypatch.setenv("EARMARK_MODELS", "") if unset == "" else monkeypatch.delenv("EARMARK_MODELS")
        assert user_models_folder().parts[-2:] == ("earmark", "models")
    monkeypatch.setenv("EARMARK_MODELS", str(tmp_path))
    (tmp_path / "mine.onnx").write_bytes(b"")
    bundled = f"{DEFAULT_MODEL}.onnx"
    (tmp_path / bundled).write_bytes(b"")
    assert find_model("mine") == tmp_path / "mine.onnx"
    assert find_model(DEFAULT_MODEL) != tmp_path / bundled  # the bundled one comes first


def test_the_list_has_what_is_installed_and_what_can_be_fetched(tmp_path):
    done = earmark("models", "list", folder=tmp_path)
    assert done.returncode == 0
    assert "earmark models pull NAME" in done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == ["name", f"{DEFAULT_MODEL} (default)", *published_names()]
    assert {row[1] for row in rows[2:]} == {"no"}
    assert {len(row) for row in rows} == {7}
    records = [
        json.loads(line) for line in earmark("models", "list", "--format", "json", folder=tmp_path).stdout.splitlines()
    ]
    assert [record["name"] for record in records if record["installed"]] == [DEFAULT_MODEL]
    for record in records[1:]:
        published = find_published(record["name"])
        assert (record["size_bytes"], record["licence"]) == (published.total_bytes, published.licence)
        assert record["n_tags"] == len(load_vocabulary(published.vocabulary))
        assert record["path"] is None
    assert {frozenset(record) for record in records} == {frozenset(records[0])}
    listed = json.loads(earmark("models", "list", "--json", folder=tmp_path).stdout)
    assert [record["name"] for record in listed] == [DEFAULT_MODEL]  # as it was, for programs that tag with all of them

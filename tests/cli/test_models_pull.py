"""Fetching published models from a server that stalls, cuts off, lies, or does as it should."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner

from earmark.cli.main import app
from earmark.core import published_weights as published
from earmark.core.errors import ConfigError, DownloadError, ModelError, WrongFileError
from earmark.core.published_weights import PublishedFile, all_published, find_published, published_names
from earmark.importers.download import download
from earmark.importers.pull import file_addresses, pull_model
from earmark.models import summary
from earmark.tagging.runtime import DEFAULT_MODEL, OnnxModel, find_model, list_installed, user_models_folder
from tests.conftest import ROOT
from tests.helpers.command import earmark_here

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WRONG = np.random.default_rng(1).bytes(len(CONTENT))
WRONG_SHA256 = hashlib.sha256(WRONG).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers each request with the next step of the server's plan, and with the last one from then on."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server = self.server
        server.requests.append((self.path, self.headers["Range"], self.headers["If-Range"]))
        self.close_connection = True
        step = server.plan.pop(0) if len(server.plan) > 1 else server.plan[0]
        step(self)

    def answer(
        self,
        content: bytes,
        *,
        ranges: bool = True,
        stop_after: int | None = None,
        stall: bool = False,
        etag: str | None = '"one"',
        length: bool = True,
        shift: int = 0,
    ) -> None:
        """Send content as a server should, but for what is asked for: stop or fall silent after some bytes."""
        wanted, condition = self.headers["Range"], self.headers["If-Range"]
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and ranges else 0
        if start and condition and condition != etag:
            start = 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start + shift}-{len(content) - 1}/{len(content)}")
        if etag:
            self.send_header("ETag", etag)
        if length:
            self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content[start : None if stop_after is None else start + stop_after])
        self.wfile.flush()
        if stall:
            self.server.released.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        pass


Step = Callable[[Handler], None]


class Server(http.server.ThreadingHTTPServer):
    """A server on the loopback with a plan of answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: list[Step] = []
        self.requests: list[tuple[str, str | None, str | None]] = []
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # those that hung up are not worth a word
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str | None]:
        return [asked for _, asked, _ in self.requests]


def whole(content: bytes = CONTENT, **how) -> Step:
    return lambda handler: handler.answer(content, **how)


def cut(after: int, content: bytes = CONTENT, **how) -> Step:
    return lambda handler: handler.answer(content, stop_after=after, **how)


def status(code: int) -> Step:
    return lambda handler: handler.send_error(code)


def hang_up(handler: Handler) -> None:
    """Close without a word."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.released.set()
        made.shutdown()
        thread.join()


def fetch(server: Server, out: Path, *steps: Step, addresses: list[str] | None = None, **changes) -> None:
    server.plan = list(steps)
    options = {"timeout_seconds": 5.0, "retries": 2, "wait_seconds": 0.0, **changes}
    addresses = addresses or [f"{server.address}/dir/weights.h5"]
    download(addresses, out, sha256=SHA256, size_bytes=len(CONTENT), **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "weights.h5"


# The download


def test_a_file_comes_whole(server, out):
    seen: list[tuple[int, int]] = []
    fetch(server, out, whole(), on_progress=lambda have, total: seen.append((have, total)))
    assert out.read_bytes() == CONTENT
    assert names(out.parent) == {"weights.h5"}
    assert server.requests == [("/dir/weights.h5", None, None)]
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("length", [True, False])
def test_a_file_that_is_cut_off_is_completed(server, out, length):
    fetch(server, out, cut(100_000, length=length), cut(50_000, length=length), whole())
    assert out.read_bytes() == CONTENT
    assert server.requests == [
        ("/dir/weights.h5", None, None),
        ("/dir/weights.h5", "bytes=100000-", '"one"'),
        ("/dir/weights.h5", "bytes=150000-", '"one"'),
    ]


def test_a_silent_server_is_left_and_the_file_completed(server, out):
    fetch(server, out, cut(100_000, stall=True), whole(), timeout_seconds=0.3)
    assert out.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_a_server_that_stays_silent_is_told(server, out):
    with pytest.raises(DownloadError) as caught:
        fetch(server, out, cut(1000, stall=True), timeout_seconds=0.2)
    first, last = str(caught.value).splitlines()
    assert first.startswith(f"{server.address}/dir/weights.h5: the server was silent for 0.2 s")
    assert first.endswith("after 3000 of 300000 bytes (3 attempts)")
    assert last == "3000 of 300000 bytes are kept; the next attempt continues from there"
    assert not isinstance(caught.value, WrongFileError)
    assert names(out.parent) == {".weights.h5.part"}
    with pytest.raises(DownloadError, match="silent"):
        fetch(server, out.with_name("x"), lambda handler: handler.server.released.wait(30), timeout_seconds=0.2)


def test_the_next_call_goes_on(server, out):
    with pytest.raises(DownloadError, match="connection ended after 90000 of 300000 bytes"):
        fetch(server, out, cut(90_000), retries=0)
    assert not out.exists()
    server.requests.clear()
    fetch(server, out, whole())
    assert out.read_bytes() == CONTENT
    assert server.ranges == ["bytes=90000-"]
    assert names(out.parent) == {"weights.h5"}


def test_what_is_whole_is_not_fetched_again(server, out):
    out.parent.mkdir()
    out.with_name(".weights.h5.part").write_bytes(CONTENT)  # stopped between the last byte and the check
    fetch(server, out, status(500))
    assert out.read_bytes() == CONTENT
    assert server.requests == []


def test_a_server_without_ranges_starts_anew(server, out):
    fetch(server, out, cut(100_000, ranges=False), whole(ranges=False))
    assert out.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


def test_a_server_that_sends_another_piece_starts_anew(server, out):
    fetch(server, out, cut(100_000), whole(shift=7), whole())
    assert out.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-", None]


def test_a_file_that_changes_on_the_way_starts_anew(server, out):
    fetch(server, out, cut(100_000, WRONG, etag='"old"'), whole())
    assert out.read_bytes() == CONTENT
    assert server.requests[1][1:] == ("bytes=100000-", '"old"')


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_pieces_of_two_files_are_noticed(server, out, etag):
    fetch(server, out, cut(100_000, WRONG, etag=etag), whole(etag=etag))
    assert out.read_bytes() == CONTENT
    assert server.requests[1][1:] == ("bytes=100000-", None)
    assert server.ranges == [None, "bytes=100000-", None]


@pytest.mark.parametrize("beginning", [WRONG[:5000], WRONG, WRONG + b"more"])
def test_a_foreign_beginning_is_thrown_away(server, out, beginning):
    out.parent.mkdir()
    out.with_name(".weights.h5.part").write_bytes(beginning)
    fetch(server, out, whole())
    assert out.read_bytes() == CONTENT
    assert server.ranges[-1] is None


def test_a_beginning_longer_than_the_servers_file_is_thrown_away(server, out):
    out.parent.mkdir()
    out.with_name(".weights.h5.part").write_bytes(WRONG[:200_000])
    fetch(server, out, whole(CONTENT[:100]), whole())
    assert out.read_bytes() == CONTENT
    assert server.ranges == ["bytes=200000-", None]


def test_wrong_bytes_are_refused_with_both_hashes(server, out):
    with pytest.raises(WrongFileError) as caught:
        fetch(server, out, whole(WRONG))
    assert f"expected 300000 bytes with SHA-256 {SHA256}" in str(caught.value)
    assert f"found 300000 bytes with SHA-256 {WRONG_SHA256}" in str(caught.value)
    assert server.address in str(caught.value)
    assert names(out.parent) == set()
    assert len(server.requests) == 1


def test_wrong_bytes_in_pieces_are_refused(server, out):
    with pytest.raises(WrongFileError, match=WRONG_SHA256):
        fetch(server, out, cut(1000, WRONG), whole(WRONG))
    assert names(out.parent) == set()


def test_a_page_instead_of_the_file_is_refused(server, out):
    with pytest.raises(WrongFileError, match=r"expected 300000 bytes .* found 12 bytes"):
        fetch(server, out, whole(b"please login"))
    assert names(out.parent) == set()


@pytest.mark.parametrize("length", [True, False])
def test_a_file_without_end_is_not_read_to_its_end(server, out, length):
    with pytest.raises(WrongFileError, match="the server sends more"):
        fetch(server, out, whole(CONTENT * 20, length=length))
    assert names(out.parent) == set()


def test_a_missing_file_is_told_at_once(server, out):
    with pytest.raises(DownloadError, match=r"/dir/weights\.h5: the server answered 404 Not Found"):
        fetch(server, out, status(404))
    assert len(server.requests) == 1
    assert names(out.parent) == set()


def test_a_busy_server_is_asked_again(server, out):
    fetch(server, out, status(503), status(429), whole())
    assert out.read_bytes() == CONTENT
    with pytest.raises(DownloadError, match=r"the server answered 503 .* \(3 attempts\)"):
        fetch(server, out, status(503))


def test_a_server_that_hangs_up_is_asked_again(server, out):
    fetch(server, out, hang_up, whole())
    assert out.read_bytes() == CONTENT
    with pytest.raises(DownloadError, match="connection broke after 0 of 300000 bytes"):
        fetch(server, out, hang_up)
    assert out.read_bytes() == CONTENT  # what stood there before


def test_redirects_are_followed(server, out):
    def moved(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    fetch(server, out, moved, whole())
    assert out.read_bytes() == CONTENT
    assert [path for path, _, _ in server.requests] == ["/dir/weights.h5", "/elsewhere"]


def test_the_next_address_helps(server, out):
    addresses = [f"{server.address}/{i}" for i in range(3)]
    fetch(server, out, status(404), whole(WRONG), whole(), addresses=addresses)
    assert out.read_bytes() == CONTENT
    assert [path for path, _, _ in server.requests] == ["/0", "/1", "/2"]
    with pytest.raises(DownloadError) as caught:
        fetch(server, out, status(404), whole(WRONG), addresses=addresses[:2])
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == addresses[:2]
    assert not isinstance(caught.value, WrongFileError)


def test_an_address_where_nobody_answers_is_told(server, out):
    address = server.address
    server.server_close()
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:\d+/x: cannot be reached \(.*refused.*\) \(2 attempts\)"):
        fetch(server, out, whole(), addresses=[f"{address}/x"], retries=1)


@pytest.mark.parametrize("address", ["file:///etc/hosts", "ftp://host/x", "host/x", "http:///x", ""])
def test_other_addresses_are_refused(server, out, address):
    with pytest.raises(ConfigError, match="must be http"):
        fetch(server, out, whole(), addresses=[address])
    assert not out.parent.exists()


# The model


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


# The command


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
    assert ["musicnn-mtt", "3.3", "MB", "ISC"] in [row[:4] for row in rows]
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
    assert "musicnn-mtt" in earmark("models", "list", folder=tmp_path).stdout

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


def test_a_damaged_model_does_not_hide_the_others(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    done = earmark("models", "list", folder=tmp_path)
    assert done.returncode == 1
    assert DEFAULT_MODEL in done.stdout
    assert "broken.onnx: not a model that ONNX Runtime can load" in done.stderr


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


def test_architectures_are_listed(monkeypatch):
    runner, few = CliRunner(), ["dieleman2014_raw", "samplecnn_basic"]
    monkeypatch.setattr(summary, "list_models", lambda: few)
    monkeypatch.setenv("COLUMNS", "200")
    done = runner.invoke(app, ["models", "list", "--architectures", "--json"])
    assert done.exit_code == 0
    figures = {row["name"]: row for row in json.loads(done.stdout)}
    assert list(figures) == few
    assert figures["samplecnn_basic"]["window_samples"] == 59049
    assert figures["samplecnn_basic"]["weights_total"] == 2_690_354
    done = runner.invoke(app, ["models", "list", "--architectures"])
    assert "samplecnn_basic" in done.stdout
    assert "2,690,354" in done.stdout
    assert "MACs: multiplications" in done.stdout
    monkeypatch.setenv("COLUMNS", "80")
    narrow = runner.invoke(app, ["models", "list", "--architectures"]).stdout
    assert "window 59,049 (2.68 s)" in " ".join(narrow.split())
    assert max(map(len, narrow.splitlines())) <= 80

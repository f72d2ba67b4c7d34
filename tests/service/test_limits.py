"""Every limit of the service has its own answer, and whatever happens to a request, its files are gone afterwards."""

from __future__ import annotations

import json
import resource
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from earmark.tagging.tagger import Tagger
from tests.helpers import sounds
from tests.helpers.served import Served, serving
from tests.helpers.waiting import wait_until


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.write(tmp_path_factory.mktemp("song") / "a.mp3", sounds.music(3, 44_100), 44_100)


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audio that takes many seconds to tag, in a small file."""
    return sounds.write(tmp_path_factory.mktemp("hours") / "a.flac", sounds.hum(3600, 8000), 8000)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"]
    return answer.status_code, body["type"].removeprefix("urn:earmark:problem:")


HEAD = b"POST /v1/tag HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\nabc'


def half_an_upload(served: Served) -> socket.socket:
    """A client that promises 1 MB and sends less, until its first bytes have been received."""
    connection = socket.create_connection(("127.0.0.1", served.port))
    n_before = served.work.n_in_flight
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + PART)
    wait_until(lambda: served.work.n_in_flight > n_before)
    return connection


def read_answer(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(65_536):
        answer += part
    return answer


@pytest.mark.slow
def test_too_large_whether_declared_or_not(tmp_path: Path, song: Path) -> None:
    with serving(tmp_path, max_megabytes=0.2) as served:
        assert served.tag(song).status_code == 200
        declared = served.tag(("a.wav", b"x" * 3_000_000))
        assert refusal(declared) == (413, "too-large")
        assert declared.json()["max_bytes"] == 200_000

        def body() -> object:
            yield PART
            for _ in range(30):
                yield b"x" * 100_000

        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        streamed = served.client.post("/v1/tag", content=body(), headers=headers)  # type: ignore[arg-type]
        assert refusal(streamed) == (413, "too-large")
        wait_until(lambda: not served.kept)
        assert served.tag(song).status_code == 200


@pytest.mark.slow
def test_a_client_that_asks_first_is_refused_before_it_sends(tmp_path: Path) -> None:
    with serving(tmp_path, max_megabytes=0.2) as served:
        connection = socket.create_connection(("127.0.0.1", served.port))
        connection.sendall(HEAD + b"Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n")
        started = time.monotonic()
        answer = read_answer(connection)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"too-large" in answer
        assert time.monotonic() - started < 1.5
        connection.close()


@pytest.mark.slow
def test_too_many_files_and_too_long_ones(tmp_path: Path, song: Path, hours: Path) -> None:
    with serving(tmp_path, max_files=2, max_minutes=0.1) as served:
        assert refusal(served.tag(song, song, song)) == (413, "too-many-files")
        assert served.tag(song, song).status_code == 200
        started = time.monotonic()
        long = served.tag(hours)
        assert refusal(long) == (422, "too-long")
        assert "longer than 0.1 minutes" in long.json()["detail"]
        assert time.monotonic() - started < 5  # it is not decoded to its end
        mixed = served.tag(song, hours)
        assert mixed.status_code == 200
        assert [record["status"] for record in mixed.json()["results"]] == ["ok", "error"]
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_a_file_that_declares_too_much_is_refused_before_it_is_decoded(tmp_path: Path, song: Path) -> None:
    """A second of music whose header declares three hours; and too much music that declares no length."""
    music, uploads = sounds.music(1, 16_000), tmp_path / "uploads"
    uploads.mkdir()
    short = bytearray(sounds.write(tmp_path / "short.flac", music, 16_000).read_bytes())
    short[18:26] = (int.from_bytes(short[18:26]) & ~(2**36 - 1) | 3 * 3600 * 16_000).to_bytes(8)  # STREAMINFO
    (tmp_path / "declares.flac").write_bytes(short)
    bare = sounds.write(tmp_path / "bare.aac", sounds.music(8, 16_000), 16_000)
    with serving(uploads, max_minutes=100) as served:
        assert refusal(served.tag(tmp_path / "declares.flac")) == (422, "too-long")
        assert served.tag(bare).status_code == 200
    with serving(uploads, max_minutes=0.1) as served:
        assert refusal(served.tag(bare)) == (422, "too-long")
    with serving(uploads, max_minutes=200) as served:
        cut = served.tag(tmp_path / "declares.flac")
        assert refusal(cut) == (422, "not-tagged")
        assert "truncated" in cut.json()["detail"]
        assert served.tag(song).status_code == 200


@pytest.mark.slow
def test_time_for_tagging_is_limited_and_the_work_is_cancelled(tmp_path: Path, song: Path, hours: Path) -> None:
    with serving(tmp_path, timeout_seconds=1, max_minutes=1000, workers=1) as served:
        started = time.monotonic()
        late = served.tag(hours, hours)
        assert refusal(late) == (504, "timed-out")
        wait_until(lambda: not served.kept and served.work.n_in_flight == 0)
        assert time.monotonic() - started < 8
        assert served.tag(song).status_code == 200  # the one worker is free again
        assert "earmark_files_waiting 0.0" in served.client.get("/metrics").text


@pytest.mark.slow
def test_time_for_the_upload_is_limited(tmp_path: Path) -> None:
    with serving(tmp_path, timeout_seconds=0.5) as served:
        connection = half_an_upload(served)
        answer = read_answer(connection)
        connection.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"].endswith("upload-too-slow")
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_requests_in_flight_are_limited_and_refused_ones_know_when_to_return(tmp_path: Path, song: Path) -> None:
    with serving(tmp_path, max_in_flight=2) as served:
        connections = [half_an_upload(served) for _ in range(2)]
        full = served.tag(song)
        assert refusal(full) == (503, "full")
        assert int(full.headers["retry-after"]) >= 1
        assert served.client.get("/readyz").status_code == 200
        connections.pop().close()
        wait_until(lambda: served.work.n_in_flight == 1)
        assert served.tag(song).status_code == 200
        connections.pop().close()
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_a_service_that_stops_says_so_and_finishes_what_runs(tmp_path: Path, song: Path) -> None:
    with serving(tmp_path) as served:
        body = PART.replace(b"abc", song.read_bytes()) + b"\r\n--x--\r\n"
        connection = socket.create_connection(("127.0.0.1", served.port))
        head = HEAD + b"Connection: close\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n"
        connection.sendall(head + body[:1000])
        wait_until(lambda: served.work.n_in_flight == 1)
        served.work.draining = True
        assert refusal(served.client.get("/readyz")) == (503, "stopping")
        assert served.client.get("/healthz").status_code == 200
        assert refusal(served.tag(song)) == (503, "stopping")
        connection.sendall(body[1000:])
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.close()


@pytest.mark.slow
def test_a_full_disk_is_reported(tmp_path: Path, song: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving(tmp_path) as served:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # to this process, as a disk that is full
        try:
            full = served.tag(("a.wav", b"x" * 3_000_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert refusal(full) == (507, "no-space")
        wait_until(lambda: not served.kept)
        assert served.tag(song).status_code == 200


@pytest.mark.slow
def test_a_folder_that_was_cleared_away_is_made_again_or_reported(tmp_path: Path, song: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    with serving(uploads) as served:
        shutil.rmtree(served.work.scratch.folder)
        assert served.tag(song).status_code == 200
        wait_until(lambda: served.work.n_in_flight == 0)
        shutil.rmtree(uploads)
        failed = served.tag(song)
        assert refusal(failed) == (500, "failed")
        assert failed.json()["request_id"] == failed.headers["x-request-id"]
        assert served.client.get("/readyz").status_code == 200
        uploads.mkdir()
        assert served.tag(song).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("where", ["upload", "tagging"])
def test_a_dropped_connection_leaves_nothing(
    tmp_path: Path, song: Path, hours: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag_many, decoding = Tagger.tag_many, threading.Event()

    def tag_and_report(self: Tagger, *paths: Any, watch: Callable[[Path, float], None], **options: Any) -> Any:
        def watch_and_report(path: Path, seconds: float) -> None:
            decoding.set()
            watch(path, seconds)

        return tag_many(self, *paths, watch=watch_and_report, **options)

    monkeypatch.setattr(Tagger, "tag_many", tag_and_report)
    with serving(tmp_path, max_minutes=1000, workers=1) as served:
        if where == "upload":
            connection = half_an_upload(served)
            assert served.kept
        else:
            body = PART.replace(b"abc", hours.read_bytes()) + b"\r\n--x--\r\n"
            connection = socket.create_connection(("127.0.0.1", served.port))
            connection.sendall(HEAD + b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
            assert decoding.wait(60)
        connection.close()
        wait_until(lambda: not served.kept and served.work.n_in_flight == 0, 8)
        assert served.tag(song).status_code == 200
        assert 'status="499"' in served.client.get("/metrics").text

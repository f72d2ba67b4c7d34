"""Downloads from a server that stalls, cuts off, lies, or does as it should."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.core.download import download
from earmark.core.errors import ConfigError, DownloadError, WrongFileError
from tests.helpers.download_server import (
    CONTENT,
    SHA256,
    WRONG,
    WRONG_SHA256,
    Handler,
    Server,
    Step,
    cut,
    hang_up,
    names,
    running,
    status,
    whole,
)


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as made:
        yield made


def fetch(server: Server, out: Path, *steps: Step, addresses: list[str] | None = None, **changes) -> None:
    server.plan = list(steps)
    options = {"timeout_seconds": 5.0, "retries": 2, "wait_seconds": 0.0}
    options |= {"checksum": f"sha256:{SHA256}", "size_bytes": len(CONTENT), **changes}
    addresses = addresses or [f"{server.address}/dir/weights.h5"]
    download(addresses, out, **options)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "weights.h5"


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


@pytest.mark.slow
def test_a_silent_server_is_left_and_the_file_completed(server, out):
    fetch(server, out, cut(100_000, stall=True), whole(), timeout_seconds=0.3)
    assert out.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


@pytest.mark.slow
def test_a_server_that_stays_silent_is_reported(server, out):
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


def test_a_missing_file_is_reported_at_once(server, out):
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


def test_an_address_where_nobody_answers_is_reported(server, out):
    address = server.address
    server.server_close()
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:\d+/x: cannot be reached \(.*refused.*\) \(2 attempts\)"):
        fetch(server, out, whole(), addresses=[f"{address}/x"], retries=1)


@pytest.mark.parametrize("address", ["file:///etc/hosts", "ftp://host/x", "host/x", "http:///x", ""])
def test_other_addresses_are_refused(server, out, address):
    with pytest.raises(ConfigError, match="must be http"):
        fetch(server, out, whole(), addresses=[address])
    assert not out.parent.exists()


@pytest.mark.parametrize("length", [True, False])
def test_a_file_of_unknown_size(server, out, length):
    """What the server says is its size; where it says none, all that it sends."""
    fetch(server, out, whole(length=length), size_bytes=None)
    assert out.read_bytes() == CONTENT
    with pytest.raises(WrongFileError, match=f"not the published file: expected SHA-256 {SHA256}, found 12 bytes with"):
        fetch(server, out.with_name("x"), whole(b"please login", length=length), size_bytes=None)


def test_a_file_of_unknown_size_is_continued(server, out):
    with pytest.raises(DownloadError, match="90000 bytes are kept"):
        fetch(server, out, cut(90_000), size_bytes=None, retries=0)
    fetch(server, out, whole(), size_bytes=None)
    assert server.ranges == [None, "bytes=90000-"]
    assert out.read_bytes() == CONTENT
    part = out.with_name(".x.part")
    part.write_bytes(CONTENT)  # stopped between the last byte and the check
    fetch(server, out.with_name("x"), whole(), size_bytes=None)
    assert out.with_name("x").read_bytes() == CONTENT
    assert server.ranges[2:] == ["bytes=300000-"]


@pytest.mark.parametrize("kind", ["sha1", "md5"])
def test_other_checksums(server, out, kind):
    fetch(server, out, whole(), checksum=f"{kind}:{hashlib.new(kind, CONTENT).hexdigest()}")
    assert out.read_bytes() == CONTENT
    with pytest.raises(WrongFileError, match=f"expected 300000 bytes with {kind.upper().replace('A1', 'A-1')} 00"):
        fetch(server, out.with_name("x"), whole(), checksum=f"{kind}:00")


def test_without_a_checksum_the_size_alone_counts(server, out):
    fetch(server, out, whole(WRONG), checksum=None)
    assert out.read_bytes() == WRONG
    with pytest.raises(WrongFileError, match="expected 300000 bytes, found 12 bytes"):
        fetch(server, out.with_name("x"), whole(b"please login"), checksum=None)


def test_a_file_larger_than_the_disk_is_refused_at_once(server, out):
    with pytest.raises(DownloadError, match=r"\d+ bytes are to come, \d+ are free on the disk of"):
        fetch(server, out, whole(claim=10**17), size_bytes=None)
    assert not out.with_name(".weights.h5.part").exists()

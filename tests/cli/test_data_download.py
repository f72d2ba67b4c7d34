"""`earmark data download`, from a server on the loopback with small archives of the publishers' layouts."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.datasets import load_dataset
from tests.helpers.command import COMMAND, earmark_here
from tests.helpers.dataset_archives import SETS, packed, tar_bytes, write_table, zip_bytes
from tests.helpers.download_server import CONTENT, Server, cut, folder, names, running, status


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as made:
        yield made


def files(root: Path) -> dict[str, bytes]:
    """What is under a folder, without the records of downloads."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".downloads" not in path.parts
    }


class Offer:
    """A dataset as the server offers it: ``contents`` by name, and the options of the command that fetch it from there."""

    def __init__(self, name: str, place: Path, server: Server) -> None:
        self.name, self.server = name, server
        self.copy = place / "copy"
        self.contents, self.records = packed(name, self.copy)
        self.table = write_table(place / "table.toml", self.records, head(name))
        self.root = place / "root"
        self.options = ["--root", self.root, "--table", self.table, "--mirror", f"{server.address}/dir"]
        server.plan = [folder(self.contents)]

    def run(self, *more: str | Path) -> subprocess.CompletedProcess[str]:
        return earmark_here("data", "download", self.name, *self.options, *more)


def head(name: str) -> str:
    """Of a table: the set."""
    return '[sets.small]\nwhat = "some"\nprotocol = "small"\n' if name == "fma-small" else ""


@pytest.fixture
def offer(tmp_path: Path, server: Server) -> Offer:
    return Offer("fma-small", tmp_path, server)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_downloaded_it_passes_the_check(name: str, tmp_path: Path, server: Server) -> None:
    offer = Offer(name, tmp_path, server)
    done = offer.run()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no progress where stderr is no terminal
    assert done.stdout.index("licence: ") < done.stdout.index("downloaded")
    assert "cite: " in done.stdout
    assert "0 without a file" in done.stdout
    there = files(offer.root)
    assert there
    assert there.items() <= files(offer.copy).items()
    assert {path.suffix for path in (offer.root / ".downloads").iterdir()} == {".json"}  # no archives
    command = next(line for line in done.stdout.splitlines() if line.startswith("earmark data check"))
    checked = earmark_here(*command.split()[1:])
    assert checked.returncode == 0, checked.stdout
    server.requests.clear()
    again = offer.run()
    assert again.returncode == 0
    assert "was there already" in again.stdout
    assert server.requests == []


def test_annotations_alone_and_then_the_rest(offer: Offer) -> None:
    done = offer.run("--only", "annotations")
    assert done.returncode == 0, done.stderr
    assert names(offer.root) == {".downloads", "fma_metadata"}
    assert "clips" not in done.stdout  # not all of it is there: nothing to count
    offer.server.requests.clear()
    assert offer.run().returncode == 0
    assert [path for path, *_ in offer.server.requests] == ["/dir/fma_small.zip"]
    wrong = offer.run("--only", "pictures")
    assert wrong.returncode == 2
    assert "fma-small: no part pictures; it has: annotations, audio" in wrong.stderr


def test_a_dry_run_lists_and_writes_nothing(offer: Offer) -> None:
    done = offer.run("--dry-run")
    assert done.returncode == 0
    assert offer.server.requests == []
    assert not offer.root.exists()
    assert "licence: " in done.stdout
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    audio = next(row for row in rows if row[0] == "fma_small.zip")
    assert audio[1] == "audio"
    assert audio[3:] == ["SHA-1", "https://os.unil.cloud.switch.ch/fma/fma_small.zip"]
    assert "total: 2 files" in done.stdout
    assert offer.run("--only", "annotations").returncode == 0
    assert "fma_metadata.zip\tannotations\t" in (listed := offer.run("--dry-run").stdout)
    assert "SHA-1\tis there" in listed


def test_a_broken_connection_is_continued_by_the_same_command(offer: Offer) -> None:
    content = offer.contents["fma_small.zip"]
    offer.server.plan = [folder(offer.contents, {"fma_small.zip": [cut(1000, content), status(404)]})]
    done = offer.run()
    assert done.returncode == 1
    assert "1000 bytes are kept; the next attempt continues from there" in done.stderr
    assert names(offer.root) == {".downloads", "fma_metadata"}
    offer.server.requests.clear()
    assert offer.run().returncode == 0
    assert [asked for _, asked, _ in offer.server.requests] == ["bytes=1000-"]
    assert files(offer.root) == files(offer.copy)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_download_is_continued(offer: Offer, sent: signal.Signals) -> None:
    content = tar_bytes([("fma_metadata/noise", CONTENT)])
    offer.contents["noise.tar.gz"] = content
    record = {"url": "http://host/noise.tar.gz", "what": "noise", "about_bytes": len(content)}
    write_table(offer.table, [*offer.records, record], head(offer.name))
    offer.server.plan = [folder(offer.contents, {"noise.tar.gz": [cut(100_000, content, stall=True)]})]
    words = [*COMMAND, "data", "download", offer.name, *map(str, offer.options)]
    part = offer.root / ".downloads" / ".noise.tar.gz.part"
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (part.exists() and part.stat().st_size > 50_000):
            assert process.poll() is None
        process.send_signal(sent)
        _, stderr = process.communicate()
    if sent is signal.SIGINT:
        assert process.returncode == 130
        assert stderr == "earmark: stopped; the same command continues\n"
    assert names(offer.root) == {".downloads", "fma_metadata", "fma_small"}
    kept = part.stat().st_size
    offer.server.requests.clear()
    assert offer.run().returncode == 0
    assert offer.server.ranges == [f"bytes={kept}-"]
    assert files(offer.root) == files(offer.copy) | {"fma_metadata/noise": CONTENT}


def test_a_wrong_checksum_is_refused(offer: Offer) -> None:
    offer.contents["fma_small.zip"] = zip_bytes([("fma_small/000/000002.mp3", b"other")])
    done = offer.run()
    assert done.returncode == 1
    assert "not the published file: expected SHA-1 " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (offer.root / "fma_small").exists()
    assert names(offer.root / ".downloads") == {"fma_metadata.zip.json"}


def test_a_missing_file_is_reported(offer: Offer) -> None:
    del offer.contents["fma_metadata.zip"]
    offer.server.plan = [folder(offer.contents)]
    done = offer.run()
    assert done.returncode == 1
    assert "/dir/fma_metadata.zip: the server answered 404 Not Found" in done.stderr
    assert files(offer.root) == {}


def test_a_disk_that_is_too_small_is_refused_before_anything_is_done(offer: Offer) -> None:
    records = [record | ({"about_bytes": 10**17} if record["part"] == "audio" else {}) for record in offer.records]
    write_table(offer.table, records, head(offer.name))
    done = offer.run()
    assert done.returncode == 1
    assert "about 200,000,000,000,0" in done.stderr  # packed and unpacked
    assert "are free on this disk" in done.stderr
    assert offer.server.requests == []
    assert not offer.root.exists()
    assert offer.run("--only", "annotations").returncode == 0


@pytest.mark.slow
def test_a_disk_that_fills_up_is_reported_and_continued(offer: Offer) -> None:
    """A limit on the size of files, as of a quota: the archive is stored, but not a large file in it."""
    large = zip_bytes([("fma_metadata/raw.csv", bytes(3_000_000))])
    record = {"url": "http://host/large.zip", "what": "more", "part": "more", "about_bytes": len(large)}
    offer.contents["large.zip"] = large
    write_table(offer.table, [*offer.records, record], head(offer.name))
    limited = subprocess.run(
        [*COMMAND, "data", "download", offer.name, *map(str, offer.options)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY)),
        env={**os.environ, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert limited.returncode == 1
    assert (
        "File too large; what is there is kept, and the same command continues where there is space" in limited.stderr
    )
    assert not list(offer.root.rglob("*.part"))
    assert names(offer.root) == {".downloads", "fma_metadata", "fma_small"}
    offer.server.requests.clear()
    assert offer.run().returncode == 0
    assert offer.server.requests == []  # the archive was there
    assert (offer.root / "fma_metadata" / "raw.csv").stat().st_size == 3_000_000


@pytest.mark.parametrize("archive", ["evil.zip", "evil.tar.gz"])
def test_an_archive_that_leads_out_of_the_folder_is_refused(offer: Offer, archive: str) -> None:
    entries = [("../evil", b"evil")]
    offer.contents[archive] = zip_bytes(entries) if archive == "evil.zip" else tar_bytes(entries)
    write_table(offer.table, [{"url": f"http://host/{archive}", "what": "evil"}], head(offer.name))
    done = offer.run()
    assert done.returncode == 1
    assert "'../evil' would be written outside of" in done.stderr
    assert not list(offer.root.parent.rglob("evil"))


def test_what_is_there_stays(offer: Offer) -> None:
    mine = offer.root / "fma_small" / "000" / "000002.mp3"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    done = offer.run()
    assert done.returncode == 1
    assert (
        f"other contents; they were left as they are: move them away, and the same command continues\nearmark:   {mine}"
        in done.stderr
    )
    assert mine.read_bytes() == b"mine"
    offer.server.requests.clear()
    mine.write_bytes(files(offer.copy)["fma_small/000/000002.mp3"])
    assert offer.run().returncode == 0
    assert offer.server.requests == []


def test_a_file_that_went_away_is_downloaded_again(offer: Offer) -> None:
    assert offer.run().returncode == 0
    (offer.root / "fma_small" / "000" / "000002.mp3").unlink()
    offer.server.requests.clear()
    assert offer.run().returncode == 0
    assert [path for path, *_ in offer.server.requests] == ["/dir/fma_small.zip"]
    assert files(offer.root) == files(offer.copy)


def test_archives_are_taken_from_a_folder_and_kept_there(offer: Offer, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    done = offer.run("--mirror", shelf)
    assert done.returncode == 1
    assert f"{shelf / 'fma_metadata.zip'}: is not there" in done.stderr
    for name, content in offer.contents.items():
        (shelf / name).write_bytes(content)
    assert offer.run("--mirror", shelf).returncode == 0
    assert names(shelf) == set(offer.contents)
    assert offer.server.requests == []
    assert files(offer.root) == files(offer.copy)
    nowhere = offer.run("--mirror", tmp_path / "none")
    assert nowhere.returncode == 2
    assert "must be a folder, or the address of one" in nowhere.stderr


def test_archives_can_be_kept(offer: Offer) -> None:
    assert offer.run("--keep-archives").returncode == 0
    assert {"fma_small.zip", "fma_metadata.zip"} <= names(offer.root / ".downloads")


@pytest.mark.slow
def test_lists_of_many_archives(tmp_path: Path, server: Server) -> None:
    import hashlib

    from tests.helpers.dataset_archives import entries_of
    from tests.helpers.dataset_folders import write_mtg_jamendo

    copy = write_mtg_jamendo(tmp_path / "copy")
    tars = {
        f"part-0{i}.tar": tar_bytes([(f"0{i}/{i}.mp3", (copy / "audio" / f"0{i}" / f"{i}.mp3").read_bytes())], "w")
        for i in (1, 2, 3)
    }
    contents = {"data.zip": zip_bytes(entries_of(copy, ["data"])), **tars}
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in tars.items()]
    (tmp_path / "tars.sha256").write_text("".join(sums))
    table = write_table(
        tmp_path / "table.toml",
        [
            {"url": "data.zip", "what": "lists", "part": "annotations"},
            {
                "url": "audio/",
                "list": "tars.sha256",
                "what": "audio",
                "part": "audio",
                "into": "audio",
                "about_bytes": 9_000,
            },
        ],
        f'protocol = "genre-split1"\n\n[common]\nbase = "{server.address}/"\nsource = "a test"',
    )
    server.plan = [folder(contents)]
    root = tmp_path / "root"
    done = earmark_here("data", "download", "mtg_jamendo", "--root", root, "--table", table)
    assert done.returncode == 0, done.stderr
    assert [path for path, *_ in server.requests] == ["/data.zip", *(f"/audio/part-0{i}.tar" for i in (1, 2, 3))]
    assert files(root) == files(copy)
    assert "mtg_jamendo (genre-split1): 3 clips" in done.stdout
    assert load_dataset("mtg_jamendo", root, "genre-split1").counts == {"train": 1, "validation": 1, "test": 1}


def test_what_cannot_be_downloaded_says_so(tmp_path: Path) -> None:
    for name, said in (
        ("extended_ballroom", "http://anasynth.ircam.fr/home/media/ExtendedBallroom"),
        ("gtzan", "answers no longer"),
    ):
        done = earmark_here("data", "download", name, "--root", tmp_path / "new")
        assert done.returncode == 1
        assert said in done.stderr
        assert "licence: " in done.stdout
    assert not (tmp_path / "new").exists()
    assert (
        "The dataset has no audio"
        in earmark_here("data", "download", "msd-lee", "--root", tmp_path, "--dry-run").stdout
    )


def test_names(tmp_path: Path) -> None:
    listed = earmark_here("data", "download")
    assert listed.returncode == 0
    rows = {line.split("\t")[0]: line.split("\t")[3] for line in listed.stdout.splitlines()}
    assert rows["fma-small"] == rows["mtg_jamendo-moodtheme-low"] == rows["openmic"] == "yes"
    assert rows["gtzan"] == rows["extended_ballroom"] == "no"
    for name, said in (
        ("fma", "must be one of fma-small, fma-medium, fma-large"),
        ("fma-huge", "must be one of fma-small"),
        ("openmic-small", "has no sets"),
        ("openmik", "did you mean openmic"),
        ("manifest", "nothing of it can be downloaded"),
    ):
        done = earmark_here("data", "download", name, "--root", tmp_path)
        assert done.returncode == (1 if name == "manifest" else 2), done.stderr
        assert said in done.stderr
    no_root = earmark_here("data", "download", "fma-small")
    assert no_root.returncode == 2
    assert "--root" in no_root.stderr
    same = earmark_here("data", "download", "MTG-jamendo-full".lower(), "--root", tmp_path, "--dry-run")
    assert same.returncode == 0
    assert "101 files, 508.00 GB, and 1 file of unknown size" in same.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[files]]\nurl = 'http://host/x'\nwhat = 'x'\nsize = 3", "unexpected keyword argument 'size'"),
        ("[[files]]\nwhat = 'x'", "url"),
        ("[[files]]\nurl = 'x'\nwhat = 'x'\nsets = ['a']", "sets a, which are not in"),
        ("files = [", "not a table of downloads"),
        ("other = 1", "other"),
    ],
)
def test_tables_with_mistakes(tmp_path: Path, text: str, said: str) -> None:
    table = tmp_path / "table.toml"
    table.write_text(text)
    done = earmark_here("data", "download", "openmic", "--root", tmp_path, "--table", table)
    assert done.returncode == 1
    assert done.stderr.startswith(f"earmark: {table}: ")
    assert said in done.stderr


def test_show_as_json_has_every_file() -> None:
    shown = json.loads(earmark_here("data", "show", "fma", "--format", "json").stdout)
    assert [file["url"].rpartition("/")[2] for file in shown["downloads"]] == [
        *("fma_metadata.zip", "fma_small.zip", "fma_medium.zip", "fma_large.zip")
    ]
    assert shown["downloads"][1]["sha1"] == "ade154f733639d52e35e32f5593efe5be76c6d70"
    assert list(shown["download_sets"]) == ["small", "medium", "large"]

"""Archives unpacked: whole, resumed, damaged, hostile."""

from __future__ import annotations

import functools
import io
import shutil
import struct
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from earmark.core.archives import is_archive, unpack
from earmark.core.errors import DataError
from tests.helpers.dataset_archives import Entry, pieces, split_zip, tar_bytes, zip_bytes
from tests.helpers.download_server import names

NOISE = np.random.default_rng(0)
ENTRIES: list[Entry] = [
    ("a/1.mp3", NOISE.bytes(70_000)),
    ("a/2.mp3", NOISE.bytes(300_000)),
    ("b/c/3.csv", b"x,y\n" * 50_000),
    ("empty", b""),
]
SIZES = {name: len(content) for name, content in ENTRIES}


def written(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@functools.cache
def forms() -> dict[str, dict[str, bytes]]:
    whole = zip_bytes(ENTRIES)
    volumes = split_zip(whole, 3)
    return {
        "zip": {"x.zip": whole},
        "zip with bzip2": {"x.zip": zip_bytes(ENTRIES, zipfile.ZIP_BZIP2)},
        "zip in pieces": {f"x.zip.{i:03d}": piece for i, piece in enumerate(pieces(whole, 3), start=1)},
        "split zip": {"x.zip": volumes[2], "x.z01": volumes[0], "x.z02": volumes[1]},
        "split, stored": dict(
            zip(("x.z01", "x.zip"), split_zip(zip_bytes(ENTRIES, zipfile.ZIP_STORED), 2), strict=True)
        ),
        "tar": {"x.tar": tar_bytes(ENTRIES, "w")},
        "tar.gz": {"x.tar.gz": tar_bytes(ENTRIES)},
        "tgz": {"x.tgz": tar_bytes(ENTRIES)},
        "tar.bz2": {"x.tar.bz2": tar_bytes(ENTRIES, "w:bz2")},
        "tar.xz": {"x.tar.xz": tar_bytes(ENTRIES, "w:xz")},
    }


@pytest.mark.parametrize("form", forms())
def test_every_form_is_unpacked_and_again_changes_nothing(form: str, tmp_path: Path) -> None:
    volumes = written(tmp_path / "archive", forms()[form])
    assert all(is_archive(path.name) for path in volumes)
    seen: list[tuple[int, int]] = []
    out = tmp_path / "out"
    assert unpack(volumes, out, on_progress=lambda done, total: seen.append((done, total))) == SIZES
    assert files(out) == dict(ENTRIES)
    assert seen == sorted(seen)
    assert seen[-1][0] <= seen[-1][1]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    (out / "a" / "2.mp3").unlink()
    assert unpack(volumes, out) == SIZES
    assert files(out) == dict(ENTRIES)
    again = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name != "2.mp3"}
    assert again.items() <= before.items()


@pytest.mark.skipif(shutil.which("zip") is None, reason="needs Info-ZIP")
def test_volumes_of_info_zip(tmp_path: Path) -> None:
    for name, content in ENTRIES:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    subprocess.run(["zip", "-q", "-r", "-s", "128k", tmp_path / "x.zip", "."], cwd=tmp_path / "in", check=True)
    volumes = sorted(tmp_path.glob("x.z*"))
    assert [path.name for path in volumes] == ["x.z01", "x.z02", "x.zip"]
    assert unpack(volumes, tmp_path / "out") == SIZES
    assert files(tmp_path / "out") == dict(ENTRIES)
    locator = b"PK\6\7" + struct.pack("<LQL", 1, 0, 3)  # of a directory in Zip64's form, in the second of three volumes
    content = volumes[-1].read_bytes()
    end = content.rfind(b"PK\5\6")
    volumes[-1].write_bytes(content[:end] + locator + content[end:])
    with pytest.raises(DataError, match="multiple disks are not supported; 7-Zip reads"):
        unpack(volumes, tmp_path / "third")


def test_a_folder_of_the_archive_is_left_out(tmp_path: Path) -> None:
    entries = [("top/a/1", b"one"), ("top/2", b"two"), ("other/3", b"three")]
    (volume,) = written(tmp_path / "archive", {"x.zip": zip_bytes(entries)})
    assert unpack([volume], tmp_path / "out", strip="top") == {"a/1": 3, "2": 3, "other/3": 5}
    assert files(tmp_path / "out") == {"a/1": b"one", "2": b"two", "other/3": b"three"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:/evil"])
@pytest.mark.parametrize("form", ["x.zip", "x.tar"])
def test_names_that_lead_out_of_the_folder_are_refused(name: str, form: str, tmp_path: Path) -> None:
    entries = [("good", b"good"), (name, b"evil")]
    content = zip_bytes(entries) if form == "x.zip" else tar_bytes(entries, "w")
    (volume,) = written(tmp_path / "archive", {form: content})
    with pytest.raises(DataError, match="would be written outside of"):
        unpack([volume], tmp_path / "deep" / "out")
    left = files(tmp_path)
    assert left.keys() <= {f"archive/{form}", "deep/out/good"}
    assert ("deep/out/good" in left) == (form == "x.tar")  # a ZIP's names are known before anything is written


def test_links_are_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind, name in ((tarfile.SYMTYPE, "link"), (tarfile.REGTYPE, "link/evil")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(tmp_path)
            archive.addfile(info)
    (volume,) = written(tmp_path / "archive", {"x.tar": out.getvalue()})
    with pytest.raises(DataError, match="'link' is a link"):
        unpack([volume], tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        zipped.writestr(link, str(tmp_path))
    with pytest.raises(DataError, match="'link' is a link"):
        unpack([tmp_path / "x.zip"], tmp_path / "out")
    assert not (tmp_path / "out" / "link").exists()


@pytest.mark.parametrize("form", forms())
def test_what_is_there_with_other_contents_stays_and_is_named(form: str, tmp_path: Path) -> None:
    volumes = written(tmp_path / "archive", forms()[form])
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / "a" / "1.mp3").write_bytes(b"mine")
    (out / "a" / "2.mp3").write_bytes(bytes(SIZES["a/2.mp3"]))  # as long, but other bytes
    with pytest.raises(DataError, match=r"2 of its files are in .* with other contents") as caught:
        unpack(volumes, out)
    assert str(out / "a" / "1.mp3") in str(caught.value)
    assert (out / "a" / "1.mp3").read_bytes() == b"mine"
    assert (out / "b" / "c" / "3.csv").read_bytes() == ENTRIES[2][1]


@pytest.mark.parametrize("form", forms())
def test_damage_is_reported_and_leaves_no_part(form: str, tmp_path: Path) -> None:
    contents = forms()[form]
    largest = max(contents, key=lambda name: len(contents[name]))
    damaged = bytearray(contents[largest])
    middle = len(damaged) // 2
    damaged[middle : middle + 64] = bytes(64)
    volumes = written(tmp_path / "archive", contents | {largest: bytes(damaged)})
    out = tmp_path / "out"
    if form == "tar":  # has no checksums of contents
        unpack(volumes, out)
        return
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(volumes, out)
    assert not list(out.rglob("*.part"))
    if "zip" in form:  # in a TAR only the whole has a checksum, at its end
        assert all(content == dict(ENTRIES)[name] for name, content in files(out).items())


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.z01"])
@pytest.mark.parametrize("content", [b"", b"please login", bytes(5000)])
def test_what_is_no_archive_is_reported(name: str, content: bytes, tmp_path: Path) -> None:
    (volume,) = written(tmp_path / "archive", {name: content})
    if name == "x.tar.gz" and content == bytes(5000):
        assert unpack([volume], tmp_path / "out") == {}  # an empty archive is nothing but zeros
        return
    with pytest.raises(DataError, match=f"{name}: cannot be unpacked"):
        unpack([volume], tmp_path / "out")


def test_a_zip_larger_than_the_disk_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    content = bytearray(zip_bytes([("a", b"small"), ("b", b"huge")]))
    entry = content.rfind(b"PK\1\2")
    content[entry + 24 : entry + 28] = b"\xfe\xff\xff\xff"  # it says that it takes 4 GiB
    volumes = written(tmp_path / "archive", {"x.zip": bytes(content)})
    free = shutil.disk_usage(tmp_path).free
    if free > 0xFFFF_FFFE:
        entries = [(f"{i}", b"") for i in range(free // 0xFFFF_FFFE + 2)]
        content = bytearray(zip_bytes(entries))
        place = content.find(b"PK\1\2")
        while place >= 0:
            content[place + 24 : place + 28] = b"\xfe\xff\xff\xff"
            place = content.find(b"PK\1\2", place + 4)
        volumes = written(tmp_path / "archive", {"x.zip": bytes(content)})
    with pytest.raises(DataError, match=r"unpacked it takes [\d,]+ bytes, [\d,]+ are free"):
        unpack(volumes, tmp_path / "out")
    assert names(tmp_path / "out") == set()

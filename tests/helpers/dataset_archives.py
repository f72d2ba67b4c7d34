"""Small copies of datasets as their publishers pack them: the archives of the tables of downloads, and such a table."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from earmark.datasets.downloads import Download, find_downloads
from tests.helpers import dataset_folders

Entry = tuple[str, bytes]

CONTENTS: dict[str, tuple[str, ...]] = {
    "fma_metadata.zip": ("fma_metadata",),
    "fma_small.zip": ("fma_small",),
    "openmic-2018-v1.0.0.tgz": ("",),
    "genres.tar.gz": ("genres",),
    "mp3.zip": tuple("0123456789abcdef"),
    "annotations.tar.gz": ("annotations",),
    "clips_45sec.tar.gz": ("clips_45seconds",),
    **{f"nsynth-{part}.jsonwav.tar.gz": (f"nsynth-{part}",) for part in ("train", "valid", "test")},
    **{f"FSD50K.{part}.zip": (f"FSD50K.{part}",) for part in ("ground_truth", "metadata", "dev_audio", "eval_audio")},
}
"""Archive -> which folders of the dataset are in it."""

PREFIX = {"openmic-2018-v1.0.0.tgz": "openmic-2018/"}
"""Archive -> the folder in which its contents are."""

# Emotify's public layout has all of its 400 songs, MSD no audio, and MTG-Jamendo's many archives have a test of their own.
SETS = ("emomusic", "fma-small", "fsd50k_music", "gtzan", "magnatagatune", "nsynth", "openmic")


def zip_bytes(entries: Iterable[Entry], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def tar_bytes(entries: Iterable[Entry], mode: str = "w:gz") -> bytes:
    """A TAR, with an entry for each folder as tar itself writes them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        folders: set[str] = set()
        for name, content in entries:
            if (folder := name.rpartition("/")[0]) and folder not in folders:
                folders.add(folder)
                info = tarfile.TarInfo(folder)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def split_zip(whole: bytes, n_volumes: int) -> list[bytes]:
    """A ZIP split as by ``zip -s`` (APPNOTE 8): a signature in front, entries counted from their own volume."""
    whole = b"PK\7\x08" + whole
    step = -(-len(whole) // n_volumes)
    end = whole.rfind(b"PK\5\6")
    n_entries, _, directory = struct.unpack_from("<HLL", whole, end + 10)
    content, place = bytearray(whole), directory + 4
    step = min(step, place - 1)  # the directory is in one volume: the last
    volume_of_directory = min(place // step, n_volumes - 1)
    for _ in range(n_entries):
        name, extra, comment = struct.unpack_from("<3H", content, place + 28)
        offset = struct.unpack_from("<L", content, place + 42)[0] + 4
        volume = min(offset // step, n_volumes - 1)
        struct.pack_into("<H", content, place + 34, volume)
        struct.pack_into("<L", content, place + 42, offset - volume * step)
        place += 46 + name + extra + comment
    struct.pack_into("<2H", content, end + 4, n_volumes - 1, volume_of_directory)
    struct.pack_into("<L", content, end + 16, directory + 4 - volume_of_directory * step)
    cuts = [*range(0, step * n_volumes, step), len(content)]
    return [bytes(content[a:b]) for a, b in itertools.pairwise(cuts)]


def pieces(whole: bytes, n: int) -> list[bytes]:
    """A file cut into pieces."""
    step = -(-len(whole) // n)
    return [whole[start : start + step] for start in range(0, len(whole), step)]


def entries_of(root: Path, folders: Sequence[str], prefix: str = "") -> list[Entry]:
    """All files in some folders of a root."""
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*") if path.is_file())
    return [(prefix + path.relative_to(root).as_posix(), path.read_bytes()) for path in paths]


def packed(name: str, folder: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The files that publishers of a dataset offer, with the contents of a small copy.

    Args:
        name: one of :data:`SETS`.
        folder: for the copy.

    Returns:
        File -> content; and the records of a table, with the sizes and checksums of these files.
    """
    info, set_name, table = find_downloads(name)
    if info.name == "fma":
        root = dataset_folders.write_fma(folder, "small")
    else:
        root = dataset_folders.FOLDERS[info.name](folder)
    volumes: dict[str, list[Download]] = {}
    for file in table.select(set_name):
        volumes.setdefault(file.archive_name, []).append(file)
    contents: dict[str, bytes] = {}
    for archive, files in volumes.items():
        if archive not in CONTENTS:
            contents[archive] = (root / archive).read_bytes()
            continue
        entries = entries_of(root, CONTENTS[archive], PREFIX.get(archive, ""))
        if not archive.endswith(".zip"):
            parts = [tar_bytes(entries)]
        elif len(files) == 1:
            parts = [zip_bytes(entries, zipfile.ZIP_BZIP2 if archive == "fma_small.zip" else zipfile.ZIP_DEFLATED)]
        elif files[0].name.endswith(".001"):
            parts = pieces(zip_bytes(entries), len(files))
        else:
            parts = split_zip(zip_bytes(entries), len(files))
        names = sorted((file.name for file in files), key=lambda name: (name.endswith(".zip"), name))
        contents |= dict(zip(names, parts, strict=True))
    return contents, [record(file, contents[file.name]) for files in volumes.values() for file in files]


def record(file: Download, content: bytes) -> dict[str, Any]:
    """A record of a table: that of the real one, with the size and the checksum of another content."""
    kind = (file.checksum or "").partition(":")[0]
    sums = {kind: hashlib.new(kind, content).hexdigest()} if kind else {}
    size = {"n_bytes": len(content)} if file.n_bytes else {"about_bytes": len(content)}
    kept = {key: getattr(file, key) for key in ("what", "part", "archive", "into", "strip")}
    return {"url": file.url, **{key: value for key, value in kept.items() if value}, **size, **sums}


def write_table(path: Path, files: Iterable[dict[str, Any]], head: str = "") -> Path:
    """A table of downloads."""
    records = [
        "\n".join(["[[files]]", *(f"{key} = {json.dumps(value)}" for key, value in file.items())]) for file in files
    ]
    path.write_text("\n\n".join([head, *records]) + "\n", encoding="utf-8")
    return path

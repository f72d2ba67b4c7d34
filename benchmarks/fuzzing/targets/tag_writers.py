"""The tag writers: write into a mutated file, read back, undo."""

from __future__ import annotations

import io
import shutil
import zlib
from pathlib import Path
from random import Random

import mutagen
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, COMM, ID3, TCON, TIT2, TXXX
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm
from tests.helpers import tagged

from earmark.core.errors import FileTagsError
from earmark.library.tagfiles.formats import open_tags, probe_format
from earmark.library.tagfiles.formats.base import FIELDS
from earmark.library.tagfiles.undo import plan_undo, undo_file
from earmark.library.tagfiles.undo_log import UndoLog, read_log
from earmark.library.tagfiles.write import Request, read_state, write_tags
from earmark.library.tagfiles.write import Target as NewValues
from fuzzing.audio_files import encoded_files
from fuzzing.mutation import mutate
from fuzzing.target import Case, Target, WrongResultError

APE_SUFFIXES = (".wv", ".ape", ".mpc", ".aac")
SUFFIXES = (".mp3", ".flac", ".ogg", ".opus", ".oga", ".m4a", ".aiff", ".aifc", ".wav", ".wma", *APE_SUFFIXES)
V1 = b"TAG" + b"Loose".ljust(124, b"\0") + b"\x11"
SECONDS = 0.15
WORDS = ("Rock", "Chanson française", "夜", "a; b", "x/y", "(17)", "=", "rock=0.912", "R&B\u0301", "\U0001f3b5", "a\nb")


def decorated(suffix: str, content: bytes, version: int) -> bytes:
    """The file with tags of other programs."""
    if suffix in APE_SUFFIXES:
        return tagged.without_ape_tag(content) + ape_tag(version)
    file = io.BytesIO(content)
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(100))
    read = mutagen.File(file)
    if read is None:
        return content
    file.seek(0)
    if suffix in (".mp3", ".wav", ".aiff", ".aifc"):
        frames = [
            TIT2(encoding=1, text="Ænglisc"),
            TCON(encoding=3 if version == 4 else 1, text=["Rock", "(17)"]),
            COMM(encoding=0, lang="eng", desc="", text="a comment"),
            TXXX(encoding=1, desc="MOOD", text="Wild"),
            APIC(encoding=0, mime="image/png", type=3, desc="front", data=picture),
        ]
        if suffix == ".mp3":
            tags = ID3()
        else:
            if read.tags is None:
                read.add_tags()
            tags = read.tags
        for frame in frames:
            tags.add(frame)
        (tags if suffix == ".mp3" else read).save(file, v2_version=version)
        return file.getvalue()
    if read.tags is None:
        read.add_tags()
    if isinstance(read, MP4):
        read["\xa9gen"] = ["Tango"]
        read["covr"] = [MP4Cover(picture, MP4Cover.FORMAT_PNG)]
        read["----:com.apple.iTunes:MOOD"] = [MP4FreeForm("ü".encode())]
    elif suffix == ".wma":
        read["WM/Genre"], read["WM/Mood"] = ["Tango", "Söul"], ["Wild"]
    else:
        read["GENRE"], read["odd key"] = ["Tango", "Söul"], ["a=b"]
        if isinstance(read, FLAC):
            cover = Picture()
            cover.data, cover.type, cover.mime = picture, 3, "image/png"
            read.add_picture(cover)
    read.save(file)
    return file.getvalue()


def ape_tag(version: int) -> bytes:
    """An APEv2 tag with items of every kind; of "version" 3 without a header, and with an ID3v1 tag behind it."""
    items = [
        tagged.ape_item("Genre", b"Tango\0S\xc3\xb6ul"),
        tagged.ape_item("Title", b"t"),
        tagged.ape_item("GENRE", b"again"),
        tagged.ape_item("Year", b"1999", tagged.READ_ONLY),
        tagged.ape_item("Cover Art (Front)", b"x.png\0" + bytes(range(100)), tagged.BINARY),
    ]
    return tagged.ape_tag(*items) if version == 4 else tagged.ape_tag(*items, header=False) + V1


def own_values(path: Path) -> dict[str, tuple[str, ...]]:
    """The values that earmark reads itself; FFmpeg may read more, once a damaged tag is written anew."""
    with path.open("rb") as file:
        return dict(open_tags(file, probe_format(path)).all_values())


class TagWriters(Target):
    """``write_tags`` and ``undo_file`` on a mutated file, values chosen by its checksum."""

    name = "tags"
    title = "Tag writers (`earmark.library.tagfiles`)"
    expected = "written values read back, the former ones after undo, or FileTagsError and an unchanged file"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        self.files = []
        for suffix, content in encoded_files(SECONDS, SUFFIXES):
            self.files += [(suffix, content), (suffix, decorated(suffix, content, 4))]
            if suffix in (".mp3", ".wav", ".aiff", *APE_SUFFIXES):
                self.files.append((suffix, decorated(suffix, content, 3)))
            if suffix == ".aac":
                title = tagged.id3_frame(b"TIT2", b"\3From ID3", 4)
                self.files.append((suffix, tagged.id3_tag(4, title) + content))
        self.contents = [content for _, content in self.files]

    def generate(self, rng: Random) -> Case:
        suffix, content = rng.choice(self.files)
        return Case(f"song{suffix}", content if rng.random() < 0.02 else mutate(content, rng, self.contents))

    def check(self, case: Case) -> str:
        folder = self.folder / "songs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        path = folder / case.name
        path.write_bytes(case.content)
        rng = Random(zlib.crc32(case.content))
        fields = rng.sample(FIELDS, rng.randint(1, 4))
        targets = {name: NewValues(tuple(rng.sample(WORDS, rng.randint(1, 3)))) for name in fields}
        try:
            read_state(path)
            before = own_values(path)
        except FileTagsError:
            self._unchanged(path, case.content, "read")
            return "refused to read"
        mtime_ns = path.stat().st_mtime_ns
        log = folder / "log.jsonl"
        try:
            with UndoLog(log) as opened:
                write_tags(path, Request(targets), opened)
                opened.finish()
        except FileTagsError:
            self._unchanged(path, case.content, "refused to write")
            return "refused to write"
        after = read_state(path).values
        for name, target in targets.items():
            if after[name] != target.values:
                raise WrongResultError(
                    "written values are read back otherwise", f"{name} {target.values} {after[name]}"
                )
        (entry,) = read_log(log)[-1].entries
        undo = plan_undo(entry)
        if undo.conflicts:
            raise WrongResultError("a conflict right after writing", undo.conflicts[0])
        with UndoLog(log, "undo", read_log(log)[-1].name) as opened:
            undo_file(undo, opened)
        if entry.is_exact and path.read_bytes() != case.content:
            raise WrongResultError("other bytes after undo than the log promises")
        if path.stat().st_mtime_ns != mtime_ns:
            raise WrongResultError("another modification time after undo")
        again = own_values(path)
        if again != before:
            raise WrongResultError("other values after undo", f"{before} {again}")
        if [each.name for each in folder.iterdir() if each.name.startswith(".")]:
            raise WrongResultError("a temporary file is left")
        return "written, undone to the byte" if path.read_bytes() == case.content else "written and undone"

    def _unchanged(self, path: Path, content: bytes, when: str) -> None:
        if path.read_bytes() != content:
            raise WrongResultError(f"the file was changed when {when}")
        left = [each.name for each in path.parent.iterdir() if each.name.startswith(".") and each.suffix == path.suffix]
        if left:
            raise WrongResultError(f"a temporary file is left when {when}", left[0])

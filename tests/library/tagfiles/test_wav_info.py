"""WAV files with a LIST INFO chunk, and those that cannot be written to."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import pytest
import taglib

from earmark.core.errors import FileTagsError
from earmark.library.tagfiles.undo import plan_undo, undo_file
from earmark.library.tagfiles.undo_log import UndoLog, read_log
from earmark.library.tagfiles.write import Request, Target, read_state, write_tags
from tests.helpers import sounds, tagged

TITLE, ARTIST = (b"INAM", b"Loose Wires\0"), (b"IART", b"Someb\xc3\xb6dy\0")


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def info(*fields: tuple[bytes, bytes], end: int | None = None) -> bytes:
    return chunk(b"LIST", (b"INFO" + b"".join(chunk(*field) for field in fields))[:end])


def wav(path: Path, before: bytes = b"", after: bytes = b"") -> Path:
    """A WAV with chunks before and after its samples."""
    plain = sounds.write_int_wav(path, sounds.music(1, 8_000)[0], 8_000).read_bytes()
    content = b"WAVE" + plain[12:36] + before + plain[36:] + after
    path.write_bytes(b"RIFF" + struct.pack("<I", len(content)) + content)
    return path


def write(path: Path, genre: tuple[str, ...] = ("Söul", "Rock")) -> Path:
    log = path.with_name("log.jsonl")
    with UndoLog(log) as open_log:
        write_tags(path, Request({"genre": Target(genre), "scores": Target(("soul=0.900",))}), open_log)
    return log


def take_back(log: Path) -> None:
    (entry,) = read_log(log)[-1].entries
    undo = plan_undo(entry)
    assert not undo.conflicts
    with UndoLog(log, "undo", read_log(log)[-1].name) as open_log:
        undo_file(undo, open_log)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (info(TITLE, ARTIST), b""),
        (b"", info(TITLE, ARTIST)),
        (info(TITLE, (b"IGNR", b"Tango\0"), ARTIST), b""),
        (b"", info((b"IGNR", b"Tango"), TITLE)),
        (info(TITLE), info(ARTIST, (b"IGNR", b"Tango\0"))),
        (info(TITLE, (b"IGNR", b"Odd\0\0")), chunk(b"cue ", b"\1" * 28)),
        (info(TITLE, (b"ICMT", b"odd"), end=-1), b""),
        (info(), chunk(b"bext", b"x" * 603)),
    ],
)
def test_info_gets_the_genre_and_comes_back_byte_for_byte(before: bytes, after: bytes, tmp_path: Path) -> None:
    path = wav(tmp_path / "song.wav", before, after)
    as_it_was, packets = path.read_bytes(), tagged.packets(path)
    log = write(path)
    assert tagged.packets(path) == packets
    content = path.read_bytes()
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    for name, text in (TITLE, ARTIST):
        assert content.count(chunk(name, text)) == as_it_was.count(chunk(name, text))
    assert content.count(b"IGNR") == 1
    assert tagged.ffmpeg_metadata(path)["GENRE"] == "Söul"
    assert read_state(path).values["genre"] == ("Söul", "Rock")
    with taglib.File(str(path)) as file:
        assert file.tags["GENRE"] == ["Söul", "Rock"]
    take_back(log)
    assert path.read_bytes() == as_it_was


def test_a_large_file_is_moved_block_by_block(tmp_path: Path) -> None:
    path = wav(tmp_path / "song.wav", info(TITLE), chunk(b"junk", bytes(range(256)) * 10_000))
    as_it_was = path.read_bytes()
    log = write(path)
    assert as_it_was[100:] in path.read_bytes()
    take_back(log)
    assert path.read_bytes() == as_it_was


def test_another_programs_title_survives_the_undo(tmp_path: Path) -> None:
    path = wav(tmp_path / "song.wav", after=info((b"IGNR", b"Tango\0"), TITLE))
    log = write(path)
    path.write_bytes(path.read_bytes().replace(b"Loose Wires", b"Tight Ropes"))
    take_back(log)
    assert path.read_bytes() == wav(path, after=info((b"IGNR", b"Tango\0"), (b"INAM", b"Tight Ropes\0"))).read_bytes()


def test_without_info_there_is_none_afterwards(tmp_path: Path) -> None:
    path = wav(tmp_path / "song.wav")
    write(path)
    assert b"INFO" not in path.read_bytes()
    assert read_state(path).values["genre"] == ("Söul", "Rock")


def test_a_damaged_list_stays_with_a_note(tmp_path: Path) -> None:
    damaged = chunk(b"LIST", b"INFOINAM" + struct.pack("<I", 400) + b"Lo")
    path = wav(tmp_path / "song.wav", damaged)
    as_it_was = path.read_bytes()
    assert "INFO list is damaged and stays as it is" in "".join(read_state(path).notes)
    log = write(path)
    assert damaged in path.read_bytes()
    take_back(log)
    assert path.read_bytes() == as_it_was


class Pipe(io.RawIOBase):
    """A file that cannot seek."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.content += bytes(data)
        return len(data)


def muxed(out: object, **options: str) -> None:
    samples = sounds.music(0.5, 8_000)
    with av.open(out, "w", format="wav", options=options) as container:
        stream = container.add_stream("pcm_s16le", rate=8_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 8_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_true_reasons_for_files_that_cannot_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    muxed(str(path), rf64="always")
    with pytest.raises(FileTagsError, match=r"not written into RF64 \(WAV with 64-bit sizes\)"):
        read_state(path)
    pipe = Pipe()
    muxed(pipe)
    path.write_bytes(pipe.content)
    with pytest.raises(FileTagsError, match=r"because it was written into a pipe.* IN\.wav -c copy OUT\.wav"):
        read_state(path)
    whole = wav(path).read_bytes()
    for riff, data in ((0, 0), (0x7FFFF024, 0x7FFFF000), (0x80000024, 0x7FFFFFFF), (len(whole) - 8, 0xFFFFFFFF)):
        path.write_bytes(whole[:4] + struct.pack("<I", riff) + whole[8:40] + struct.pack("<I", data) + whole[44:])
        with pytest.raises(FileTagsError, match="written into a pipe"):
            read_state(path)
    path.write_bytes(whole[:-5_000])
    with pytest.raises(FileTagsError, match="cut off: its header declares 16,000 bytes of audio"):
        read_state(path)
    aiff = sounds.write(tmp_path / "song.aiff", sounds.music(0.5, 8_000), 8_000).read_bytes()
    at = aiff.index(b"SSND") + 4
    sox = aiff[:4] + struct.pack(">I", 0x7FFFF02E) + aiff[8:at] + struct.pack(">I", 0x7FFFF008) + aiff[at + 4 :]
    (tmp_path / "song.aiff").write_bytes(sox)
    with pytest.raises(FileTagsError, match="written into a pipe.* by the program that made it"):
        read_state(tmp_path / "song.aiff")

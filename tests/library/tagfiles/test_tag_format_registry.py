"""The registry of tag formats: a new one is one class, which then writes, checks and undoes like the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar

import pytest
import soundfile

from earmark.core.errors import ConfigError, FileTagsError
from earmark.library.tagfiles.formats.base import (
    FIELDS,
    TAG_FORMATS,
    Digest,
    Field,
    FileTags,
    FormatInfo,
    TagsError,
    Values,
    find_tag_format,
    register_tag_format,
    size_of,
)
from earmark.library.tagfiles.undo import plan_undo, undo_file
from earmark.library.tagfiles.undo_log import UndoLog, read_log
from earmark.library.tagfiles.write import Request, Target, read_state, write_tags
from tests.helpers import sounds


@pytest.fixture
def registry() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    with TAG_FORMATS.temporary():
        yield


class AuTags(FileTags):
    """Sun audio: lines ``name=value`` in the annotation between header and samples."""

    names: ClassVar[Mapping[Field, tuple[str, ...]]] = {field: (field.upper(),) for field in FIELDS}
    kind = "AU"

    def __init__(self, file: BinaryIO, _: FormatInfo) -> None:
        file.seek(0)
        self.header = file.read(24)
        self.start = int.from_bytes(self.header[4:8], "big")
        self.lines = file.read(self.start - 24).rstrip(b"\0").decode().splitlines()

    def raw(self, field: Field) -> Values:
        return tuple(line for line in self.lines if line.startswith(f"{self.names[field][0]}="))

    def values(self, field: Field) -> Values:
        return tuple(line.partition("=")[2] for line in self.raw(field))

    def restore(self, field: Field, raw: Sequence[str]) -> bool:
        self.lines = [line for line in self.lines if line not in self.raw(field)] + list(raw)
        return True

    def set(self, field: Field, values: Sequence[str]) -> None:
        self.restore(field, [f"{self.names[field][0]}={value}" for value in values])

    def save(self, file: BinaryIO) -> None:
        file.seek(self.start)
        audio = file.read()
        text = "\n".join(self.lines).encode() + bytes(8)
        file.seek(0)
        file.write(self.header[:4] + (24 + len(text)).to_bytes(4, "big") + self.header[8:] + text + audio)
        file.truncate()

    def foreign(self, file: BinaryIO, /) -> str:
        digest = Digest()
        digest.add(self.header[8:], *(line.encode() for line in self.lines if line.split("=")[0].lower() not in FIELDS))
        digest.add_span(file, self.start, size_of(file))
        return digest.text()


def test_a_new_format_is_written_and_undone(registry: None, tmp_path: Path) -> None:
    song, log_path = tmp_path / "song.au", tmp_path / "log.jsonl"
    soundfile.write(song, sounds.music(0.3, 8000).T, 8000)
    with pytest.raises(FileTagsError, match=r"not written into this format \(au\), only into MP3.*, AAC$"):
        read_state(song)
    register_tag_format("au")(AuTags)
    before = read_state(song)
    assert before.kind == "AU"
    renamed = Path(shutil.move(song, tmp_path / "song.data"))  # the ending has no say
    with UndoLog(log_path) as log:
        write_tags(renamed, Request({"genre": Target(("Rock", "Pop")), "model": Target(("m 1",))}), log)
    assert {field: values for field, values in read_state(renamed).values.items() if values} == {
        "genre": ("Rock", "Pop"),
        "model": ("m 1",),
    }
    (run,) = read_log(log_path)
    with UndoLog(log_path, "undo", run.name) as log:
        undo_file(plan_undo(run.entries[0]), log)
    assert read_state(renamed).values == before.values


def test_two_adapters_for_one_container_are_refused(registry: None) -> None:
    with pytest.raises(ConfigError, match=r"tag format 'wav'.*formats.id3 has already registered"):
        register_tag_format("wav")(AuTags)
    with pytest.raises(
        TagsError, match=r"into this format \(caf\), only into MP3, WAV, AIFF, FLAC, .*, M4A, WMA, .*, AAC$"
    ):
        find_tag_format("caf")


def test_every_adapter_names_every_field() -> None:
    adapters = {adapter for _, adapter in TAG_FORMATS.items()}
    assert len(adapters) >= 6
    for adapter in adapters:
        assert adapter.names.keys() == set(FIELDS), adapter
        assert all(adapter.names.values()), adapter

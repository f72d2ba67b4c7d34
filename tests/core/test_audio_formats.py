"""The table of audio formats: whole, without contradictions, and the only place that a new format needs."""

from __future__ import annotations

import io
import json
import re
from fractions import Fraction
from pathlib import Path

import av
import pytest

from earmark.audio.file_discovery import find_audio
from earmark.audio.integrity import PacketLog, missing_audio
from earmark.core import audio_formats
from earmark.core.audio_formats import FORMATS, AudioFormat, find_format, has_audio_suffix, page_formats
from earmark.library.tagfiles.formats import FormatInfo, TagsError, open_tags
from earmark.library.tagfiles.formats.base import TAG_FORMATS, register_tag_format
from earmark.library.tagfiles.formats.vorbis import VorbisTags
from earmark.service.uploads import _suffix
from tests.helpers import sounds

PAGE = Path(__file__).parents[2] / "web/src/audio_formats.json"


def test_names_endings_and_demuxers_are_in_the_table_once() -> None:
    for attribute in ("demuxers", "suffixes"):
        values = [value for one in FORMATS for value in getattr(one, attribute)]
        assert len(values) == len(set(values)), attribute
    assert len({one.name for one in FORMATS}) == len(FORMATS)
    for one in FORMATS:
        assert set(one.dataset_suffixes) <= set(one.suffixes)
        assert set(one.video_suffixes) <= set(one.suffixes)
        assert all(s.startswith(".") and s == s.lower() for s in one.suffixes), one
        assert one.length is not None or not one.exact_positions  # seeking needs a length
        assert not (one.tag_writer and one.why_no_tags)
    assert {container for container, _ in TAG_FORMATS.items()} <= {name for one in FORMATS for name in one.demuxers}


def test_the_table_says_which_adapter_writes_the_tags_of_a_format() -> None:
    adapters = {name: adapter.__module__.rpartition(".")[2] for name, adapter in TAG_FORMATS.items()}
    assert {name: one.tag_writer for one in FORMATS for name in one.demuxers if one.tag_writer} == adapters


def test_ffmpeg_has_a_demuxer_of_every_name() -> None:
    known = {name for formats in av.formats_available for name in formats.split(",")}
    assert {name for one in FORMATS for name in one.demuxers} <= known


@pytest.mark.parametrize("suffix", sounds.SUFFIXES)
def test_what_ffmpeg_reports_is_found_in_the_table(suffix: str, tmp_path: Path) -> None:
    path = sounds.write(tmp_path / f"song{suffix}", sounds.music(1, 48_000, 2), 48_000)
    with av.open(str(path)) as container:
        found = find_format(container.format.name)
    assert found is not None
    assert suffix in found.suffixes


def test_the_page_takes_its_part_of_the_table() -> None:
    written = json.loads(PAGE.read_text(encoding="utf-8"))
    assert written == page_formats(), "write it again: python web/tests/from_python.py"
    assert [one.name for one in FORMATS if one.in_page and one.magic] == []  # who reads a format needs no magic


def begins_like(content: bytes) -> list[str]:
    """Formats that the page does not read, one of which content is by its first bytes."""
    patterns = {
        one.name: b"|".join(re.escape(m).replace(rb"\?", b".") for m in one.magic) for one in FORMATS if one.magic
    }
    return [name for name, pattern in patterns.items() if re.match(pattern, content, re.DOTALL)]


WRITTEN = {  # by FFmpeg here, as muxer and encoder; no free encoder writes the others
    "WavPack": ("wv", "wavpack"),
    "True Audio": ("tta", "tta"),
    "AC-3": ("ac3", "ac3"),
    "VOC": ("voc", "pcm_u8"),
    "AVI": ("avi", "mp3"),
    "MPEG": ("mpegts", "mp2"),
    "RealMedia": ("rm", "ac3"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_formats_that_the_page_does_not_read_are_known_by_their_first_bytes(name: str) -> None:
    muxer, encoder = WRITTEN[name]
    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as container:
        stream = container.add_stream(encoder, rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(sounds.music(1, 48_000, 2), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
        for part in (frame, None):
            container.mux(stream.encode(part))
    assert begins_like(file.getvalue()) == [name]


@pytest.mark.parametrize("suffix", sounds.SUFFIXES)
def test_formats_that_the_page_reads_are_not_taken_for_others(suffix: str, tmp_path: Path) -> None:
    content = sounds.write(tmp_path / f"song{suffix}", sounds.music(1, 48_000, 2), 48_000).read_bytes()
    unread = {".wma": ["WMA"], ".wv": ["WavPack"]}
    assert begins_like(content) == unread.get(suffix, [])


def test_a_new_format_is_one_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    song = sounds.write(tmp_path / "song.flac", sounds.music(1, 44_100, 2), 44_100).rename(tmp_path / "song.toy")
    (tmp_path / "cover.jpg").touch()
    info = FormatInfo("toy", "flac", "", "")

    def open_toy() -> object:
        return open_tags(io.BytesIO(song.read_bytes()), info)

    def missing() -> str | None:
        return missing_audio(io.BytesIO, "toy", PacketLog(), 10.0, 3.0)

    assert not has_audio_suffix(song)
    assert missing() is None
    with pytest.raises(TagsError, match=r"not written into this format \(toy\), only into MP3, WAV"):
        open_toy()
    toy = AudioFormat("Toy", ("toy",), (".toy",), (".toy",), exact_positions=True, length="header")
    monkeypatch.setattr(audio_formats, "FORMATS", (*FORMATS, toy))
    assert [file.path for file in find_audio([tmp_path])] == [song]
    assert _suffix("c:\\music\\Song.TOY") == ".toy"
    assert audio_formats.dataset_suffixes()[-1] == ".toy"
    assert ".toy" in page_formats()[-1]["suffixes"]
    assert audio_formats.format_whitelist().endswith(",toy")
    assert missing() is not None
    with TAG_FORMATS.temporary():
        register_tag_format("toy")(VorbisTags)
        assert isinstance(open_toy(), VorbisTags)

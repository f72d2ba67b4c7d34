"""What earmark uses of mutagen without mutagen promising it. pyproject.toml bounds the version for the same reason.

A failure here after an upgrade of mutagen means: see what changed in it, mend the adapter that is named, and only then
widen the range in pyproject.toml. No file is ever harmed meanwhile: a copy that does not keep what is not ours is refused.
"""

from __future__ import annotations

import io
from importlib import metadata
from pathlib import Path

import pytest
from mutagen.id3 import ID3, TXXX
from mutagen.mp4 import MP4

from earmark.library.tagfiles.formats import id3, mp4
from earmark.library.tagfiles.formats.base import FormatInfo
from tests.conftest import ROOT
from tests.helpers import tagged

MP4_ADAPTER = "mutagen changed how MP4 atoms that it cannot read are kept: see library/tagfiles/formats/mp4.py"
ID3_ADAPTER = "mutagen changed how ID3 frames that it does not know are kept: see library/tagfiles/formats/id3.py"


def test_the_range_of_versions_is_bounded() -> None:
    assert '"mutagen>=1.47,<1.49"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert metadata.version("mutagen").startswith(("1.47.", "1.48.")), "a version that was never tried: run these tests"


def test_unread_mp4_atoms_are_a_dict_of_bytes_that_is_written_back(tmp_path: Path) -> None:
    song = tagged.make(tmp_path / "song.m4a")
    tagged.decorate(song)
    with song.open("r+b") as file:
        tags = mp4.Mp4Tags(file, FormatInfo("mov", "aac"))
        atoms = getattr(tags._file.tags, "_failed_atoms", None)
        assert isinstance(atoms, dict), MP4_ADAPTER
        assert {"\xa9nam", "covr", "----"} <= atoms.keys(), MP4_ADAPTER
        assert all(isinstance(atom, bytes) for found in atoms.values() for atom in found), MP4_ADAPTER
        assert not tags._file.tags.keys(), MP4_ADAPTER  # nothing was interpreted
        atoms["\xa9gen"] = [mp4._atom(b"data", b"\0\0\0\1\0\0\0\0Rock")]
        tags.save(file)
    assert MP4(song)["\xa9gen"] == ["Rock"], MP4_ADAPTER
    assert MP4(song)["\xa9nam"] == [tagged.TITLE], MP4_ADAPTER


@pytest.mark.parametrize("major", [3, 4])
def test_unknown_id3_frames_are_bytes_that_are_written_back(major: int) -> None:
    odd = tagged.id3_frame(b"TIT2", b"\x00no \xff good", major, flags=0x4000)
    file = io.BytesIO(tagged.id3_tag(major, odd))
    tags = ID3(file, **id3._LOADING)
    assert tags.unknown_frames == [odd], ID3_ADAPTER
    assert not tags.keys(), ID3_ADAPTER
    tags.save(file, v2_version=major, v23_sep=None)
    assert tagged.id3_frames(file.getvalue()) == [(odd[:10], odd[10:])], ID3_ADAPTER


@pytest.mark.parametrize("major", [3, 4])
def test_frames_are_rendered_and_parsed_as_they_stand_in_a_file(major: int) -> None:
    frame = TXXX(encoding=3 if major == 4 else 1, desc="ä", text=["é" * 200, "b"])
    rendered = id3.render_frame(frame, major)
    read = id3.parse_frame(rendered, major)
    assert (read.desc, read.text) == ("ä", ["é" * 200, "b"])
    text = b"\0".join(part.encode() for part in ("ä", "é" * 200, "b", ""))
    if major == 4:
        assert rendered == tagged.id3_frame(b"TXXX", b"\3" + text, major)
    assert tagged.id3_frames(tagged.id3_tag(major, rendered)) == [(rendered[:10], rendered[10:])]

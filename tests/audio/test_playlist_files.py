"""Files that playlists name, in every form that programs write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from earmark.audio.file_discovery import LeftOut, find_audio
from earmark.audio.playlist_files import read_playlist
from earmark.core.errors import AudioError


def names(path: Path, content: str | bytes) -> list[str]:
    """Entries of a playlist, relative to its folder where they are in it; there are no notes."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_playlist(path, pytest.fail)
    return [str(one.relative_to(path.parent) if one.is_relative_to(path.parent) else one) for one in found]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_m3u_with_comments_and_blank_lines(tmp_path: Path, line_end: str) -> None:
    lines = [
        "#EXTM3U",
        "#EXTINF:123,Artist - Title",
        "a.mp3",
        "",
        "sub/b c.flac",
        "/music/x.ogg",
        "../up.wav",
        "no\u2028e",
    ]
    found = names(tmp_path / "list.m3u8", line_end.join(lines) + line_end)
    assert found == ["a.mp3", "sub/b c.flac", "/music/x.ogg", "../up.wav", "no\u2028e"]


@pytest.mark.parametrize("suffix", [".m3u", ".M3U8"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_utf_8_or_has_a_mark(tmp_path: Path, suffix: str, encoding: str) -> None:
    assert names(tmp_path / f"list{suffix}", "#EXTM3U\nsöng 曲.mp3\n".encode(encoding)) == ["söng 曲.mp3"]


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u"
    latin1 = "caf\xe9.mp3\nit\x92s.mp3\n".encode("latin-1")
    assert names(path, latin1) == ["café.mp3", "it\x92s.mp3"]
    (tmp_path / "it’s.mp3").touch()
    assert names(path, latin1) == ["café.mp3", "it’s.mp3"]
    raw = os.fsdecode("caf\xe9.mp3".encode("latin-1"))
    (tmp_path / raw).touch()
    assert names(path, latin1)[0] == raw
    (tmp_path / "café.mp3").touch()
    assert names(path, latin1)[0] == "café.mp3"


def test_urls_of_files_are_paths(tmp_path: Path) -> None:
    lines = [
        "file:///music/a%20b.mp3",
        "FILE://localhost/music/%C3%BC%23.mp3",
        "file:/music/c.mp3",
        "file:///m/a#1?.mp3",
        "file://[/b.mp3",
        "file:///x%00.mp3",
    ]
    assert names(tmp_path / "list.m3u", "\n".join(lines)) == [
        "/music/a b.mp3",
        "/music/ü#.mp3",
        "/music/c.mp3",
        "/m/a#1?.mp3",
        "/b.mp3",
        "/x?.mp3",
    ]


def test_names_as_other_systems_write_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/a.mp3", "b c.mp3", "100%.mp3", "d%20e.mp3", " f.mp3"):
        (tmp_path / name).touch()
    lines = ["sub\\a.mp3", "b%20c.mp3", "100%.mp3", "d%20e.mp3", " f.mp3", " 100%.mp3 ", "C:\\Music\\g.mp3"]
    found = names(tmp_path / "list.m3u", "\n".join(lines))
    assert found == ["sub/a.mp3", "b c.mp3", "100%.mp3", "d%20e.mp3", " f.mp3", "100%.mp3", "C:\\Music\\g.mp3"]


def test_pls(tmp_path: Path) -> None:
    lines = [
        "[playlist]",
        "File10=z.mp3",
        "Title1=One",
        "File2=file:///music/b%20c.mp3",
        "file1 = a = b.mp3",
        "Version=2",
    ]
    assert names(tmp_path / "list.pls", "\r\n".join(lines)) == ["a = b.mp3", "/music/b c.mp3", "z.mp3"]


def test_addresses_and_playlists_in_playlists_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u"
    path.write_text("https://example.org/a.mp3\nsmb://host/b.mp3\nlist.m3u\nother.pls\na.mp3\n")
    left_out = LeftOut()
    found = list(find_audio([path], left_out))
    assert [(item.path, item.named, item.error) for item in found] == [(tmp_path / "a.mp3", True, None)]
    texts = [text for named, text in left_out.notes if named == path]
    assert texts[:2] == [
        "https://example.org/a.mp3: an address, left out: only files are tagged",
        "smb://host/b.mp3: an address, left out: only files are tagged",
    ]
    assert [text.rpartition(": ")[2] for text in texts[2:]] == ["a playlist in a playlist, left out"] * 2


def test_only_playlists_that_are_named_are_read(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    for name in ("album/1.mp3", "album/2.dat"):
        (tmp_path / name).touch()
    path = tmp_path / "album" / "list.m3u"
    path.write_text("1.mp3\n2.dat\ngone.mp3\n.\n")
    assert [item.path.name for item in find_audio([tmp_path])] == ["1.mp3"]
    found = list(find_audio([path]))
    assert [item.path.name for item in found] == ["1.mp3", "2.dat", "gone.mp3", "1.mp3"]
    assert [str(item.relative) for item in found] == ["1.mp3", "2.dat", "gone.mp3", "1.mp3"]


def test_what_is_no_playlist(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u"
    with pytest.raises(AudioError, match="no such file"):
        read_playlist(path, pytest.fail)
    (missing,) = find_audio([path])
    assert missing.error is not None
    path.write_bytes(b"ID3\4\0\0")
    with pytest.raises(AudioError, match="is no playlist: it holds zero bytes"):
        read_playlist(path, pytest.fail)
    path.write_bytes(b"")
    assert list(find_audio([path])) == []
    (tmp_path / "folder.m3u").mkdir()
    (tmp_path / "folder.m3u" / "1.mp3").touch()
    assert [item.path.name for item in find_audio([tmp_path / "folder.m3u"])] == ["1.mp3"]


@pytest.mark.parametrize(
    ("suffix", "says"),
    [
        (suffix, "a kind that is not read: save it as")
        for suffix in (".xspf", ".WPL", ".zpl", ".asx", ".wax", ".wvx", ".b4s")
    ]
    + [(".cue", "cue sheet")],
)
def test_other_files_that_name_files(tmp_path: Path, suffix: str, says: str) -> None:
    """They would be no audio, or cut off; where there is none, that is the reason."""
    path = tmp_path / f"list{suffix}"
    (item,) = find_audio([path])
    assert (item.path, item.error) == (path, None)
    path.write_text("a.mp3\n")
    (item,) = find_audio([path])
    assert (item.path, item.named) == (path, True)
    assert item.error is not None
    assert says in item.error.reason
    left_out = LeftOut()
    assert list(find_audio([tmp_path], left_out)) == []
    assert left_out.endings == {suffix.lower(): 1}
    (tmp_path / "list.m3u").write_text(path.name)
    assert list(find_audio([tmp_path / "list.m3u"], left_out)) == []
    assert "a playlist in a playlist" in left_out.notes[0][1]
    path.unlink()
    path.mkdir()
    (path / "1.mp3").touch()
    assert [one.path.name for one in find_audio([path])] == ["1.mp3"]


@pytest.mark.slow
def test_a_playlist_of_millions_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.m3u"
    path.write_bytes(b"a\n" * 1_000_001)
    with pytest.raises(AudioError, match="more than 1,000,000 entries"):
        read_playlist(path, print)

"""Which files are found in folders."""

from __future__ import annotations

import os
from pathlib import Path

from earmark.audio.file_discovery import find_audio


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_folders_are_searched_recursively_sorted_and_by_ending(tmp_path: Path) -> None:
    make(tmp_path, "b/2.MP3", "b/1.flac", "a.opus", "cover.jpg", "notes.txt", ".hidden.mp3", ".git/x.mp3", "c.m4a")
    found = list(find_audio([tmp_path]))
    assert [str(item.relative) for item in found] == ["a.opus", "b/1.flac", "b/2.MP3", "c.m4a"]
    assert all(item.path == tmp_path / item.relative and item.error is None for item in found)


def test_a_named_file_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    make(tmp_path, "song.dat")
    (item,) = find_audio([tmp_path / "song.dat"])
    assert item.relative == Path("song.dat")
    (missing,) = find_audio([tmp_path / "none.mp3"])
    assert missing.error is None  # the decoder says what is wrong with it


def test_a_link_back_to_its_own_folder_is_reported_and_files_come_once(tmp_path: Path) -> None:
    make(tmp_path, "album/1.mp3")
    (tmp_path / "album" / "again").symlink_to(tmp_path / "album")
    (tmp_path / "album" / "self").symlink_to("self")
    found = list(find_audio([tmp_path]))
    assert [item.relative.name for item in found if item.error is None] == ["1.mp3"]
    errors = {item.relative.name: item.error.reason for item in found if item.error is not None}
    assert "a link to a folder that it is in" in errors["again"]
    assert "cannot be followed" in errors["self"]


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/1.mp3", "music/2.mp3")
    (tmp_path / "music" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "music" / "other").symlink_to(tmp_path / "elsewhere")
    assert [str(item.relative) for item in find_audio([tmp_path / "music"])] == ["2.mp3", "link/1.mp3"]


def test_an_unreadable_folder_is_reported(tmp_path: Path) -> None:
    make(tmp_path, "a/1.mp3", "b/2.mp3")
    (tmp_path / "a").chmod(0)
    as_root = os.geteuid() == 0
    if as_root:
        for parent in (tmp_path, *tmp_path.parents[:3]):
            parent.chmod(parent.stat().st_mode | 0o055)
        os.seteuid(65_534)
    try:
        found = list(find_audio([tmp_path]))
    finally:
        if as_root:
            os.seteuid(0)
        (tmp_path / "a").chmod(0o755)
    assert found[0].error is not None
    assert "folder cannot be read" in found[0].error.reason
    assert [item.path.name for item in found[1:]] == ["2.mp3"]

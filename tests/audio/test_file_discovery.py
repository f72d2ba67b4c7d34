"""Which files are found in folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from earmark.audio.file_discovery import LeftOut, find_audio


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


def test_a_link_back_to_its_own_folder_is_noted_and_files_come_once(tmp_path: Path) -> None:
    make(tmp_path, "album/1.mp3")
    (tmp_path / "album" / "again").symlink_to(tmp_path / "album")
    (tmp_path / "album" / "self").symlink_to("self")
    (tmp_path / "album" / "there.mp3").symlink_to("back.mp3")
    (tmp_path / "album" / "back.mp3").symlink_to("there.mp3")
    left_out = LeftOut()
    found = list(find_audio([tmp_path], left_out))
    assert [(item.relative.name, item.error) for item in found] == [("1.mp3", None)]
    notes = {path.name: note for path, note in left_out.notes}
    assert "a link to a folder that it is in" in notes.pop("again")
    assert set(notes) == {"self", "there.mp3", "back.mp3"}
    assert all("a link to itself" in note for note in notes.values())


def test_two_folders_with_links_to_each_other(tmp_path: Path) -> None:
    make(tmp_path, "a/1.mp3", "b/2.mp3")
    (tmp_path / "a" / "to b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "to a").symlink_to(tmp_path / "a")
    left_out = LeftOut()
    found = [str(item.relative) for item in find_audio([tmp_path], left_out)]
    assert found == ["a/1.mp3", "a/to b/2.mp3"]
    assert [path for path, _ in left_out.notes] == [tmp_path / "a" / "to b" / "to a"]


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A song, and 2,500 folders in each other with another song in every hundredth: more than a path can name."""
    top = tmp_path / "deep"
    top.mkdir()
    (top / "z.mp3").touch()
    levels = [os.open(top, os.O_RDONLY)]
    for level in range(1, 2_501):
        os.mkdir("a", dir_fd=levels[-1])
        levels.append(os.open("a", os.O_RDONLY, dir_fd=levels[-1]))
        if level % 100 == 0:
            os.close(os.open("song.mp3", os.O_CREAT | os.O_WRONLY, dir_fd=levels[-1]))
        if level > 1:
            os.close(levels.pop(0))
    while levels:
        os.close(levels.pop())
    yield top
    # pytest and shutil.rmtree remove folders by recursion: from the inside out, by moving each level up.
    while (top / "a").exists():
        (top / "a").rename(tmp_path / "old")
        if (tmp_path / "old" / "a").exists():
            (tmp_path / "old" / "a").rename(top / "a")
        for file in (tmp_path / "old").iterdir():
            file.unlink()
        (tmp_path / "old").rmdir()


@pytest.mark.slow
def test_folders_deeper_than_python_recurs_and_than_the_system_names(deep: Path) -> None:
    left_out = LeftOut()
    found = list(find_audio([deep], left_out))
    assert all(item.error is None for item in found)
    levels = [len(item.relative.parts) - 1 for item in found]
    assert sorted(levels) == list(range(0, max(levels) + 1, 100))
    assert max(levels) > 1_100
    ((path, note),) = left_out.notes
    assert "its path is longer than the system allows" in note
    assert len(str(path)) > 4_000


def test_what_is_left_out_is_counted_by_ending(tmp_path: Path) -> None:
    make(tmp_path, "1.mp3", "a.TXT", "b/b.txt", "b/cover.jpg", "README", ".hidden.txt", ".git/x.txt", "list.m3u")
    left_out = LeftOut()
    assert len(list(find_audio([tmp_path], left_out))) == 1
    assert left_out.endings == {".txt": 2, ".jpg": 1, "": 1, ".m3u": 1}
    assert left_out.summary() == "passed over: 2 .txt, 1 .jpg, 1 .m3u, 1 without an ending"
    make(tmp_path, "a.1", "a.2", "a.3")
    left_out = LeftOut()
    list(find_audio([tmp_path], left_out))
    assert left_out.summary() == "passed over: 2 .txt, 1 .1, 1 .2, 1 .3, 1 .jpg, 2 others"
    make(tmp_path, "film.VOB", "film.ts", "b/b.ts", "song.shn", "film.flv")
    left_out = LeftOut()
    list(find_audio([tmp_path], left_out))
    assert left_out.summary() == "passed over: 2 .ts, 2 .txt, 1 .1, 1 .2, 1 .3, 1 .shn, 1 .vob, 4 others"


def test_containers_of_video_are_found(tmp_path: Path) -> None:
    names = [f"a.{end}" for end in ("3gp", "avi", "m4v", "mkv", "mov", "mp4", "ogv", "weba", "webm")]
    make(tmp_path, *names, "code.ts", "film.vob")
    assert [item.path.name for item in find_audio([tmp_path])] == names


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

"""A music folder as people have them: many formats, odd names, links, and damage."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from messy.songs import FORMATS, STYLES, Music

NAMES = (
    "Song {}",
    os.fsdecode(b"caf\xe9 {} (Latin-1)"),
    "new\nline {}",
    "-dash {}",
    "\N{GUITAR}\N{FAMILY} {}",
    "\u202eשיר {}",
    "long {} " + "ä" * 118 + "x",
    'it\'s "quoted" $(touch pwned) `touch pwned` {}',
    "Cafe\u0301 {} (NFD)",
    "Café {} (NFC)",
    "[a-z]*? %s \\ {}",
    "\x1b[31mred {}",
    " spaces and dots... {}",
)
FOLDERS = ("Artist/Album", os.fsdecode(b"fold\xe9r"), "two\nlines", "-rf", "\N{OPTICAL DISC}", ".", "deep/" + "d/" * 20)
N_EDITED = 5
TRUNCATED = ("MP3", "FLAC", "AAC in M4A", "WAV")
"""Formats that show that something is missing. Of Ogg it is only supposed, in a note."""


@dataclass
class Library:
    """What was made.

    Attributes:
        music: the folder that is scanned.
        outside: a folder beside it, to which links lead.
        songs: sound files, links not among them.
        damaged: files that cannot be tagged.
        edited: songs that other programs will change.
        linked: the file outside that a link leads to, and so is written to.
        separate: a folder of songs with plain names, beside the music.
        notes: what could not be tried here.
    """

    music: Path
    outside: Path
    separate: Path
    songs: list[Path] = field(default_factory=list)
    damaged: list[Path] = field(default_factory=list)
    linked: Path = Path()
    edited: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make(root: Path, n_files: int, seed: int) -> Library:
    """Make a library of so many files, links and damaged ones among them."""
    library = Library(root / "music", root / "outside", root / "separate")
    library.notes.append(
        "Monkey's Audio and Musepack have no free encoder in FFmpeg: their files are silent, so nothing is written."
    )
    for folder in (library.music, library.outside, library.separate):
        folder.mkdir(parents=True)
    music = Music(seed)
    _outside(library, music)
    _damage(library, music)
    _album(library, music)
    n_links = _links(library, music)
    formats, styles = list(FORMATS.items()), list(STYLES.values())
    for i in range(max(n_files - n_links - N_EDITED - len(library.damaged), len(FORMATS))):
        label, kind = formats[i % len(formats)]
        style = styles[(i + i // len(formats)) % len(styles)]  # each format meets each style
        folder = library.music / FOLDERS[(i // 3) % len(FOLDERS)]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{NAMES[i % len(NAMES)].format(f'{i:03d}')}{kind.suffix}"
        made = library.music / f"made{kind.suffix}"
        music.song(made, kind, style, f"{label} {i}")
        library.songs.append(made.rename(path))
    return library


def _album(library: Library, music: Music) -> None:
    """Songs that other programs will change."""
    folder = library.music / "album"
    folder.mkdir()
    for i in range(N_EDITED):
        library.edited.append(folder / f"{i}.mp3")
        music.song(library.edited[-1], FORMATS["MP3"], STYLES["plain"], f"Track {i}")
    library.songs += library.edited


def _outside(library: Library, music: Music) -> None:
    library.linked = library.outside / "linked.mp3"
    for path in (library.linked, library.outside / "bystander.mp3", library.separate / "plain.mp3"):
        music.song(path, FORMATS["MP3"], STYLES["plain"], path.stem)


def _damage(library: Library, music: Music) -> None:
    folder = library.music / "damaged"
    folder.mkdir()
    for label in TRUNCATED:
        path = folder / f"truncated {label}{FORMATS[label].suffix}"
        music.song(path, FORMATS[label], STYLES["plain"], label)
        os.truncate(path, path.stat().st_size * 6 // 10)
    contents = {
        "empty.mp3": b"",
        "empty.flac": b"",
        "text.mp3": b"These are the words of a song, and no sound.\n" * 50,
        "page.flac": b"<!DOCTYPE html><title>404</title>" * 50,
        "playlist.m4a": b"#EXTM3U\nhttp://192.0.2.1/a.mp3\nfile:///etc/passwd\n",
        **{f"random{suffix}": music.draw.randbytes(50_000) for suffix in (".mp3", ".ogg", ".wav")},
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    library.damaged += folder.iterdir()
    if os.geteuid() == 0:
        library.notes.append("Files without permission to read were not tried: run as root, who may read everything.")
        return
    path = folder / "unreadable.mp3"
    music.song(path, FORMATS["MP3"], STYLES["plain"], "unreadable")
    path.chmod(0)
    library.damaged.append(path)


def _links(library: Library, music: Music) -> int:
    """Links of all kinds; the one that leads nowhere is among the damaged files. Returns how many others there are."""
    folder = library.music / "links"
    folder.mkdir()
    song = folder / "original.flac"
    music.song(song, FORMATS["FLAC"], STYLES["plain"], "original")
    library.songs.append(song)
    (folder / "symbolic.flac").symlink_to(song.name)
    hard = folder / "hard.flac"
    hard.hardlink_to(song)
    library.songs.append(hard)
    (folder / "out of the tree.mp3").symlink_to(library.linked)
    (folder / "loop of folders").symlink_to(folder)
    (folder / "up").symlink_to(library.music, target_is_directory=True)
    for name, target in (("circle a.mp3", "circle b.mp3"), ("circle b.mp3", "circle a.mp3"), ("gone.mp3", "nowhere")):
        (folder / name).symlink_to(target)
    library.damaged.append(folder / "gone.mp3")  # circles are only noted
    return 7  # and one of the damaged files

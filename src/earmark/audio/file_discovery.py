"""Find the audio files that a list of files, folders and playlists names."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from earmark.audio.playlist_files import expand_playlists
from earmark.core.audio_formats import has_audio_suffix, named_suffixes
from earmark.core.errors import AudioError

_MOST_ENDINGS = 5


class AudioFile(NamedTuple):
    """One file to tag.

    Attributes:
        path: as it is reached from what was named.
        relative: below the folder that was named; the bare name for a file that was named itself.
        error: set where the path cannot be a file to tag (an unreadable folder).
        named: named itself or in a playlist, not found in a folder.
    """

    path: Path
    relative: Path
    error: AudioError | None = None
    named: bool = False


@dataclass
class LeftOut:
    """What a search left out.

    Attributes:
        notes: paths and why they were left out: loops of links, addresses in playlists, paths that are too long.
        endings: number of files in folders by the ending for which they were left out; hidden files do not count.
        silent: number of videos without sound by ending, counted by whoever opens the files.
    """

    notes: list[tuple[Path, str]] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)

    def note(self, path: Path, text: str) -> None:
        """Add a note."""
        self.notes.append((path, text))

    def summary(self) -> str:
        """Files that were passed over, by ending; empty where there are none.

        Of many endings those of the most files are shown, and those of films and sound, which could be named.

        >>> LeftOut(endings=Counter({".txt": 3, ".jpg": 2, "": 1}), silent=Counter({".mp4": 1})).summary()
        'passed over: 3 .txt, 2 .jpg, 1 without an ending, 1 .mp4 without sound'
        """
        kinds = [(n, ending or "without an ending") for ending, n in self.endings.items()]
        kinds = sorted(kinds, key=lambda kind: (-kind[0], kind[1]))
        shown = kinds[:_MOST_ENDINGS] + [kind for kind in kinds[_MOST_ENDINGS:] if kind[1] in named_suffixes()]
        rest = sum(self.endings.values()) - sum(n for n, _ in shown)
        shown += [(rest, "others")] if rest else []
        shown += [(n, f"{ending} without sound") for ending, n in sorted(self.silent.items())]
        return "passed over: " + ", ".join(f"{n:,} {text}" for n, text in shown) if shown else ""


def find_audio(paths: Iterable[str | Path], left_out: LeftOut | None = None) -> Iterator[AudioFile]:
    """Files as they are named, files of playlists, and audio files below folders, sorted by name within each folder.

    A file that is named is taken whatever its name ends in. In folders, files are taken by their ending
    (:func:`earmark.core.audio_formats.has_audio_suffix`); names that begin with a dot are left out. Links to folders
    are followed, each folder is read once. Playlists are read where they are named, and not in folders, where their
    files would come twice.

    Args:
        paths: files, folders and playlists (.m3u, .m3u8, .pls).
        left_out: filled with what is left out while files are found.
    """
    left_out = LeftOut() if left_out is None else left_out
    seen: set[tuple[int, int]] = set()
    for path, error in expand_playlists(paths, left_out.note):
        if error is None and os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises for names that are too long
            yield from _walk(path, seen, left_out)
        else:
            yield AudioFile(path, Path(path.name), error, named=True)


class _Folder(NamedTuple):
    """A folder that is being searched."""

    path: Path
    relative: Path
    identity: tuple[int, int]
    entries: Iterator[os.DirEntry[str]]


def _walk(top: Path, seen: set[tuple[int, int]], left_out: LeftOut) -> Iterator[AudioFile]:
    """Files below a folder. Folders may be in each other more deeply than Python calls functions, so none recurs."""
    above: list[_Folder] = []

    def enter(path: Path, relative: Path) -> AudioFile | None:
        """Search a folder next. Gives it back, with its error, where it cannot be read."""
        try:
            status = path.stat()
            identity = (status.st_dev, status.st_ino)
            if any(folder.identity == identity for folder in above):
                left_out.note(path, "a link to a folder that it is in: left out, its files are tagged once")
            elif identity not in seen:
                seen.add(identity)
                with os.scandir(path) as listing:
                    entries = iter(sorted(listing, key=lambda entry: entry.name))
                above.append(_Folder(path, relative, identity, entries))
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.ELOOP):
                reason = f"the folder cannot be read ({error.strerror or error})"
                return AudioFile(path, relative, AudioError(reason, path))
            left_out.note(path, _why_left_out(error))
        return None

    if unreadable := enter(top, Path()):
        yield unreadable
    while above:
        folder = above[-1]
        entry = next(folder.entries, None)
        if entry is None:
            above.pop()
            continue
        if entry.name.startswith("."):
            continue
        path, relative = folder.path / entry.name, folder.relative / entry.name
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
                left_out.note(path, _why_left_out(error))
            else:
                reason = f"cannot be followed ({error.strerror or error})"
                yield AudioFile(path, relative, AudioError(reason, path))
            continue
        if is_folder:
            if unreadable := enter(path, relative):
                yield unreadable
        elif has_audio_suffix(path):
            yield AudioFile(path, relative)
        elif entry.is_file():  # and no link that leads nowhere
            left_out.endings[path.suffix.lower()] += 1


def _why_left_out(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a link to itself: left out"
    return "its path is longer than the system allows: left out, with all that is in it"

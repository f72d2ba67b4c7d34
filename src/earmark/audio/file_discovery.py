"""Find the audio files that a list of files and folders names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from earmark.core.audio_formats import has_audio_suffix
from earmark.core.errors import AudioError


@dataclass(frozen=True)
class AudioFile:
    """One file to tag.

    Attributes:
        path: as it is reached from what was named.
        relative: below the folder that was named; the bare name for a file that was named itself.
        error: set where the path cannot be a file to tag (an unreadable folder, a link that goes in a circle).
    """

    path: Path
    relative: Path
    error: AudioError | None = None


def find_audio(paths: Iterable[str | Path]) -> Iterator[AudioFile]:
    """Files as they are named, and audio files below folders, sorted by name within each folder.

    A file that is named is taken whatever its name ends in. In folders, files are taken by their ending
    (:func:`earmark.core.audio_formats.has_audio_suffix`); names that begin with a dot are left out. Links to folders
    are followed, each folder is read once; a link back to a folder that it is in is given as an error.
    """
    seen: set[tuple[int, int]] = set()
    for name in paths:
        path = Path(name)
        if path.is_dir():
            yield from _walk(path, Path(), (), seen)
        else:
            yield AudioFile(path, Path(path.name))


def _walk(
    folder: Path, relative: Path, above: tuple[tuple[int, int], ...], seen: set[tuple[int, int]]
) -> Iterator[AudioFile]:
    try:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            error = AudioError("a link to a folder that it is in: left out, its files are tagged once", folder)
            yield AudioFile(folder, relative, error)
            return
        if identity in seen:
            return
        seen.add(identity)
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        reason = f"the folder cannot be read ({error.strerror or error})"
        yield AudioFile(folder, relative, AudioError(reason, folder))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path, below = folder / entry.name, relative / entry.name
        try:
            is_folder = entry.is_dir()
        except OSError as error:  # a link to itself
            yield AudioFile(path, below, AudioError(f"cannot be followed ({error.strerror or error})", path))
            continue
        if is_folder:
            yield from _walk(path, below, (*above, identity), seen)
        elif has_audio_suffix(path):
            yield AudioFile(path, below)

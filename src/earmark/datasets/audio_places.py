"""Where the audio of a dataset is: archives are unpacked in more than one way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def find_folder(folders: Sequence[Path], names: Iterable[str]) -> Path:
    """The first of some folders that has one of some files; the first of all where none has.

    Which one is decided once for a dataset, so that copies are never mixed.

    Args:
        folders: candidates, best first.
        names: of files in the folder wanted; those at the beginning are enough.
    """
    wanted = list(names)
    there = [folder for folder in folders if folder.is_dir()]
    return next((folder for folder in there if any((folder / name).is_file() for name in wanted)), folders[0])


def first_folder(root: Path, names: Sequence[str]) -> Path:
    """The first of these folders under root that exists ("" is root itself); the first of all where none does."""
    return next((root / name for name in names if (root / name).is_dir()), root / names[0])

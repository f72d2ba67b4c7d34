"""MagnaTagATune: 25,863 clips of 29 seconds, tagged by players of a game with a purpose.

Layout
    annotations_final.csv       one row per clip: clip_id, 188 tags as 0 or 1, mp3_path. Required.
    clip_info_final.csv         artist, album, track and title of the clips. Without it songs are inferred from file
                                names, and artists are not known.
    0 .. f                      sixteen folders of MP3 files, in the root, in mp3/ or in audio/.
    splits/                     published lists, for those who have them; they may also be in the root. mtat-lee:
                                train.npy, valid.npy, test.npy. mtat-pons: train_gt_mtt.tsv, val_gt_mtt.tsv,
                                test_gt_mtt.tsv. Lists that are not the published ones are refused.

Tags
    The 50 with most clips in annotations_final.csv, most first; ties are in the order of the columns.
    Synonyms (beat and beats) are not merged: no paper except perhaps bristol merged them.

Protocols, each with its own scores, never to be compared with each other; see :mod:`earmark.datasets.mtat_protocols`
    mtat-folders    folders 0-b train, c validation, d-f test; every clip that is not empty.
    mtat-lee        the same without clips that have none of the 50 tags. Lee et al. also require 29.1 s of audio;
                    of the published lists of validation and test, tags alone explain every clip, and of the training
                    clips the empty ones are also left out here. Compared with the lists' hashes.
    mtat-pons       musicnn's lists. They are the same clips as mtat-folders: validation and test are compared with the
                    lists' hashes, training follows from the rule of a public program that makes them.
    mtat-bristol    the rule of mtat-lee. The paper has 247 clips more than Lee et al. and publishes no list.
    mtat-random     13:1:2 by clip, drawn once and for all by a hash of each clip's path.

Folders do not separate artists, and mtat-random does not even separate songs:
:func:`earmark.datasets.leaks.leak_warnings` counts them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from earmark.core.errors import DataError
from earmark.core.tag_lists import load_vocabulary
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo
from earmark.datasets.mtat_files import (
    ANNOTATIONS_NAME,
    CLIP_INFO_NAME,
    Annotations,
    Origin,
    audio_folder,
    read_annotations,
    read_origins,
    song_from_path,
)
from earmark.datasets.mtat_protocols import EMPTY_CLIPS, N_TAGS, PROTOCOLS, find_protocol, make_splits
from earmark.datasets.registry import register_dataset

INFO = DatasetInfo(
    name="magnatagatune",
    title="MagnaTagATune: 25,863 clips tagged by players of TagATune",
    description=f"a folder with {ANNOTATIONS_NAME}, {CLIP_INFO_NAME} and the folders 0 to f, in it or in mp3/",
    citation=(
        "E. Law, K. West, M. I. Mandel, M. Bay, J. S. Downie: Evaluation of algorithms using games: the case of music "
        "tagging. ISMIR 2009"
    ),
    licence="CC BY-NC-SA 3.0 (audio from Magnatune)",
    url="https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset",
    protocols=tuple(known.protocol for known in PROTOCOLS),
    downloads=DOWNLOADS / "magnatagatune.toml",
    exclusions=dict.fromkeys(EMPTY_CLIPS, "the published file is empty"),
    tags_from=f"the {N_TAGS} most frequent of {ANNOTATIONS_NAME}",
)


@register_dataset(INFO)
def magnatagatune(root: Path, protocol: str | None = None) -> Dataset:
    """Read MagnaTagATune under one of its five protocols; see the module docstring.

    Args:
        root: the folder with annotations_final.csv.
        protocol: name of the split; None for mtat-folders.

    Returns:
        Clips in the order of annotations_final.csv; their ids are its clip ids. ``notes`` say where the split is not
        the published one, or files are lacking.

    Raises:
        DataError: tables with problems (all at once), an archive that was not unzipped, published lists with other
            clips than published.
    """
    known = find_protocol(protocol or PROTOCOLS[0].protocol.name)
    path = root / ANNOTATIONS_NAME
    if not path.is_file():
        raise DataError(f"{path}: no such file; magnatagatune needs {INFO.description}; it is at {INFO.url}")
    annotations = read_annotations(path)
    folder = audio_folder(root)
    columns = annotations.most_frequent(N_TAGS)
    names = tuple(annotations.tags[i] for i in columns)
    splits, notes = make_splits(annotations, columns, root, known)
    origins, origin_notes = _origins(root, annotations, splits)
    labels = annotations.labels[:, columns].astype(np.float32)
    clips = tuple(
        Clip(
            annotations.clip_ids[row],
            (folder or root) / annotations.paths[row],
            split,
            labels[row],
            origins[row].artist,
            origins[row].song,
        )
        for row, split in splits.items()
    )
    if folder is None:
        origin_notes.append(f"{root}: no folder of audio (0 to f, here, in mp3 or in audio).")
    vocabulary, tag_notes = _vocabulary(names)
    all_notes = (*notes, *tag_notes, *origin_notes)
    return Dataset("magnatagatune", known.protocol.name, vocabulary, clips, INFO, all_notes)


def _vocabulary(names: tuple[str, ...]) -> tuple[Vocabulary, list[str]]:
    """Tags with their categories, as far as these are known."""
    usual = load_vocabulary("mtat-50")
    categories = {tag.name: tag.category for tag in usual}
    vocabulary = Vocabulary(tuple(Tag(name, "classification", categories.get(name, "other")) for name in names))
    if others := [name for name in names if name not in categories]:
        lost = [name for name in usual.names if name not in names]
        return vocabulary, [
            f"The {len(names)} most frequent tags are not the usual {len(usual)}: "
            f"{', '.join(others)} instead of {', '.join(lost) or 'none'}."
        ]
    return vocabulary, []


def _origins(root: Path, annotations: Annotations, splits: dict[int, str]) -> tuple[dict[int, Origin], list[str]]:
    """Song and artist of each clip that is used, by its row; and notes if they are not known."""
    path = root / CLIP_INFO_NAME
    known = read_origins(path) if path.is_file() else {}
    origins = {
        row: known.get(annotations.clip_ids[row]) or Origin(song_from_path(annotations.paths[row]), None)
        for row in splits
    }
    n_unknown = sum(origin.artist is None for origin in origins.values())
    if not path.is_file():
        return origins, [f"{path}: no such file, so songs are inferred from file names and artists are not known."]
    if n_unknown:
        return origins, [f"{CLIP_INFO_NAME} names no artist for {n_unknown:,} of {len(origins):,} clips."]
    return origins, []

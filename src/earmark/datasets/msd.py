"""The Million Song Dataset with 50 Last.fm tags: published split lists, labels and the user's audio.

The dataset has no audio; users need their own 30-second previews. Every file below is looked for in root and in
the folders of root.

Lists and labels:
    msd-lee     ``filtered_list_train.cP`` and ``filtered_list_test.cP``, pickles of track ids (the first 201,680 of the
                train list train, the rest validate), or a table ``msd-lee.csv`` (.tsv, .jsonl, .parquet) with columns
                track_id and split. Labels from ``msd_id_to_tag_vector.cP``, or else from ``lastfm_tags.db``: a tag
                applies if its value is above 50. Tags from ``50tagList.txt``, or else the same 50 as published.
    msd-cals    ``{train,valid,test}_ids.npy`` and ``{train,valid,test}_binaries.npy``; tags from ``cals_tags.npy``, or
                else the 50 as published.

Artists and songs, if present: ``unique_tracks.txt`` and ``msd_duplicates.txt``. Audio: ``audio_index.csv`` (.tsv,
.jsonl, .parquet) with columns track_id and path; or ``MSD_id_to_7D_id.pkl`` and ``7D_id_to_path.pkl``; or
``audio/A/B/C/TRABC....mp3``. Pickles are read without executing code in them
(:func:`earmark.datasets.restricted_unpickle.read_plain_pickle`).
"""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path

from earmark.core.errors import DataError
from earmark.core.tag_lists import load_vocabulary
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo, Labels, Protocol
from earmark.datasets.msd_lists import (
    Entry,
    cals_entries,
    find,
    lastfm_labels,
    lee_entries,
    read_array,
    vector_labels,
)
from earmark.datasets.msd_tracks import audio_paths, read_duplicates, read_tracks, songs
from earmark.datasets.registry import register_dataset

_log = logging.getLogger(__name__)

LEE = Protocol(
    "msd-lee",
    "Lee et al. 2017, kim2018: previews of at least 29.1 s, 201,680 / 11,774 / 28,435; artists fall on both sides",
)
CALS = Protocol("msd-cals", "Won et al. 2021: cleaned tags, no artist in two splits, 163,504 / 34,730 / 34,913")

PUBLISHED_COUNTS = {
    LEE.name: {"train": 201_680, "validation": 11_774, "test": 28_435},
    CALS.name: {"train": 163_504, "validation": 34_730, "test": 34_913},
}

INFO = DatasetInfo(
    name="msd",
    title="Million Song Dataset with Last.fm tags",
    description=(
        "a folder with filtered_list_train.cP and filtered_list_test.cP (or a table msd-lee.csv of track_id and split) "
        "and msd_id_to_tag_vector.cP or lastfm_tags.db; or with the six CALS files train_ids.npy, train_binaries.npy "
        "and so on; unique_tracks.txt and msd_duplicates.txt for artists and songs; audio through audio_index.csv "
        "(track_id, path), the two 7digital pickles, or as audio/A/B/C/TRABC....mp3"
    ),
    citation=(
        "T. Bertin-Mahieux, D. P. W. Ellis, B. Whitman, P. Lamere: The Million Song Dataset. ISMIR 2011. "
        "Splits: J. Lee, J. Park, K. L. Kim, J. Nam: Sample-level deep convolutional neural networks for music "
        "auto-tagging using raw waveforms. SMC 2017; M. Won, K. Choi, X. Serra: Semi-supervised music tagging "
        "transformer. ISMIR 2021"
    ),
    licence="metadata for research; Last.fm tags for non-commercial use; it has no audio",
    url="http://millionsongdataset.com",
    protocols=(LEE, CALS),
    downloads=DOWNLOADS / "msd.toml",
    tags_from="50tagList.txt (msd-lee) or cals_tags.npy (msd-cals), or else the 50 as published with each split",
)


@register_dataset(INFO)
def msd(root: Path, protocol: str | None = None) -> Dataset:
    """Read the lists, labels and names under root; audio is neither opened nor needed.

    Counts that differ from the published ones, tracks without any tag and missing names of artists are logged as warnings.

    Args:
        root: the folder that holds the files named above.
        protocol: "msd-lee" or "msd-cals"; None for the first whose lists are there.

    Raises:
        DataError: no lists, no labels, or files with problems (all of a file at once).
    """
    if protocol in (None, LEE.name):
        entries = lee_entries(root)
        if entries is not None:
            tags = _lee_tags(root)
            return _dataset(root, LEE.name, tags, entries, _lee_labels(root, tags, entries))
    if protocol in (None, CALS.name):
        tags = _cals_tags(root)
        read = cals_entries(root, len(tags))
        if read is not None:
            return _dataset(root, CALS.name, tags, *read)
    raise DataError(f"{root}: no lists of {protocol or 'msd-lee or msd-cals'} there; msd needs {INFO.description}")


def _dataset(root: Path, protocol: str, tags: Vocabulary, entries: list[Entry], labels: dict[str, Labels]) -> Dataset:
    wanted = {entry.track: None for entry in entries}  # a set that keeps its order
    names = find(root, "unique_tracks.txt")
    duplicates = find(root, "msd_duplicates.txt")
    tracks = read_tracks(names, wanted) if names else {}
    song_of = songs(wanted, tracks, read_duplicates(duplicates) if duplicates else [])
    paths = audio_paths(root, wanted)
    clips = [
        Clip(
            entry.track,
            paths[entry.track],
            entry.split,
            labels[entry.track],
            tracks[entry.track][1] or None if entry.track in tracks else None,
            song_of[entry.track],
        )
        for entry in entries
    ]
    dataset = Dataset("msd", protocol, tags, tuple(clips), INFO)
    _warn(root, dataset, names is not None)
    return dataset


def _warn(root: Path, dataset: Dataset, has_names: bool) -> None:
    published = PUBLISHED_COUNTS[dataset.protocol]
    if dataset.counts != published:
        there, wanted = (
            ", ".join(f"{split} {n:,}" for split, n in counts.items()) for counts in (dataset.counts, published)
        )
        _log.warning("%s: %s has %s tracks, the published split %s", root, dataset.protocol, there, wanted)
    untagged = sum(not clip.labels.any() for clip in dataset.clips)
    if untagged:
        _log.warning("%s: %d tracks have none of the %d tags", root, untagged, len(dataset.vocabulary))
    unnamed = sum(clip.artist is None for clip in dataset.clips)
    if not has_names:
        _log.warning("%s: no unique_tracks.txt, so artists are not known and cannot be compared across splits", root)
    elif unnamed:
        _log.warning("%s: unique_tracks.txt names no artist for %d tracks", root, unnamed)


def _lee_labels(root: Path, tags: Vocabulary, entries: list[Entry]) -> dict[str, Labels]:
    if vectors := find(root, "msd_id_to_tag_vector.cP"):
        return vector_labels(vectors, len(tags), entries)
    if database := find(root, "lastfm_tags.db"):
        return lastfm_labels(database, tags.names, entries)
    raise DataError(f"{root}: has lists but no labels; put msd_id_to_tag_vector.cP or lastfm_tags.db there")


def _lee_tags(root: Path) -> Vocabulary:
    published = load_vocabulary("msd-50")
    path = find(root, "50tagList.txt")
    if path is None:
        return published
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from error
    return _named(path, [name for name in names if name], published)


def _cals_tags(root: Path) -> Vocabulary:
    text = (files("earmark.datasets") / "data" / "msd-cals-50.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    published = Vocabulary(tuple(Tag(name, "classification", category) for name, category in rows))
    path = find(root, "cals_tags.npy")
    return _named(path, [str(name).strip() for name in read_array(path).tolist()], published) if path else published


def _named(path: Path, names: list[str], published: Vocabulary) -> Vocabulary:
    """The names of a file with the categories of the published list; a warning if they differ."""
    if not names or "" in names or len(set(names)) != len(names):
        raise DataError(f"{path}: must name every tag once, a name for each; it names {', '.join(names) or 'none'}")
    if tuple(names) != published.names:
        _log.warning("%s: not the published %d tags in their order", path, len(published))
    categories = {tag.name: tag.category for tag in published}
    return Vocabulary(tuple(Tag(name, "classification", categories.get(name, "other")) for name in names))

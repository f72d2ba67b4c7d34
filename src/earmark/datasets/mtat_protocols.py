"""The five named splits of MagnaTagATune: their rules, and what is known about the published lists.

Every split is made by rule from annotations_final.csv. The result is then compared with counts and hashes of the
published lists. If the published lists are beside the data, they are read instead, and must be the
published ones.

The hashes are SHA-256 over the clips of a split, one per line without a line end at the last: clip ids in the order of
their numbers where ``key`` is "clip_id", paths in the order of their code points where it is "mp3_path".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from earmark.core.errors import DataError
from earmark.datasets.base import SPLITS, Protocol, raise_problems
from earmark.datasets.mtat_files import FOLDERS, Annotations

Rule = Callable[[str, bool], str | None]
"""Path of a clip, and whether it has one of the 50 tags -> its split; None where it is not used."""

N_TAGS = 50
N_ANNOTATED = 25_863
"""Clips of the whole annotations_final.csv."""

EMPTY_CLIPS = (
    "6/norine_braun-now_and_zen-08-gently-117-146.mp3",
    "8/jacob_heringman-josquin_des_prez_lute_settings-19-gintzler__pater_noster-204-233.mp3",
    "9/american_baroque-dances_and_suites_of_rameau_and_couperin-25-le_petit_rien_xiveme_ordre_couperin-88-117.mp3",
)

_SHARES = (("train", 13), ("validation", 1), ("test", 2))
_RANDOM_SEED = "magnatagatune mtat-random 0"


@dataclass(frozen=True)
class Published:
    """What is known about a published list: clips, and hash, see the module docstring (None: not known)."""

    n_clips: int
    sha256: str | None = None


@dataclass(frozen=True)
class MtatProtocol:
    """A named split.

    Attributes:
        protocol: name, and what readers of its scores must know.
        rule: how the split is made.
        published: split -> what is known of the paper's list; empty if there is none.
        n_clips: clips of all splits, as the paper says.
        key: what the hashes are over, and what the list files name.
        lists: split -> name of the published list file; empty where there is none.
        source: where the list files were published.
        note: reported with every score.
    """

    protocol: Protocol
    rule: Rule
    published: Mapping[str, Published] = field(default_factory=dict)
    n_clips: int | None = None
    key: Literal["clip_id", "mp3_path"] = "clip_id"
    lists: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    note: str = ""


def by_folder(path: str, tagged: bool = True) -> str:  # noqa: ARG001  a rule
    """0 to b train, c validation, d to f test (dieleman2014, section 3.1)."""
    place = FOLDERS.index(path[0])
    return "train" if place < 12 else "validation" if place == 12 else "test"


def tagged_by_folder(path: str, tagged: bool) -> str | None:
    """The same without clips that have none of the 50 tags."""
    return by_folder(path) if tagged else None


def by_hash(path: str, tagged: bool = True) -> str:  # noqa: ARG001  a rule
    """13:1:2 by a hash of the clip's path alone: a clip keeps its split, whatever other clips there are."""
    digest = hashlib.sha256(f"{_RANDOM_SEED} {path}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") % sum(share for _, share in _SHARES)
    for split, share in _SHARES:
        if place < share:
            return split
        place -= share
    raise AssertionError("the shares add up to all places")


_FOLDER_SPLITS = {
    "train": Published(18_706, "5f0ea56262d9b13ab5842684e5c0746d4a9e1ede6d4892fa68055cc7ad98eabf"),
    "validation": Published(1_825, "39e9727f220327a4344af38ecb5e2c0b8188b1c5cfb0662c213543dd7f8bf58f"),
    "test": Published(5_329, "118bf4bdd96e766aac75a368bb08200b029ac91f5d2c41c4e3fc451f5b557e82"),
}
_PONS_SPLITS = {**_FOLDER_SPLITS, "train": Published(18_706)}
_LEE_SPLITS = {
    "train": Published(15_247, "0ceb1c96344886a2168eabb7e643acb6eccdc0afe5d873ea1ccddc6339f78027"),
    "validation": Published(1_529, "56aec947504b0bb0d707eecca5bd87b34eddef6729497cad2fc9f469a8af99cd"),
    "test": Published(4_332, "17e9ab0bcdc35bcf0642d28f267440a4c12f8882df2e6c9fa2be6ef60d63a968"),
}

PROTOCOLS = (
    MtatProtocol(
        Protocol("mtat-folders", "dieleman2014: folders 0-b / c / d-f, every readable clip, with tags or without"),
        by_folder,
        published=_FOLDER_SPLITS,
        n_clips=25_860,
    ),
    MtatProtocol(
        Protocol("mtat-lee", "Lee et al. 2017, kim2018: by folder, clips with at least one of the 50 tags"),
        tagged_by_folder,
        published=_LEE_SPLITS,
        n_clips=21_108,
        key="mp3_path",
        lists={"train": "train.npy", "validation": "valid.npy", "test": "test.npy"},
        source="https://github.com/minzwon/sota-music-tagging-models/tree/master/split/mtat",
    ),
    MtatProtocol(
        Protocol("mtat-pons", "musicnn's lists: by folder, without the three empty clips, with tags or without"),
        by_folder,
        published=_PONS_SPLITS,
        n_clips=25_860,
        lists={"train": "train_gt_mtt.tsv", "validation": "val_gt_mtt.tsv", "test": "test_gt_mtt.tsv"},
        source="https://github.com/jordipons/musicnn-training/tree/master/data/index/mtt",
    ),
    MtatProtocol(
        Protocol("mtat-bristol", "bristol: by folder, clips with at least one of the 50 tags"),
        tagged_by_folder,
        n_clips=21_355,
        note=(
            "The paper has 21,355 clips and publishes no list; its text names tags that are not among the 50 most "
            "frequent (no singer, foreign), so its 50 tags are others. The rule here takes the 50 most frequent."
        ),
    ),
    MtatProtocol(
        Protocol("mtat-random", "ensemble: 13:1:2 by clip at random; songs and artists fall on both sides, by design"),
        by_hash,
        n_clips=25_860,
        note="The paper's own draw is not published; this one is a fixed draw by a hash of each clip's path.",
    ),
)


def find_protocol(name: str) -> MtatProtocol:
    """One of :data:`PROTOCOLS` by its name."""
    return next(known for known in PROTOCOLS if known.protocol.name == name)


def split_hash(clips: Iterable[str], key: Literal["clip_id", "mp3_path"]) -> str:
    """SHA-256 (hex) of a split's clips, in any order.

    Example:
        >>> split_hash(["10", "9"], "clip_id") == split_hash(["9", "10"], "clip_id")
        True
    """
    ordered = sorted(clips, key=int) if key == "clip_id" else sorted(clips)
    return hashlib.sha256("\n".join(ordered).encode()).hexdigest()


def read_lists(root: Path, known: MtatProtocol) -> tuple[Path, dict[str, list[str]]] | None:
    """The published lists in root or root/splits, as split -> clips; None if there are none.

    Returns:
        Their folder, and the clips as ``known.key`` says.

    Raises:
        DataError: some of the files are there and some are not, they cannot be read, or they are not the published
            ones; all problems at once.
    """
    for folder in (root, root / "splits"):
        there = {split: folder / name for split, name in known.lists.items() if (folder / name).is_file()}
        if not there:
            continue
        problems = [f"{folder / known.lists[split]}: missing" for split in known.lists if split not in there]
        clips = {}
        for split, path in there.items():
            try:
                clips[split] = _read_npy(path) if path.suffix == ".npy" else _read_tsv(path)
            except (OSError, ValueError, EOFError) as error:
                problems.append(f"{path}: cannot be read ({error})")
                continue
            problems += _differences(path, clips[split], known, split)
        raise_problems(f"{known.protocol.name}: lists in {folder} (published at {known.source})", problems)
        return folder, clips
    return None


def _differences(path: Path, clips: list[str], known: MtatProtocol, split: str) -> list[str]:
    """How a list differs from the published one; empty if it does not."""
    published = known.published[split]
    found = split_hash(clips, known.key)
    if published.sha256 in (None, found):
        return []
    return [
        f"{path}: not the published list: {len(clips):,} clips, hash {found[:16]}..; "
        f"published: {published.n_clips:,} clips, hash {str(published.sha256)[:16]}.."
    ]


def _read_npy(path: Path) -> list[str]:
    """Texts "place, tab, path of the clip". Never a pickle."""
    rows = np.load(path, allow_pickle=False)
    if rows.ndim != 1 or rows.dtype.kind != "U":
        raise ValueError(f"must be an array of texts, is {rows.dtype} {rows.shape}")
    clips = [str(row).partition("\t")[2].strip() for row in rows]
    if not all(clips):
        raise ValueError("each text must be a number, a tab and a clip's path")
    return clips


def _read_tsv(path: Path) -> list[str]:
    """Clip ids from lines "clip id, tab, labels"; the labels are taken from annotations_final.csv."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    clips = [line.partition("\t")[0].strip() for line in lines]
    if wrong := [clip for clip in clips if not clip.isdecimal()]:
        raise ValueError(f"each line must begin with a clip's number, not with {wrong[0]!r}")
    return clips


def make_splits(
    annotations: Annotations, columns: np.ndarray[tuple[int], np.dtype[np.int64]], root: Path, known: MtatProtocol
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Split of every clip that the protocol uses.

    Args:
        annotations: all clips.
        columns: (50,) columns of the tags.
        root: where list files may be.
        known: the protocol.

    Returns:
        row of the annotations -> split, in the order of the rows; and notes for readers of the scores.

    Raises:
        DataError: list files that are not the published ones, or no clips at all.
    """
    tagged = annotations.labels[:, columns].max(axis=1, initial=0)
    splits: dict[int, str] = {}
    for row, path in enumerate(annotations.paths):
        if path not in EMPTY_CLIPS and (split := known.rule(path, bool(tagged[row]))) is not None:
            splits[row] = split
    notes = [known.note] if known.note else []
    if (lists := read_lists(root, known)) is not None:
        keys = annotations.clip_ids if known.key == "clip_id" else annotations.paths
        rows = {key: row for row, key in enumerate(keys)}
        by_rule, named = splits, {clip: split for split in SPLITS for clip in lists[1][split]}
        splits = {rows[clip]: split for clip, split in named.items() if clip in rows}
        splits = dict(sorted(splits.items()))
        if n_unknown := len(named) - len(splits):
            notes.append(f"{n_unknown} clips of the lists in {lists[0]} are not in annotations_final.csv.")
        if n_differ := len(splits.items() ^ by_rule.items()):
            notes.append(
                f"The lists in {lists[0]} and the protocol's rule differ in {n_differ} clips; the lists count."
            )
    if not splits:
        raise DataError(f"{known.protocol.name}: no clip of {root} belongs to it")
    return splits, (*notes, *_count_notes(annotations, splits, known))


def _count_notes(annotations: Annotations, splits: dict[int, str], known: MtatProtocol) -> list[str]:
    """What differs from the published split."""
    keys = annotations.clip_ids if known.key == "clip_id" else annotations.paths
    name, n_annotated = known.protocol.name, len(annotations.paths)
    differ = []
    for split, published in known.published.items():
        clips = [keys[row] for row, where in splits.items() if where == split]
        if len(clips) != published.n_clips:
            differ.append(f"{split} {len(clips):,} clips, published {published.n_clips:,}")
        elif published.sha256 not in (None, split_hash(clips, known.key)):
            differ.append(f"{split} has as many clips as published, {len(clips):,}, but others")
    if not known.published and len(splits) != known.n_clips:
        differ.append(f"{len(splits):,} clips, in the paper {known.n_clips:,}")
    if not differ:
        return []
    part = "" if n_annotated == N_ANNOTATED else f" annotations_final.csv has {n_annotated:,} of {N_ANNOTATED:,} clips."
    return [f"Not {name} as published: {'; '.join(differ)}.{part}"]

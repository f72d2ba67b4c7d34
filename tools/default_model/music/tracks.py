"""The table of tracks: duplicates are dropped, and what is left is split by artist, composer or package."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.markdown import render_markdown
from earmark.datasets.labelled_set.songs import Song
from tools.default_model.music.kept_apart import COMPOSER, hash_share, normalize
from tools.default_model.music.listing import FINGERPRINT_BANDS, File, Listing
from tools.default_model.music.sources import Source

SPLITS = ("train", "validation", "test", "heldout", "measure-only")
VALIDATION_SHARE = TEST_SHARE = 0.1
SPLIT_SALT = "earmark music 1959"
"""Goes into the hash. The number is the first with which both have about a tenth of the hours, and songs with voices."""
MOST_DIFFERENCE_DB = 1.0
"""Mean difference of two fingerprints up to which they are of the same recording."""
FLOOR_DB = 50.0
"""What is so far below the loudest band does not count: encoders differ there."""

_NO_ARTISTS = ("", "unknown", "unknownartist", "various", "variousartists", "na")


@dataclass(frozen=True)
class Track:
    """A row of tracks.csv, which :func:`tools.default_model.corpus.read_collections` reads as well.

    Attributes:
        track_id: unique: the source and the path inside.
        path: relative to the table.
        source: its name in sources.yaml.
        use: train or measure-only.
        group: what is in one split only.
        split: train, validation, test; heldout for titles of the composer that judge instruments; measure-only.
        artist, title: empty where unknown.
        licence: of the source.
        duration_s: seconds.
        genre: from the tags, or as the composer gives it.
        instruments, feel: as the composer gives them.
        content: music, speech or noise.
    """

    track_id: str
    path: str
    source: str
    use: str
    group: str
    split: str
    artist: str
    title: str
    licence: str
    duration_s: float
    genre: str = ""
    instruments: str = ""
    feel: str = ""
    content: str = "music"


def build_tracks(listings: Sequence[tuple[Source, Listing]]) -> tuple[list[Track], Counter[tuple[str, str]]]:
    """All tracks, in the order of the sources, and how many of each source were left out for which reason."""
    left_out: Counter[tuple[str, str]] = Counter()
    for source, listing in listings:
        left_out.update({(source.name, reason): n for reason, n in listing.left_out.items()})
    found = [(source, file) for source, listing in listings for file in listing.files]
    kept = []
    by_title: dict[tuple[str, str], str] = {}
    music = [file for source, file in found if source.content == "music"]
    repeated = {id(music[k]) for k in same_recordings(music)}
    for source, file in found:
        artist, title = normalize(file.artist), normalize(file.title)
        known = source.content == "music" and artist not in _NO_ARTISTS and title
        if id(file) in repeated:
            left_out[source.name, "duplicate: same recording"] += 1
        elif known and by_title.setdefault((artist, title), source.name) != source.name:
            left_out[source.name, "duplicate: same artist and title in another source"] += 1
        else:
            kept.append((source, file))
    groups = _groups(kept)
    return [_track(source, file, group) for (source, file), group in zip(kept, groups, strict=True)], left_out


def _track(source: Source, file: File, group: str) -> Track:
    split = "measure-only" if source.use == "measure-only" else file.labels.get("split") or split_of(group)
    labels = {name: file.labels[name] for name in ("genre", "instruments", "feel") if name in file.labels}
    return Track(
        track_id=f"{source.name}/{file.inside}",
        path=file.path,
        source=source.name,
        use=source.use,
        group=group,
        split=split,
        artist=file.artist,
        title=file.title,
        licence=source.licence,
        duration_s=file.duration_s,
        content=source.content,
        **{"genre": file.genre, **labels},
    )


def split_of(group: str) -> str:
    """Train, validation or test, from the name of the group alone."""
    share = hash_share(f"{SPLIT_SALT} {group}")
    return "test" if share < TEST_SHARE else "validation" if share < TEST_SHARE + VALIDATION_SHARE else "train"


def _groups(found: Sequence[tuple[Source, File]]) -> list[str]:
    """A group for every file. Packages that share an artist are one group, named after the first of them."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    own: list[str] = []
    by_artist: dict[str, str] = {}
    for source, file in found:
        artist = normalize(file.artist)
        if file.labels:  # one composer in both splits: by title
            own.append(f"{COMPOSER}: {' '.join(file.title.casefold().split()[:2])}")
            continue
        known = artist not in _NO_ARTISTS
        if source.content == "noise":
            own.append(f"{source.name}/{file.inside}")
            continue
        group = f"artist {artist}" if source.group != "package" and known else source.name
        own.append(group)
        if known and source.content == "music":
            first = by_artist.setdefault(artist, group)
            parent[root(group)] = root(first)
    return [root(group) for group in own]


def same_recordings(files: Sequence[File]) -> list[int]:
    """Positions of files that are the same recording as an earlier one, whatever their encoding and level.

    Compared are lengths, within 2 s, and the levels of eight bands in each of the first 30 s.
    """
    order = sorted(range(len(files)), key=lambda k: files[k].duration_s)
    levels = [_levels(file) for file in files]
    repeated: set[int] = set()
    for n, first in enumerate(order):
        for second in order[n + 1 :]:
            if files[second].duration_s - files[first].duration_s > 2:
                break
            shorter = min(len(levels[first]), len(levels[second]))
            difference = levels[first][:shorter] - levels[second][:shorter]
            if shorter and np.abs(difference - np.median(difference)).mean() <= MOST_DIFFERENCE_DB:
                repeated.add(max(first, second))
    return sorted(repeated)


def _levels(file: File) -> npt.NDArray[np.float64]:
    levels = np.array(file.fingerprint, dtype=np.float64).reshape(-1, FINGERPRINT_BANDS)
    loudest = float(levels.max(initial=-np.inf))
    return levels.clip(min=loudest - FLOOR_DB)


def tracks_csv(tracks: Iterable[Track]) -> bytes:
    """The table as CSV."""
    names = [field.name for field in fields(Track)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([" ".join(str(getattr(track, name)).split()) for name in names] for track in tracks)
    return out.getvalue().encode()


def read_tracks(path: Path) -> list[Track]:
    """Read tracks.csv."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Track(**{**row, "duration_s": float(row["duration_s"])}) for row in csv.DictReader(file)]  # type: ignore[arg-type]


def songs(tracks: Iterable[Track], folder: Path) -> list[Song]:
    """The tracks in the form that ``earmark distill label`` reads."""
    return [Song(track.track_id, folder / track.path, track.group, track.split, track.duration_s) for track in tracks]


def summary(tracks: Sequence[Track], left_out: Counter[tuple[str, str]], licences: dict[str, str]) -> str:
    """Markdown: hours by source and licence, by split, and what was left out."""
    music = [track for track in tracks if track.content == "music"]

    def group_by(name: str, among: Iterable[Track]) -> dict[str, list[Track]]:
        groups: dict[str, list[Track]] = {}
        for track in among:
            groups.setdefault(getattr(track, name), []).append(track)
        return groups

    splits = group_by("split", music)
    every = [*((split, splits.get(split, [])) for split in SPLITS), ("all", music)]
    return render_markdown(
        "summary.md.j2",
        Path(__file__).parent,
        sources=[
            (source, licences[source], _use(own[0]), len(own), _hours(own))
            for source, own in group_by("source", tracks).items()
        ],
        splits=[(split, len(own), len({track.group for track in own}), _hours(own)) for split, own in every],
        licences=[(licence, len(own), _hours(own)) for licence, own in sorted(group_by("licence", music).items())],
        left_out=sorted(((reason, name, n) for (name, reason), n in left_out.items())),
    )


def _use(track: Track) -> str:
    return track.use if track.content == "music" else f"no music: {track.content}"


def _hours(tracks: Iterable[Track]) -> str:
    return f"{sum(track.duration_s for track in tracks) / 3600:.2f}"

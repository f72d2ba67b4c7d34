"""Extended Ballroom: 4,180 excerpts of 30 s of 13 ballroom dances.

Root holds ``extendedballroom_v1.1.xml``: a node per dance, in it a ``song`` per excerpt (id, artist, title, album, bpm,
hash), in which ``exact``, ``version``, ``time`` and ``karaoke`` name other excerpts of the same song; and the audio,
``Waltz/100601.mp3`` and so on, as the authors' program downloads it. An excerpt has exactly one dance.

The authors publish no split (they cross-validate). The one here keeps artists, and excerpts that are named as the same
song, on one side: such groups are given to the splits, largest first, so that about 60, 15 and 25 % of each dance are in
them.
"""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from earmark.core.errors import DataError
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.audio_places import find_folder
from earmark.datasets.base import DOWNLOADS, Clip, Dataset, DatasetInfo, Protocol, one_hot, raise_problems
from earmark.datasets.registry import register_dataset

DANCES = (
    *("Chacha", "Foxtrot", "Jive", "Pasodoble", "Quickstep", "Rumba", "Salsa", "Samba", "Slowwaltz", "Tango"),
    *("Viennesewaltz", "Waltz", "Wcswing"),
)
LIST_NAME = "extendedballroom_v1.1.xml"
SHARES = {"train": 0.6, "validation": 0.15, "test": 0.25}

ARTIST_DISJOINT = Protocol(
    "artist-disjoint",
    "about 60 / 15 / 25 % of each dance; no artist and no song, versions of it included, is in two of them (ours: none is published)",
)

INFO = DatasetInfo(
    name="extended_ballroom",
    title="Extended Ballroom: 4,180 excerpts of 13 dances",
    description=f"a folder with {LIST_NAME} and a folder of each dance (Waltz/100601.mp3), itself or in audio",
    citation="U. Marchand, G. Peeters: The Extended Ballroom dataset. ISMIR late-breaking session, 2016",
    licence="none published; the authors give out the list, the excerpts are previews of a shop",
    url="http://anasynth.ircam.fr/home/media/ExtendedBallroom",
    protocols=(ARTIST_DISJOINT,),
    downloads=DOWNLOADS / "extended_ballroom.toml",
    tags=tuple(dance.lower() for dance in DANCES),
)


@register_dataset(INFO)
def extended_ballroom(root: Path, protocol: str | None = None) -> Dataset:
    """Read the list. Clip ids are the ids of the excerpts; those of one song share ``Clip.song``.

    Args:
        root: the folder that holds the list.
        protocol: "artist-disjoint".

    Raises:
        DataError: no list, not XML, or songs with problems (all at once).
    """
    songs = _songs(root / LIST_NAME)
    same_song = _groups({song.attrib["id"]: _same(song) for _, song in songs})
    linked = {song.attrib["id"]: [*_same(song), f"artist {song.attrib['artist'].strip()}"] for _, song in songs}
    split = _splits(_groups(linked), {song.attrib["id"]: dance for dance, song in songs})
    folder = find_folder((root, root / "audio"), (f"{dance}/{song.attrib['id']}.mp3" for dance, song in songs))
    names = INFO.tags
    clips = tuple(
        Clip(
            (clip_id := song.attrib["id"]),
            folder / dance / f"{clip_id}.mp3",
            split[clip_id],
            one_hot(DANCES.index(dance), len(DANCES)),
            song.attrib["artist"].strip(),
            same_song[clip_id],
        )
        for dance, song in songs
    )
    vocabulary = Vocabulary.of(names, category="genre")
    return Dataset("extended_ballroom", protocol or ARTIST_DISJOINT.name, vocabulary, clips, INFO, exclusive=names)


def _songs(path: Path) -> list[tuple[str, ElementTree.Element]]:
    """Dance and node of every excerpt."""
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        reason = error.strerror
        raise DataError(f"{path}: cannot be read ({reason}); extended_ballroom needs {INFO.description}") from error
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: not XML ({error})") from error
    songs = [(dance.tag, song) for dance in root for song in dance]
    problems = [
        f"dance {name!r} is not one of {', '.join(DANCES)}" for name in {name for name, _ in songs} - set(DANCES)
    ]
    for dance, song in songs:
        if missing := [name for name in ("id", "artist") if not song.get(name, "").strip()]:
            problems.append(
                f"a song of {dance} ({song.get('id') or song.get('title')}) has no {' and no '.join(missing)}"
            )
    raise_problems(str(path), problems)
    return songs


def _same(song: ElementTree.Element) -> list[str]:
    """Ids of other excerpts of the same song."""
    return [other.attrib["id"] for other in song if "id" in other.attrib]


def _groups(links: dict[str, list[str]]) -> dict[str, str]:
    """Excerpt -> name of the group that links join it to, which is the least of its excerpts' ids."""
    parent: dict[str, str] = {}

    def top(name: str) -> str:
        while (above := parent.setdefault(name, name)) != name:
            name = above
        return name

    for name, others in links.items():
        for other in others:
            parent[top(other)] = top(name)
    least: dict[str, str] = {}
    for name in sorted(links):
        least.setdefault(top(name), name)
    return {name: least[top(name)] for name in links}


def _splits(groups: dict[str, str], dances: dict[str, str]) -> dict[str, str]:
    """Excerpt -> split: each group, the largest first, goes where its dances are lacking most."""
    members: dict[str, Counter[str]] = {}
    for clip_id, name in groups.items():
        members.setdefault(name, Counter())[dances[clip_id]] += 1
    sizes = Counter(dances.values())
    lacking = {(split, dance): share * sizes[dance] for split, share in SHARES.items() for dance in sizes}
    splits = {}
    for name in sorted(members, key=lambda name: (-members[name].total(), _drawn(name))):
        of_dances = members[name]
        need = {
            split: sum(n * lacking[split, dance] / sizes[dance] for dance, n in of_dances.items()) for split in SHARES
        }
        splits[name] = max(need, key=need.__getitem__)
        for dance, n in of_dances.items():
            lacking[splits[name], dance] -= n
    return {clip_id: splits[name] for clip_id, name in groups.items()}


def _drawn(name: str) -> bytes:
    """What orders groups of one size."""
    return hashlib.sha256(f"extended ballroom {name}".encode()).digest()

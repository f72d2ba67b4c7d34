"""What labelling needs: the music, decoded, the teachers, and the student's tags."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError, DataError
from earmark.core.input_spec import Conditioning
from earmark.core.json_records import parse_json
from earmark.datasets.labelled_set.shards import (
    EXAMPLE_SAMPLES,
    RATE_HZ,
    SET_FILE,
    SONGS_FILE,
    TAGS_FILE,
    TRAIN_SET,
)
from earmark.datasets.labelled_set.songs import Song, read_songs, songs_csv
from earmark.datasets.labelled_set.tag_union import TagUnion, read_tag_union, tag_names
from earmark.distillation.plan import LabellingPlan
from earmark.distillation.teachers import Teacher, check_names, load_teacher, prepare_teacher, vocabularies_of
from earmark.training.audio_store import AudioStore, Waveform

CANCELLED_SHARE = "cancelled_share"
_GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True, eq=False)
class LabellingInputs:
    """What labelling needs.

    Attributes:
        songs: the music.
        waveforms: song -> its audio at 16 kHz.
        teachers: the networks.
        train_teachers: names of those that label the train set.
        union: the student's tags; None where they are not written.
        train_shares: name of a teacher -> the share of the train set that it labels; 1 for those that are not there.
        cancelled_share: how songs were mixed to mono, see :func:`conditioning_of`.
    """

    songs: tuple[Song, ...]
    waveforms: dict[str, Waveform]
    teachers: tuple[Teacher, ...]
    train_teachers: tuple[str, ...]
    union: TagUnion | None = None
    train_shares: Mapping[str, float] = field(default_factory=dict)
    cancelled_share: float | None = None

    def teachers_of(self, set_name: str) -> tuple[Teacher, ...]:
        """Those that label a set."""
        if set_name != TRAIN_SET:
            return self.teachers
        return tuple(teacher for teacher in self.teachers if teacher.name in self.train_teachers)

    def labels(self, teacher: Teacher, set_name: str, number: int) -> bool:
        """Does a teacher of the set label its shard of this number?"""
        share = self.train_shares.get(teacher.name, 1.0) if set_name == TRAIN_SET else 1.0
        return share >= 1 or is_in_share(teacher.name, number, share)

    @property
    def seconds(self) -> dict[str, float]:
        """Real length of every song, by id."""
        return {song_id: len(waveform) / RATE_HZ for song_id, waveform in self.waveforms.items()}


def is_in_share(name: str, number: int, share: float) -> bool:
    """Does a number belong to the share of this name? Evenly spread, so that every run of numbers has about its share.

    A golden-ratio sequence: unlike every n-th number it never falls on the shards of one process alone.

    Example:
        >>> [number for number in range(12) if is_in_share("essentia-happy", number, 0.25)]
        [0, 2, 5, 10]
    """
    begin = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
    return (begin + number * _GOLDEN_RATIO) % 1 < share


def load_inputs(
    plan: LabellingPlan,
    songs: Path,
    out: Path,
    weights: Path | None = None,
    on_song: Callable[[int, int], None] | None = None,
    *,
    continued: bool = False,
) -> LabellingInputs:
    """Load the teachers, read and decode the songs; converted networks and decoded songs are kept in ``out``.

    Args:
        plan: teachers and tags.
        songs: the table of music, see :mod:`earmark.datasets.labelled_set.songs`.
        out: folder of the sets.
        weights: folder with published weights; None for those that `earmark models pull` has downloaded.
        on_song: called with how many songs are decoded and how many there are.
        continued: other labels come first, so tags of the table may be in none of these teachers' vocabularies.

    Raises:
        DataError: tables or audio with problems.
        ModelError: a teacher is missing.
        ConfigError: tables of tags with problems, or known labels of tags that the student does not have.
    """
    music = read_songs(songs)
    names = {}
    for given in plan.teachers:
        path = Path(given) if given.endswith(".onnx") else prepare_teacher(given, out / "teachers", weights)
        names[given] = load_teacher(path, EXAMPLE_SAMPLES)
    teachers = tuple(names.values())
    check_names(teachers)
    known = tuple(dict.fromkeys(tag for song in music for tag in song.labels))
    elsewhere = tag_names(plan.tags) if continued else ()
    union = read_tag_union(plan.tags, plan.left_out, vocabularies_of(teachers), (*known, *elsewhere))
    if unknown := [tag for tag in known if tag not in union.vocabulary.names]:
        raise ConfigError(
            f"{songs}: columns {', '.join(unknown)}: not tags of {plan.tags}; a column that is no tag is named #NAME"
        )
    share = _share_begun_with(out)
    store = AudioStore(RATE_HZ, out / "songs", conditioning_of(share))
    packed = store.load([song.path for song in music], jobs=1, on_done=on_song)
    waveforms = {song.song_id: waveform for song, waveform in zip(music, packed, strict=True)}
    return LabellingInputs(
        music,
        waveforms,
        teachers,
        tuple(names[given].name for given in plan.train_teachers),
        union,
        {names[given].name: part for given, part in plan.train_shares.items()},
        share,
    )


def conditioning_of(cancelled_share: float | None) -> Conditioning | None:
    """How songs are mixed to mono, by the cancelled_share of set.json; None, as in older sets, for the mean of their channels."""
    return None if cancelled_share is None else Conditioning(cancelled_share=cancelled_share)


def _share_begun_with(out: Path) -> float | None:
    """That of the sets in a folder, or of a new one. Raises DataError for a damaged set.json."""
    for path in sorted(out.glob(f"*/{SET_FILE}")):
        try:
            share: float | None = parse_json(path.read_text(encoding="utf-8")).get(CANCELLED_SHARE)
            conditioning_of(share)
        except (OSError, ValueError, TypeError, AttributeError, ConfigError) as error:
            raise DataError(f"{path}: cannot be read ({error})") from error
        return share
    return Conditioning().cancelled_share


def write_tables(inputs: LabellingInputs, out: Path) -> None:
    """Write tags and music beside the sets, so that the folder can be read on its own.

    Raises:
        DataError: sets there were unpacked. Their tables have the tags that were packed alone, and would be lost.
    """
    for path in sorted(out.glob(f"*/{SET_FILE}")):
        if any("mean_of" in teacher for teacher in parse_json(path.read_text(encoding="utf-8"))["teachers"]):
            raise DataError(f"{path}: was made by `earmark distill unpack`; label into another folder")
    out.mkdir(parents=True, exist_ok=True)
    if inputs.union is not None:
        write_atomic(out / TAGS_FILE, inputs.union.to_json().encode())
    write_atomic(out / SONGS_FILE, songs_csv(inputs.songs).encode())

"""BPM, key, degrees and the comment in files: what mutagen reads of them in every format, what stays, and what undo gives back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
from mutagen.apev2 import APEv2
from mutagen.asf import ASF
from mutagen.id3 import COMM, ID3, TBPM, TKEY
from mutagen.mp4 import MP4

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.musical_key import KEYS, MusicalKey
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.library.tagfiles.changes import Change, Kept, WritePolicy, diff_lines, plan, wanted_values
from earmark.library.tagfiles.comment import comment_text, with_comment
from earmark.library.tagfiles.mapping import default_mapping
from earmark.library.tagfiles.write import Target, read_state
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo
from tests.helpers import tagged
from tests.helpers.tag_writing import take_back, write

F_SHARP_MINOR = KeyEstimate(MusicalKey.parse("F#m"), 0.9)
FIELDS = {"bpm": "124", "key": "F#m", "tempo": "123.6", "energy": "66", "comment": "11A - Energy 7"}


def read(path: Path) -> dict[str, Any]:
    """The fields as mutagen reads them, under the names that players know."""
    if path.suffix in tagged.APE_FORMATS:
        tags: Any = APEv2(path)
        names = ("BPM", "INITIALKEY", "EARMARK_BPM", "EARMARK_ENERGY", "Comment")
        return dict(zip(FIELDS, (str(tags[name]) for name in names), strict=True))
    file = mutagen.File(path)
    tags = file.tags
    if isinstance(tags, ID3):
        names = ("TBPM", "TKEY", "TXXX:EARMARK_BPM", "TXXX:EARMARK_ENERGY", "COMM::eng")
        return dict(zip(FIELDS, (tags[name].text[0] for name in names), strict=True))
    if isinstance(file, MP4):
        own = (
            bytes(tags[f"----:com.{name}"][0]).decode() for name in ("apple.iTunes:initialkey", "earmark:EARMARK_BPM")
        )
        energy = bytes(tags["----:com.earmark:EARMARK_ENERGY"][0]).decode()
        return dict(zip(FIELDS, (str(tags["tmpo"][0]), *own, energy, tags["\xa9cmt"][0]), strict=True))
    if isinstance(file, ASF):
        names = ("WM/BeatsPerMinute", "WM/InitialKey", "EARMARK/BPM", "EARMARK/ENERGY", "Description")
    else:
        names = ("bpm", "initialkey", "earmark_bpm", "earmark_energy", "comment")
    return dict(zip(FIELDS, (str(tags[name][0]) for name in names), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", tagged.FORMATS)
def test_mutagen_reads_them_and_undo_takes_them_back(songs: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    path = Path(shutil.copy(songs[suffix], tmp_path))
    tagged.decorate(path)
    before, content = read_state(path).values, path.read_bytes()
    log = write(path, {field: Target((text,)) for field, text in FIELDS.items()})
    assert read(path) == FIELDS
    assert {field: values[0] for field, values in read_state(path).values.items() if values} == FIELDS
    is_exact = take_back(log)
    assert read_state(path).values == before
    assert (path.read_bytes() == content) == is_exact


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id3)
def test_every_key_is_a_valid_tkey(key: MusicalKey) -> None:
    assert 1 <= len(key.id3) <= 3
    assert MusicalKey.parse(str(TKEY(encoding=3, text=key.id3))) == key


def test_comments_in_other_languages_stay(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    tags = ID3()
    for language, description, text in (("deu", "", "Notiz"), ("eng", "", "note"), ("eng", "iTunNORM", " 00000")):
        tags.add(COMM(encoding=3, lang=language, desc=description, text=text))
    tags.save(path)
    content = path.read_bytes()
    (first, *_) = read_state(path).values["comment"]
    log = write(path, {"comment": Target((f"8A - 5 - {first}",))})
    found = {(frame.lang, frame.desc): frame.text[0] for frame in ID3(path).getall("COMM")}
    assert sorted(found.values()) == sorted({"Notiz", "note", " 00000"} - {first} | {f"8A - 5 - {first}"})
    assert len(found) == 3
    assert take_back(log)
    assert path.read_bytes() == content


def test_a_tempo_of_0_is_none(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".m4a"], tmp_path))
    file = MP4(path)
    file["tmpo"] = [0]
    file.save()
    current = read_state(path).values
    assert current["bpm"] == ("0",)
    assert plan(current, {"bpm": ("124",)}, "fill").changes == (Change("bpm", ("0",), ("124",)),)
    log = write(path, {"bpm": Target(("124",))})
    assert MP4(path)["tmpo"] == [124]
    take_back(log)
    assert MP4(path)["tmpo"] == [0]


# What is wanted --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def card() -> ModelCard:
    from tests.helpers.made_library import TAGS
    from tests.helpers.made_library import card as made

    return made(Vocabulary((*TAGS.tags, Tag("energy", "regression", "mood"), Tag("loudness", "regression"))))


def wanted(card: ModelCard, measured_tempo: Tempo | None, measured_key: KeyEstimate | None, **policy: Any) -> dict:
    scores = np.full(len(card.vocabulary), 0.1)
    scores[[card.vocabulary.index("energy"), card.vocabulary.index("rock")]] = 0.66, 0.9
    made = WritePolicy(default_mapping(card.vocabulary), **policy)
    return {
        field: values
        for field, values in wanted_values(card, scores, made, measured_tempo, measured_key).items()
        if values
    }


def test_bpm_is_whole_and_tempo_has_its_decimal(card: ModelCard) -> None:
    found = wanted(card, Tempo(123.5, 0.9), F_SHARP_MINOR)
    assert (found["bpm"], found["tempo"], found["key"], found["energy"]) == (("124",), ("123.5",), ("F#m",), ("66",))
    assert "comment" not in found
    assert wanted(card, Tempo(122.5, 0.9), None)["bpm"] == ("123",)  # halves go up


def test_what_is_not_known_or_not_wanted_is_not_written(card: ModelCard) -> None:
    for found in (
        wanted(card, None, None, comment=True),
        wanted(card, Tempo(None, 0.1), KeyEstimate(None, 0.1), comment=True),
        wanted(card, Tempo(120.0, 0.9), F_SHARP_MINOR, tempo=False, key=False),
    ):
        assert not {"bpm", "tempo", "key", "comment"} & found.keys()
    assert not {"energy", "scores", "model"} & wanted(card, None, None, scores=False).keys()
    policy = WritePolicy(default_mapping(card.vocabulary))
    silent = wanted_values(card, np.zeros(len(card.vocabulary)), policy)
    assert not any(silent.values())


@pytest.mark.parametrize(("notation", "text"), [("note", "F#m"), ("camelot", "11A"), ("open_key", "4m")])
def test_the_key_in_other_notations(card: ModelCard, notation: str, text: str) -> None:
    assert wanted(card, None, F_SHARP_MINOR, key_notation=notation)["key"] == (text,)


def test_another_notation_is_refused(card: ModelCard) -> None:
    with pytest.raises(ConfigError, match="key_notation 'solfege': must be one of note, camelot, open_key"):
        wanted(card, None, None, key_notation="solfege")


# What stays ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["fill", "merge"])
def test_a_bpm_or_key_of_others_stays(mode: Any) -> None:
    made = plan({"bpm": ("120",), "key": ("Am",)}, {"bpm": ("124",), "key": ("F#m",)}, mode)
    assert not made
    assert made.kept == (Kept("bpm", ("120",), ("124",)), Kept("key", ("Am",), ("F#m",)))
    assert diff_lines(made)[0] == "bpm     120 stays (suggested: 124)"


def test_overwriting_replaces_them() -> None:
    made = plan({"bpm": ("120",), "key": ("Am",)}, {"bpm": ("124",), "key": ("F#m",)}, "overwrite")
    assert [change.after for change in made.changes] == [("124",), ("F#m",)]


@pytest.mark.parametrize("mode", ["fill", "merge", "overwrite"])
@pytest.mark.parametrize(
    ("field", "before", "want"),
    [("bpm", "124.00", "124"), ("bpm", "123.7", "124"), ("key", "11A", "F#m"), ("key", "Gb minor", "F#m")],
)
def test_what_says_the_same_stays_as_it_is_written(mode: Any, field: Any, before: str, want: str) -> None:
    made = plan({field: (before,)}, {field: (want,)}, mode)
    assert not made
    assert not made.kept


@pytest.mark.parametrize("odd", ["fast", "1e999", "nan", "o", "120/140"])
def test_odd_values_of_others_stay(odd: str) -> None:
    assert not plan({"bpm": (odd,), "key": (odd,)}, {"bpm": ("124",), "key": ("F#m",)}, "fill")


def test_what_earmark_wrote_follows_a_new_estimate() -> None:
    ours = {"bpm": {"120"}, "key": {"Am"}}
    made = plan({"bpm": ("120",), "key": ("Am",)}, {"bpm": ("124",), "key": ("F#m",)}, "fill", ours)
    assert [change.after for change in made.changes] == [("124",), ("F#m",)]


@pytest.mark.parametrize(
    ("before", "fill", "overwrite"),
    [
        ((), "11A - Energy 7", "11A - Energy 7"),
        (("great intro",), "11A - Energy 7 - great intro", "11A - Energy 7 - great intro"),
        (("8A - 5",), "8A - 5", "11A - Energy 7"),
        (("8A - 5 - great intro",), "8A - 5 - great intro", "11A - Energy 7 - great intro"),
        (("8A - Energy 5",), "8A - Energy 5", "11A - Energy 7"),
        (("8A",), "8A", "11A - Energy 7"),
        (("11A - Energy 7 - x",), "11A - Energy 7 - x", "11A - Energy 7 - x"),
        (("8Ave Maria",), "11A - Energy 7 - 8Ave Maria", "11A - Energy 7 - 8Ave Maria"),
        (("two\nlines",), "11A - Energy 7 - two\nlines", "11A - Energy 7 - two\nlines"),
    ],
)
def test_a_comment_is_kept_behind_key_and_energy(before: tuple[str, ...], fill: str, overwrite: str) -> None:
    for mode, after in (("fill", fill), ("merge", fill), ("overwrite", overwrite)):
        made = plan({"comment": before}, {"comment": ("11A - Energy 7",)}, mode)  # type: ignore[arg-type]
        assert [change.after for change in made.changes] == ([] if before == (after,) else [(after,)])
    assert with_comment(("a", "b"), "8A - 1", replacing=False) == ("8A - 1 - a", "b")


@pytest.mark.parametrize(
    ("energy", "text"),
    [
        (0.0, "8A - Energy 1"),
        (0.1, "8A - Energy 1"),
        (0.101, "8A - Energy 2"),
        (0.7, "8A - Energy 7"),
        (1.0, "8A - Energy 10"),
        (None, "8A"),
    ],
)
def test_energy_is_a_level_from_1_to_10(energy: float | None, text: str) -> None:
    assert comment_text(MusicalKey.parse("8A"), energy) == text


def test_id3_wants_a_whole_number() -> None:
    assert +TBPM(encoding=3, text=FIELDS["bpm"]) == 124  # mutagen reads it as int(text)

"""The table of other words for tags: whole, without contradictions, and good for the bundled model."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from earmark.core.tag_lists import VOCABULARIES, load_vocabulary
from earmark.core.tag_words import TagFinder, loose_key, page_words, tag_words, written_name
from earmark.tagging.runtime import find_model, read_card

PAGE = Path(__file__).parents[2] / "web/src/tag_words.json"


def test_a_meaning_stands_once_and_has_each_word_once() -> None:
    assert max(Counter(loose_key(row.tag) for row in tag_words()).values()) == 1
    for row in tag_words():
        assert row.words or row.written, row
        keys = [loose_key(word) for word in (row.tag, *row.words)]
        assert len(set(keys)) == len(keys), row
        assert all(word == word.strip() and word for word in row.words), row


def test_words_that_tags_of_ours_are_called_by_stay_these_tags() -> None:
    for vocabulary in map(load_vocabulary, VOCABULARIES):
        finder = TagFinder(vocabulary.names)
        assert all(name in finder.spelled(name.rpartition("---")[2]) for name in vocabulary.names)
        assert not set(finder.words()) & set(vocabulary.names)


@pytest.mark.parametrize(
    ("words", "tag"),
    [
        ("rap, hip-hop, hiphop, Hip Hop, rap music", "hip hop"),
        ("r&b, R'n'B, rhythm and blues, rnb", "rnb"),
        ("dnb, drum'n'bass, drum n bass, Drum & Bass, d&b, jungle", "drum and bass"),
        ("singer, singing, voice, vocal, vocalist", "vocals"),
        ("female singer, female voice, female vocalists, woman", "female vocals"),
        ("no vocals, without vocals", "instrumental"),
        ("chill, chill-out, chill out", "chillout"),
        ("peaceful, serene, sleep", "calm"),
        ("upbeat, cheerful", "happy"),
        ("epic, majestic", "powerful"),
        ("angry", "aggressive"),
        ("melancholy, melancholic", "sad"),
        ("dreamy, ethereal", "atmospheric"),
        ("sax, saxophones", "saxophone"),
        ("synthesizer, synths", "synth"),
        ("sixties, 1960s, 60", "60s"),
        ("2000s", "00s"),
        ("film music, ost", "soundtrack"),
        ("edm", "dance"),
        ("trip-hop", "trip hop"),
        ("rock & roll, rock'n'roll", "rock and roll"),
    ],
)
def test_what_people_type_finds_the_tag_of_the_bundled_model(words: str, tag: str) -> None:
    finder = TagFinder(read_card(find_model()).vocabulary.names)
    for word in words.split(", "):
        assert (finder.spelled(word) or finder.meant(word))[0] == tag, word


def test_words_lead_only_to_tags_that_the_model_has() -> None:
    finder = TagFinder(["rapping", "genre---electronic"])
    assert (finder.meant("rap"), finder.meant("chill"), finder.spelled("Electronic")) == (
        ("rapping",),
        (),
        ("genre---electronic",),
    )
    assert set(finder.words().values()) == {"rapping", "genre---electronic"}


@pytest.mark.parametrize(
    ("tag", "written"),
    [
        ("rnb", "R&B"),
        ("R&B", "R&B"),
        ("hip hop", "Hip-Hop"),
        ("Hip-Hop", "Hip-Hop"),
        ("genre---hiphop", "Hip-Hop"),
        ("genre---easylistening", "Easy Listening"),
        ("mood/theme---happy", "Happy"),
        ("drum and bass", "Drum and Bass"),
        ("rock and roll", "Rock and Roll"),
        ("children's", "Children's"),
        ("post-rock", "Post-Rock"),
        ("rhythm and blues", "Rhythm and Blues"),
        ("rap", "Rap"),
        ("the Fall", "The Fall"),
        ("60s", "60s"),
    ],
)
def test_as_people_write_it(tag: str, written: str) -> None:
    assert written_name(tag) == written


def test_the_page_has_the_same_table() -> None:
    assert json.loads(PAGE.read_text()) == page_words(), "python web/tests/from_python.py"

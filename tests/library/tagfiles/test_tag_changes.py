"""What would be written: mapping, policy and plan, without any file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.input_spec import InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.library.tagfiles.changes import Change, WritePolicy, diff_lines, plan, wanted_values
from earmark.library.tagfiles.mapping import default_mapping, mapping_template, read_mapping

TAGS = Vocabulary(
    (
        Tag("rock", category="genre"),
        Tag("hip-hop", category="genre"),
        Tag("drum and bass", category="genre"),
        Tag("calm", category="mood"),
        Tag("sad", category="mood"),
        Tag("slow", category="tempo"),
    )
)
LIMITS = {"rock": 0.5, "hip-hop": 0.5, "drum and bass": 0.5, "sad": 0.2, "slow": 0.5}
CARD = ModelCard("made", "none", InputSpec(16_000, 16_000, 16_000), TAGS, thresholds=LIMITS, version="7")
DEFAULT = WritePolicy(default_mapping(TAGS))


def mapped(tmp_path: Path, text: str) -> WritePolicy:
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    return WritePolicy(read_mapping(path, TAGS))


def test_what_reaches_its_threshold_is_wanted_highest_first() -> None:
    wanted = wanted_values(CARD, [0.5, 0.9, 0.49, 0.99, 0.21, 0.7], DEFAULT)
    assert wanted["genre"] == ("Hip-Hop", "Rock")
    assert wanted["mood"] == ("Sad",)  # the card says nothing of calm: never without --threshold
    assert wanted["scores"] == ("hip-hop=0.900", "slow=0.700", "rock=0.500", "sad=0.210")
    assert wanted["model"] == ("made 7",)


def test_a_threshold_of_the_user_counts_for_all_tags() -> None:
    policy = WritePolicy(default_mapping(TAGS), threshold=0.6)
    wanted = wanted_values(CARD, [0.5, 0.9, 0.6, 0.99, 0.3, 0], policy)
    assert wanted["genre"] == ("Hip-Hop", "Drum and Bass")
    assert wanted["mood"] == ("Calm",)


def test_numbers_of_values_are_limited_scores_are_not() -> None:
    policy = WritePolicy(default_mapping(TAGS), threshold=0.1, max_genres=1, max_moods=0)
    wanted = wanted_values(CARD, [0.3, 0.5, 0.4, 0.9, 0.8, 0], policy)
    assert wanted["genre"] == ("Hip-Hop",)
    assert wanted["mood"] == ()
    assert len(wanted["scores"]) == 5


def test_nothing_found_is_nothing_wanted_and_no_model_is_named() -> None:
    assert set(wanted_values(CARD, [0.0] * 6, DEFAULT).values()) == {()}
    assert set(wanted_values(CARD, [float("nan")] * 6, WritePolicy(default_mapping(TAGS), threshold=0.0)).values()) == {
        ()
    }
    without = wanted_values(CARD, [1.0] * 6, WritePolicy(default_mapping(TAGS), scores=False))
    assert without["scores"] == without["model"] == ()
    assert without["genre"]


def test_a_mapping_is_the_whole_list_of_what_may_be_written(tmp_path: Path) -> None:
    policy = mapped(
        tmp_path,
        """
        [genre]
        "rock" = ["Pop/Rock", "Rock"]
        "hip-hop" = false
        [mood]
        "slow" = "Ruhig"
        "sad" = "Ruhig"
        """,
    )
    wanted = wanted_values(CARD, [0.9] * 6, policy)
    assert wanted["genre"] == ("Pop/Rock", "Rock")
    assert wanted["mood"] == ("Ruhig",)
    assert wanted["scores"] == ("rock=0.900", "sad=0.900", "slow=0.900")


def test_the_template_is_a_mapping_that_writes_what_is_written_without_one(tmp_path: Path) -> None:
    text = mapping_template(CARD)
    tomllib.loads(text)
    policy = mapped(tmp_path, text)
    assert dict(policy.mapping.words) == dict(default_mapping(TAGS).words)
    assert '# "slow" = "Slow"' in text
    assert text.count("--threshold only") == 1


def test_names_that_toml_must_quote(tmp_path: Path) -> None:
    tags = Vocabulary.of(['r&b "new"', "a\\b", "été", "x\x7fy"], category="genre")
    card = CARD.replace(vocabulary=tags, thresholds={})
    assert set(tomllib.loads(mapping_template(card))["genre"]) == set(tags.names)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[genre]\nrokc = "Rock"', ["no tag 'rokc'", "did you mean rock"]),
        ('[genres]\nrock = "Rock"', ["[genres]", "[genre], [mood]"]),
        ("[genre]\nrock = 3", ["rock", "= 3", "a text, a list of texts, or false"]),
        ("[genre]\nrock = true", ["= True", "or false"]),
        ('[genre]\nrock = "Rock; Pop"', ["Rock; Pop", 'as a list: ["a", "b"]']),
        ('[genre]\nrock = ["Rock", ""]', ["''", "must not be empty"]),
        ('[genre]\nrock = "a\\nb"', ["one line"]),
        ('[genre]\nrock = "17"', ["'17'", "number of a genre"]),
        ('genre = "rock"', ["must be a section, [genre]"]),
        ("[genre\n", ["not TOML", "earmark library mapping"]),
    ],
)
def test_mistakes_in_a_mapping_are_named(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        mapped(tmp_path, text)
    assert all(word in str(raised.value) for word in words), str(raised.value)


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        mapped(tmp_path, '[genre]\nrokc = "Rock"\nrock = 1\n[other]\n')
    assert len(raised.value.problems) == 3
    with pytest.raises(ConfigError, match=r"none\.toml: the mapping cannot be read"):
        read_mapping(tmp_path / "none.toml", TAGS)
    with pytest.raises(ConfigError) as raised:
        WritePolicy(default_mapping(TAGS), mode="mix", threshold=2, max_genres=-1)  # type: ignore[arg-type]
    assert len(raised.value.problems) == 3


WANTED = {"genre": ("Rock", "Pop"), "mood": (), "scores": ("rock=0.9",), "model": ("made 7",)}


def test_fill_takes_empty_fields_only() -> None:
    made = plan({"genre": (), "mood": ("Calm",)}, WANTED, "fill")
    assert made.changes[0] == Change("genre", (), ("Rock", "Pop"))
    assert not made.kept
    made = plan({"genre": ("Jazz",)}, WANTED, "fill")
    assert [item.field for item in made.changes] == ["scores", "model"]
    assert made.kept[0].values == ("Jazz",)


def test_merge_adds_what_is_not_there_in_any_spelling() -> None:
    assert plan({"genre": ("Jazz", "rock")}, WANTED, "merge").changes[0].after == ("Jazz", "rock", "Pop")
    joined = plan({"genre": ("ROCK; pop",)}, WANTED, "merge")
    assert [item.field for item in joined.changes] == ["scores", "model"]


@pytest.mark.parametrize("value", ["R&B", "Rnb", "rnb", "R & B", "Soul; RNB"])
def test_another_spelling_of_a_value_is_that_value(value: str) -> None:
    wanted = {"genre": ("R&B",)}
    for mode in ("fill", "merge"):
        assert plan({"genre": (value,)}, wanted, mode) == plan({"genre": ("R&B",)}, wanted, mode)  # type: ignore[arg-type]
    assert plan({"genre": ("Rap",)}, {"genre": ("Hip-Hop",)}, "merge").changes[0].after == ("Rap", "Hip-Hop")


@pytest.mark.parametrize("mode", ["fill", "merge"])
def test_what_an_earlier_version_wrote_is_spelled_as_today_where_it_was_ours(mode: str) -> None:
    before = {"genre": ("Jazz", "Hip Hop", "Drum And Bass")}
    wanted = {"genre": ("Hip-Hop", "R&B", "Drum and Bass")}
    ours = {"genre": {"Hip Hop"}}  # the other one was there before, or is not known to be ours
    made = plan(before, wanted, mode, ours)  # type: ignore[arg-type]
    respelled = ("Jazz", "Hip-Hop", "Drum And Bass")
    assert made.changes == (Change("genre", before["genre"], respelled + (("R&B",) if mode == "merge" else ())),)
    again = plan({"genre": made.changes[0].after}, wanted, mode, ours)  # type: ignore[arg-type]
    assert not again
    both = plan({"genre": ("Hip Hop", "Hip-Hop")}, {"genre": ("Hip-Hop",)}, mode, ours)  # type: ignore[arg-type]
    assert both.changes[0].after == ("Hip-Hop",)
    assert not plan({"genre": ("Hip Hop",)}, {"genre": ("Jazz",)}, "fill", ours)  # what is not wanted again stays


def test_a_genre_brings_the_wider_one_as_a_value_of_its_own() -> None:
    tags = Vocabulary.of(["electronic", "techno", "trance", "rock", "metal", "heavy metal"], category="genre")
    rules = TagConstraints(
        parents={
            "techno": ("electronic",),
            "trance": ("electronic",),
            "metal": ("rock",),
            "heavy metal": ("metal",),
        }
    )
    card = CARD.replace(vocabulary=tags, thresholds=dict.fromkeys(tags.names, 0.5), rules=rules)

    def genres(scores: list[float], n: int = 2) -> tuple[str, ...]:
        return wanted_values(card, scores, WritePolicy(default_mapping(tags), max_genres=n))["genre"]

    assert genres([0.2, 0.9, 0.8, 0, 0, 0]) == ("Techno", "Electronic")
    assert genres([0.2, 0.9, 0.8, 0, 0, 0], 3) == ("Techno", "Electronic", "Trance")
    assert genres([0.95, 0.9, 0.8, 0, 0, 0]) == ("Electronic", "Techno")
    assert genres([0, 0, 0, 0.3, 0.4, 0.9], 3) == ("Heavy Metal", "Metal", "Rock")
    assert genres([0, 0.9, 0, 0.8, 0, 0], 9) == ("Techno", "Electronic", "Rock")
    assert genres([0.2, 0.9, 0.8, 0, 0, 0], 1) == ("Techno",)


def test_a_name_with_its_wider_genre_in_it_is_two_values(tmp_path: Path) -> None:
    genres = ("Electronic---Deep House", "genre---hiphop", "Rock---Rock")
    tags = Vocabulary((*(Tag(name, category="genre") for name in genres), Tag("mood/theme---happy", category="mood")))
    words = default_mapping(tags).words
    assert words["genre"] == {
        "Electronic---Deep House": ("Deep House", "Electronic"),
        "genre---hiphop": ("Hip-Hop",),
        "Rock---Rock": ("Rock",),
    }
    assert words["mood"] == {"mood/theme---happy": ("Happy",)}
    path = tmp_path / "my.toml"
    path.write_text(mapping_template(CARD.replace(vocabulary=tags, thresholds={})), encoding="utf-8")
    assert read_mapping(path, tags).words == words


def test_overwrite_replaces_but_never_empties() -> None:
    made = plan({"genre": ("Jazz",), "mood": ("Calm",)}, WANTED, "overwrite")
    assert made.changes[0].after == ("Rock", "Pop")
    assert "mood" not in [item.field for item in made.changes]


@pytest.mark.parametrize("mode", ["fill", "merge", "overwrite"])
def test_a_second_time_changes_nothing(mode: str) -> None:
    held: dict = {"genre": ("Jazz",), "mood": (), "scores": ("old=1.000",), "model": ("old 1",)}
    made = plan(held, WANTED, mode)  # type: ignore[arg-type]
    held.update({item.field: item.after for item in made.changes})
    assert held["model"] == ("made 7",)  # our own fields follow the last model
    assert not plan(held, WANTED, mode)  # type: ignore[arg-type]


def test_the_diff_shows_values_apart_and_escapes_what_a_terminal_must_not_see() -> None:
    made = plan({"genre": ("Jazz\x1b[31m",), "mood": ()}, {"genre": ("Rock",), "mood": ("Calm", "Sad")}, "fill")
    lines = diff_lines(made)
    assert lines == ["mood    (none) -> Calm | Sad", r"genre   Jazz\x1b[31m stays (suggested: Rock)"]

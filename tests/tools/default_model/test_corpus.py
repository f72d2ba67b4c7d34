"""The music, teachers and tags of earmark-1."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tools.default_model.corpus import held_out_sources, read_collections, with_weights

from earmark.core.errors import DataError
from earmark.core.published_weights import find_published
from earmark.core.tag_lists import load_vocabulary
from earmark.datasets.labelled_set import Song
from earmark.datasets.labelled_set.songs import shares
from earmark.distillation.plan import read_plan
from tests.helpers.labelled_sets import TEACHER_VOCABULARIES, TOOL, default_union, write_collections


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_collections(tmp_path_factory.mktemp("music"))


def test_sources_are_held_out_whole_and_none_of_them_is_large() -> None:
    excerpts = [(f"source {k}", 10.0) for k in range(30)] + [("large", 30.0)] * 5
    held_out = held_out_sources(excerpts)
    assert "large" not in held_out
    assert len(held_out) == 5  # a tenth of 450 s
    assert held_out == held_out_sources(excerpts[::-1])
    assert held_out != held_out_sources(excerpts, salt="another")


def test_a_corpus_that_cannot_be_split_by_source_is_refused() -> None:
    with pytest.raises(DataError, match="2 sources"):
        held_out_sources([("a", 10.0), ("b", 10.0)])


@pytest.mark.slow
def test_a_table_with_groups_and_splits_is_taken_as_it_is(tmp_path: Path) -> None:
    emotify, corpus = write_collections(tmp_path)
    lines = (corpus / "tracks.csv").read_text().splitlines()
    splits = ("train", "heldout", "validation", "test")
    given = [f"{line},g{k % 8},{splits[k % 4]}" for k, line in enumerate(lines[1:])]
    (corpus / "tracks.csv").write_text("\n".join([f"{lines[0]},group,split", *given]))
    found = [song for song in read_collections(emotify, corpus) if song.group in {f"g{k}" for k in range(8)}]
    assert [song.split for song in found] == [splits[k % 4] for k in range(len(given))]
    (corpus / "tracks.csv").write_text("\n".join([f"{lines[0]},group,split", f"{lines[1]},g,measure-only"]))
    with pytest.raises(DataError, match=r"split 'measure-only' must be one of train"):
        read_collections(emotify, corpus)


@pytest.mark.slow
def test_songs_and_their_roles(folders: tuple[Path, Path]) -> None:
    songs = read_collections(*folders)
    roles = Counter(song.split for song in songs)
    assert (roles["validation"], roles["test"], roles["heldout"]) == (4, 8, 3)
    sources = {role: {song.group for song in songs if song.split == role} for role in roles}
    assert not sources["heldout"] & sources["train"]


@pytest.mark.slow
def test_problems_of_a_corpus_are_reported_at_once(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "tracks.csv").write_text("track_id,path,source,duration_s\na,a.flac,x,long\na,b.flac,y,3\n")
    with pytest.raises(DataError, match=r"(?s)duration_s 'long'.*'a' is there more than once"):
        read_collections(folders[0], tmp_path)


def test_shares_favour_small_sources() -> None:
    emotify = [Song("e", Path("e"), "artist", "train", 60.0)]
    songs = [Song(f"large {k}", Path("l"), "large", "train", 20.0) for k in range(100)]
    songs += [Song("small", Path("s"), "small", "train", 20.0), Song("kept", Path("k"), "k", "test", 60.0)]
    found = {song.song_id: share for song, share in shares(with_weights(emotify, songs))}
    assert sum(found.values()) == pytest.approx(1.0)
    assert found["e"] == pytest.approx(0.45)
    assert found["small"] == pytest.approx(10 * found["large 3"])  # as many seconds by 100, their root by 10
    assert "kept" not in found


def test_every_tag_of_every_teacher_is_placed_or_left_out_with_a_reason() -> None:
    union = default_union()
    placed = {(name, tag) for row in union.tags for name, tags in row.sources.items() for tag in tags}
    teachers = read_plan(TOOL / "plan.yaml").teachers
    vocabularies = {find_published(name).vocabulary for name in teachers}
    for name in vocabularies:
        for tag in load_vocabulary(name).names:
            assert ((name, tag) in placed) != ((name, tag) in union.left_out), (name, tag)
    assert all(len(reason) > 20 for reason in union.left_out.values())
    assert vocabularies == set(TEACHER_VOCABULARIES)
    assert len(teachers) == 11


def test_the_teachers_that_cost_most_do_not_label_the_train_set() -> None:
    assert not [name for name in read_plan(TOOL / "plan.yaml").train_teachers if name.startswith("musicnn")]

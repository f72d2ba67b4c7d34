"""The table of music."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tools.default_model.corpus import read_collections

from earmark.core.errors import DataError
from earmark.datasets.labelled_set import Song, read_songs
from earmark.datasets.labelled_set.songs import shares, songs_csv
from tests.helpers.labelled_sets import write_collections


def test_shares_favour_small_groups_and_weights_override_them() -> None:
    songs = [Song(f"large {k}", Path("l"), "large", "train", 20.0) for k in range(100)]
    songs += [Song("small", Path("s"), "small", "train", 20.0), Song("kept", Path("k"), "k", "test", 60.0)]
    found = {song.song_id: share for song, share in shares(songs)}
    assert sum(found.values()) == pytest.approx(1.0)
    assert found["small"] == pytest.approx(10 * found["large 3"])  # as many seconds by 100, their root by 10
    assert "kept" not in found
    weighted = [replace(song, weight=2.0 if song.song_id == "small" else 0.5) for song in songs]
    assert {share for song, share in shares(weighted) if song.group == "large"} == {0.5}
    with pytest.raises(DataError, match="1 of 101"):
        shares([*songs[:-2], weighted[-2]])
    with pytest.raises(DataError, match="duration_seconds is missing for large 0"):
        shares([replace(song, duration_seconds=0.0) for song in songs])
    with pytest.raises(DataError, match="no song to train on"):
        shares(songs[-1:])


@pytest.mark.slow
def test_a_table_of_music_reads_back_the_same(tmp_path: Path) -> None:
    songs = read_collections(*write_collections(tmp_path))
    (tmp_path / "songs.csv").write_text(songs_csv(songs))
    again = read_songs(tmp_path / "songs.csv")
    assert [replace(song, path=song.path.absolute()) for song in songs] == list(again)


def test_problems_of_a_table_of_music_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(
        "path,split,group,weight,unchanged_set,rock\na.flac,training,x,1,,\na.flac,test,,-1,more,2\n"
    )
    with pytest.raises(DataError) as caught:
        read_songs(tmp_path / "s.csv")
    text = str(caught.value)
    for part in (
        "split 'training'",
        "group is empty",
        "weight '-1'",
        "unchanged_set 'more'",
        "rock '2'",
        "more than once",
    ):
        assert part in text

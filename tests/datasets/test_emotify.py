"""Emotify in both layouts: the public one made small by the test, the shared one as it is."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import load_dataset
from earmark.datasets.emotify import EMOTIONS, GENRES, random_split

HEADER = f"track id, genre, {', '.join(EMOTIONS)}, mood, liked, disliked, age, gender, mother tongue"


def public(folder: Path, rows: list[str]) -> Path:
    (folder / "data.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


def listener(track: int, genre: str, felt: set[str]) -> str:
    emotions = ",".join(str(int(name in felt)) for name in EMOTIONS)
    return f"{track},{genre},{emotions},3,1,0,33,0,Dutch"


def test_public_layout_takes_the_mean_over_listeners(tmp_path: Path) -> None:
    rows = [
        listener(305, "pop", {"power"}),
        listener(1, "classical", {"calmness", "sadness"}),
        listener(1, "classical", {"calmness"}),
        listener(200, "rock", set()),
        listener(1, "classical", {"calmness", "joyful_activation"}),
        listener(1, "classical", set()),
    ]
    dataset = load_dataset("emotify", public(tmp_path, rows))
    assert dataset.protocol == "random-by-track"
    assert [clip.clip_id for clip in dataset.clips] == ["emotify-001", "emotify-200", "emotify-305"]
    assert [clip.path.relative_to(tmp_path).as_posix() for clip in dataset.clips] == [
        "classical/1.mp3",
        "rock/100.mp3",
        "pop/5.mp3",
    ]
    first = dict(zip(dataset.vocabulary.names, dataset.clips[0].labels, strict=True))
    felt = {"classical": 1.0, "calmness": 0.75, "sadness": 0.25, "joyful activation": 0.25}
    assert first == {name: felt.get(name, 0.0) for name in dataset.vocabulary.names}
    assert [tag.kind for tag in dataset.vocabulary] == ["classification"] * 4 + ["regression"] * 9
    assert [tag.category for tag in dataset.vocabulary] == ["genre"] * 4 + ["mood"] * 9
    assert {clip.artist for clip in dataset.clips} == {None}
    with pytest.raises(DataError, match="3 of 3 audio files are missing"):
        dataset.require_files()


@pytest.mark.slow
def test_public_layout_in_full_is_split_by_genre(tmp_path: Path) -> None:
    rows = [listener(100 * block + n, genre, set()) for block, genre in enumerate(GENRES) for n in range(1, 101)]
    dataset = load_dataset("emotify", public(tmp_path, rows))
    counts = Counter((GENRES[int(np.argmax(clip.labels[:4]))], clip.split) for clip in dataset.clips)
    assert counts == {
        (genre, split): n for genre in GENRES for split, n in (("train", 60), ("validation", 15), ("test", 25))
    }
    rows.reverse()
    assert load_dataset("emotify", public(tmp_path, rows)).fingerprint == dataset.fingerprint


def test_the_random_split_never_changes() -> None:
    """A protocol is data: were these to change, old scores would no longer be comparable."""
    test = [number for number in range(1, 101) if random_split("rock", number) == "test"]
    assert test == PINNED_ROCK_TEST


def test_public_layout_with_problems_lists_them_all(tmp_path: Path) -> None:
    rows = [
        listener(401, "pop", set()),
        listener(5, "rock", set()),
        listener(7, "classical", set()).replace(",0,", ",0.5,", 1),
        listener(8, "classical", set()).replace(",0,", ",yes,", 1),
    ]
    with pytest.raises(DataError) as caught:
        load_dataset("emotify", public(tmp_path, rows))
    text = str(caught.value)
    assert "line 2: track id '401' must name a song from 1 to 400" in text
    assert "line 3: song 5 is classical, the row says 'rock'" in text
    assert "line 4: amazement '0.5' must be 0 or 1" in text
    assert "line 5: amazement 'yes' must be 0 or 1" in text


def test_protocols_are_not_mixed_up(tmp_path: Path) -> None:
    public(tmp_path, [listener(1, "classical", set())])
    with pytest.raises(ConfigError, match="names no artists, so not the protocol 'artist-disjoint'"):
        load_dataset("emotify", tmp_path, "artist-disjoint")
    with pytest.raises(ConfigError, match="no protocol 'random'; it has: artist-disjoint, random-by-track"):
        load_dataset("emotify", tmp_path, "random")
    (tmp_path / "data.csv").unlink()
    with pytest.raises(DataError, match=r"neither tracks\.csv nor data\.csv"):
        load_dataset("emotify", tmp_path)


def test_artist_disjoint_is_checked(tmp_path: Path) -> None:
    columns = ["track_id", "path", "split", "genre", *EMOTIONS, "artist", "album", "title"]
    with (tmp_path / "tracks.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for track, split in ((1, "train"), (2, "test")):
            writer.writerow([f"emotify-{track:03d}", f"{track}.opus", split, "classical", *[0.1] * 9, "Ann", "A", "T"])
    with pytest.raises(DataError, match="artists in more than one split, so it is not artist-disjoint: Ann"):
        load_dataset("emotify", tmp_path)
    dataset = load_dataset("emotify", tmp_path, "random-by-track")
    assert [clip.split for clip in dataset.clips] == [random_split("classical", 1), random_split("classical", 2)]


@pytest.mark.shared
def test_the_shared_layout(shared_dir: Path) -> None:
    root = shared_dir / "data" / "emotify"
    dataset = load_dataset("emotify", root)
    assert dataset.protocol == "artist-disjoint"
    dataset.require_files()
    assert dataset.counts == {"train": 159, "validation": 33, "test": 65}
    assert dataset.shared_between_splits("artist") == ()
    labels = np.stack([clip.labels for clip in dataset.clips])
    assert np.isfinite(labels).all()
    assert (labels[:, :4].sum(axis=1) == 1).all()
    assert dataset.clips[0].clip_id == "emotify-001"
    assert dataset.clips[0].labels[dataset.vocabulary.index("calmness")] == pytest.approx(0.625)

    by_track = load_dataset("emotify", root, "random-by-track")
    assert len(by_track.clips) == len(dataset.clips)
    assert by_track.shared_between_splits("artist"), "here artists do fall on both sides"
    assert by_track.fingerprint != dataset.fingerprint


PINNED_ROCK_TEST = [3, 6, 9, 11, 14, 17, 21, 24, 25, 27, 32, 41, 42, 47, 56, 57, 62, 70, 76, 79, 84, 88, 90, 92, 97]

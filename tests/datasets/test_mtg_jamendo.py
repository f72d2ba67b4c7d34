"""A small MTG-Jamendo in its true layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.core.tag_lists import load_vocabulary
from earmark.datasets import load_dataset
from earmark.datasets.mtg_jamendo import HEADER, INFO
from tests.helpers import sounds

ROW = "track_{0:07d}\tartist_{1:06d}\talbum_000031\t{2:02d}/{0}.mp3\t124.6\t"


def row(track: int, artist: int, *tags: str) -> str:
    return ROW.format(track, artist, track % 100) + "\t".join(tags)


def write(root: Path, train: list[str], validation: list[str], test: list[str], name: str = "_top50tags") -> Path:
    folder = root / "data" / "splits" / "split-0"
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", train), ("validation", validation), ("test", test)):
        # the dataset's own writer ends lines with carriage return and newline
        text = "\r\n".join(["\t".join(HEADER), *rows]) + "\r\n"
        (folder / f"autotagging{name}-{part}.tsv").write_text(text, encoding="utf-8", newline="")
    return root


def small(root: Path) -> Path:
    return write(
        root,
        [row(214, 14, "genre---rock"), row(1009600, 5, "genre---rock", "instrument---voice", "mood/theme---happy")],
        [row(382, 20, "genre---classical")],
        [row(8, 103, "mood/theme---happy")],
    )


def test_lists_labels_and_names(tmp_path: Path) -> None:
    dataset = load_dataset("mtg_jamendo", small(tmp_path))
    assert (dataset.protocol, dataset.counts) == ("top50-split0", {"train": 2, "validation": 1, "test": 1})
    tags = ("genre---classical", "genre---rock", "instrument---voice", "mood/theme---happy")
    assert dataset.vocabulary.names == tags
    assert [tag.category for tag in dataset.vocabulary] == ["genre", "genre", "voice", "mood"]
    assert [clip.labels.tolist() for clip in dataset.clips] == [[0, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert [clip.clip_id for clip in dataset.clips][:2] == ["track_0000214", "track_1009600"]
    assert [clip.artist for clip in dataset.clips][:2] == ["artist_000014", "artist_000005"]
    assert all(clip.song == clip.clip_id for clip in dataset.clips)
    assert dataset.shared_between_splits("artist") == ()


def test_a_word_in_two_categories_is_two_tags(tmp_path: Path) -> None:
    rows = (
        [row(1, 1, "genre---ballad", "mood/theme---ballad")],
        [row(2, 2, "genre---ballad")],
        [row(3, 3, "genre---pop")],
    )
    dataset = load_dataset("mtg_jamendo", write(tmp_path, *rows, name=""), "all-split0")
    assert dataset.vocabulary.names == ("genre---ballad", "genre---pop", "mood/theme---ballad")
    assert dataset.clips[1].labels.tolist() == [1, 0, 0]


@pytest.mark.parametrize("folder", ["audio", "."])
@pytest.mark.parametrize("suffix", [".mp3", ".low.mp3"])
def test_audio_in_both_places_and_variants(tmp_path: Path, folder: str, suffix: str) -> None:
    small(tmp_path)
    audio = tmp_path / folder
    (audio / "00").mkdir(parents=True)
    (audio / "08").mkdir()
    sounds.write(audio / "00" / f"1009600{suffix}", sounds.music(0.3, 16000), 16000)
    (audio / "08" / f"8{suffix}").touch()  # an empty file is there, though nobody can hear it
    dataset = load_dataset("mtg_jamendo", tmp_path)
    assert [clip.path for clip in dataset.clips] == [
        audio / place for place in (f"14/214{suffix}", f"00/1009600{suffix}", f"82/382{suffix}", f"08/8{suffix}")
    ]
    dataset.require_files("test")
    with pytest.raises(DataError, match="2 of 4 audio files are missing"):
        dataset.require_files()


def test_problems_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    good = row(1, 1, "genre---rock")
    write(
        tmp_path,
        [good, good.replace("track_0000001", "1"), good, "track_0000002\tartist_1\talbum_1\t02/2.mp3\t9.0"],
        [
            row(3, 3, "genres---rock", "instrument---"),
            good.replace("0000001", "0000004").replace("01/1.mp3", "/etc/1.mp3"),
        ],
        [good, row(5, 5, "genre---rock").replace("124.6", "long").replace("artist_", "Björk ")],
    )
    with pytest.raises(DataError) as caught:
        load_dataset("mtg_jamendo", tmp_path)
    problems = (
        "train.tsv: line 3: track '1' must be like",
        "train.tsv: line 4: track 'track_0000001' is there already, in autotagging_top50tags-train.tsv: line 2",
        "train.tsv: line 5: 5 fields, at least 6",
        "validation.tsv: line 2: tag 'genres---rock' must begin with",
        "validation.tsv: line 2: tag 'instrument---' must begin with",
        "validation.tsv: line 3: path '/etc/1.mp3' must be like",
        "test.tsv: line 2: track 'track_0000001' is there already",
        "test.tsv: line 3: artist 'Björk 000005' must be like",
        "test.tsv: line 3: duration 'long' must be seconds",
    )
    for problem in problems:
        assert problem in str(caught.value)


def test_header_encoding_and_missing_lists(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)lists of genre-split3 are missing.*autotagging_genre-train.tsv"):
        load_dataset("mtg_jamendo", tmp_path, "genre-split3")
    with pytest.raises(ConfigError, match="top50-split5"):
        load_dataset("mtg_jamendo", tmp_path, "top50-split5")
    folder = small(tmp_path) / "data" / "splits" / "split-0"
    (folder / "autotagging_top50tags-test.tsv").write_text(row(1, 1, "genre---rock") + "\n")
    (folder / "autotagging_top50tags-train.tsv").write_text("")
    with pytest.raises(DataError, match=r"(?s)train.tsv: line 1: must be the header.*test.tsv: line 1: must be"):
        load_dataset("mtg_jamendo", tmp_path)
    (folder / "autotagging_top50tags-test.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        load_dataset("mtg_jamendo", tmp_path)


def test_protocols() -> None:
    names = [protocol.name for protocol in INFO.protocols]
    assert len(names) == len(set(names)) == 25
    assert names[0] == "top50-split0"
    assert "moodtheme-split4" in names


@pytest.mark.shared
def test_tags_come_in_the_order_of_the_published_weights(tmp_path: Path, shared_dir: Path) -> None:
    tags = (shared_dir / "data" / "peers" / "jamendo_tags.txt").read_text().split()
    write(tmp_path, [row(1, 1, *reversed(tags))], [row(2, 2, *tags[:3])], [row(3, 3, *tags[3:9])])
    assert load_dataset("mtg_jamendo", tmp_path).vocabulary == load_vocabulary("mtg-jamendo-50")

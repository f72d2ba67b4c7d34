"""MagnaTagATune: a small one in its true layout, and the rules held against the published lists."""

from __future__ import annotations

import csv
import json
import pickle
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import dataset_info, load_dataset
from earmark.datasets.base import Dataset
from earmark.datasets.downloads import downloads_of
from earmark.datasets.leaks import leak_warnings
from earmark.datasets.mtat_files import Annotations, read_annotations
from earmark.datasets.mtat_protocols import (
    EMPTY_CLIPS,
    PROTOCOLS,
    by_folder,
    by_hash,
    find_protocol,
    make_splits,
    split_hash,
)
from tests.helpers.mtat import CLIPS, EMPTY, MtatClip, write_tables

NAMES = [known.protocol.name for known in PROTOCOLS]


def by_split(dataset: Dataset) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for clip in dataset.clips:
        found.setdefault(clip.split, []).append(clip.clip_id)
    return found


def test_folders_are_the_split_and_empty_clips_are_left_out(tmp_path: Path) -> None:
    dataset = load_dataset("magnatagatune", write_tables(tmp_path))
    assert dataset.protocol == "mtat-folders"
    assert by_split(dataset) == {
        "train": ["1", "2", "3", "4", "5"],
        "validation": ["6", "7"],
        "test": ["8", "9", "10"],
    }
    assert set(EMPTY) == set(EMPTY_CLIPS) == set(dataset.info.exclusions)
    assert not any(str(clip.path).endswith(EMPTY) for clip in dataset.clips)


def test_tags_are_ordered_by_frequency_then_by_column(tmp_path: Path) -> None:
    """slow 5; guitar 3 and the 3 empty clips; flute 2; no voice 0. Empty clips count: their annotations are real."""
    dataset = load_dataset("magnatagatune", write_tables(tmp_path))
    assert dataset.vocabulary.names == ("guitar", "slow", "flute", "no voice")
    assert [tag.category for tag in dataset.vocabulary] == ["instrument", "tempo", "instrument", "voice"]
    labels = {clip.clip_id: clip.labels.tolist() for clip in dataset.clips}
    assert labels["1"] == [1, 1, 0, 0]
    assert labels["3"] == [0, 1, 1, 0]
    assert labels["4"] == [0, 0, 0, 0]
    fewer = load_dataset("magnatagatune", write_tables(tmp_path / "b", empty=False))
    assert fewer.vocabulary.names == ("slow", "guitar", "flute", "no voice")
    one_each = (MtatClip("0", "A", "T", 0, "slow"), MtatClip("0", "A", "T", 29, "guitar"))
    tied = load_dataset("magnatagatune", write_tables(tmp_path / "c", one_each, empty=False))
    assert tied.vocabulary.names == ("guitar", "slow", "no voice", "flute")


def test_only_the_50_most_frequent_tags_count(tmp_path: Path) -> None:
    """A clip with the 51st tag alone has no tag: mtat-lee leaves it out."""
    rows = [["clip_id", "rare", *(f"tag {i}" for i in range(50)), "mp3_path"]]
    rows += [[i, 0, *[1] * 50, f"0/a-b-01-c-{29 * i}-{29 * i + 29}.mp3"] for i in range(2)]
    rows += [[7, 1, *[0] * 50, "0/a-b-02-d-0-29.mp3"]]
    with (tmp_path / "annotations_final.csv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)
    lee = load_dataset("magnatagatune", tmp_path, "mtat-lee")
    assert len(lee.vocabulary) == 50
    assert "rare" not in lee.vocabulary.names
    assert [clip.clip_id for clip in lee.clips] == ["0", "1"]
    assert any("are not the usual 50" in note for note in lee.notes)
    assert len(load_dataset("magnatagatune", tmp_path, "mtat-folders").clips) == 3


def test_songs_and_artists_come_from_the_clip_information(tmp_path: Path) -> None:
    clips = {clip.clip_id: clip for clip in load_dataset("magnatagatune", write_tables(tmp_path)).clips}
    assert (clips["1"].artist, clips["1"].song) == ("Ann", "Álbum / 1 Rain")
    assert clips["1"].song == clips["2"].song != clips["8"].song
    assert clips["3"].artist == "Björk Ólafs"
    assert clips["3"].path.name.startswith("björk_ólafs-album-01-sólarlag")
    assert clips["4"].song == 'Álbum / 1 He said "hey" \t twice'
    (tmp_path / "clip_info_final.csv").unlink()
    without = load_dataset("magnatagatune", tmp_path)
    assert {clip.artist for clip in without.clips} == {None}
    songs = {clip.clip_id: clip.song for clip in without.clips}
    assert songs["1"] == songs["2"] == "ann-album-01-rain"
    assert any("artists are not known" in note for note in without.notes)


@pytest.mark.parametrize("protocol", NAMES)
def test_every_protocol_reads_the_same_files(tmp_path: Path, protocol: str) -> None:
    dataset = load_dataset("magnatagatune", write_tables(tmp_path), protocol)
    tagged = {str(i) for i, clip in enumerate(CLIPS, start=1) if clip.tags}
    wanted = tagged if protocol in ("mtat-lee", "mtat-bristol") else {str(i + 1) for i in range(len(CLIPS))}
    assert {clip.clip_id for clip in dataset.clips} == wanted
    rule = by_hash if protocol == "mtat-random" else by_folder
    for clip in dataset.clips:
        assert clip.split == rule(CLIPS[int(clip.clip_id) - 1].path)
    assert any(f"Not {protocol} as published" in note and "13 of 25,863 clips" in note for note in dataset.notes)


def test_a_part_of_the_dataset_says_so(tmp_path: Path) -> None:
    notes = " ".join(load_dataset("magnatagatune", write_tables(tmp_path), "mtat-lee").notes)
    assert "Not mtat-lee as published: train 4 clips, published 15,247" in notes
    assert "annotations_final.csv has 13 of 25,863 clips" in notes
    assert "no folder of audio" in notes


def test_the_random_split_never_changes() -> None:
    """A protocol is data: were this to change, old scores would no longer be comparable."""
    paths = [f"{i % 16:x}/artist-album-01-song-{i}-{i + 29}.mp3" for i in range(16_000)]
    counts = Counter(map(by_hash, paths))
    assert counts["train"] == pytest.approx(13_000, rel=0.02)
    assert counts["validation"] == pytest.approx(1_000, rel=0.1)
    assert counts["test"] == pytest.approx(2_000, rel=0.1)
    assert {i: by_hash(path) for i, path in enumerate(paths[:100]) if by_hash(path) != "train"} == PINNED_RANDOM


def test_shared_songs_and_artists_are_counted(tmp_path: Path) -> None:
    folders = leak_warnings(load_dataset("magnatagatune", write_tables(tmp_path), "mtat-folders"))
    assert folders == (
        "2 artists have clips in more than one split (5 clips; 1 of 2 validation clips and 1 of 3 test clips have an "
        "artist of the training clips): the scores flatter.",
    )
    many = tuple(MtatClip("0", "Ann", "Rain", 29 * i) for i in range(64))
    random = load_dataset("magnatagatune", write_tables(tmp_path / "b", many, empty=False), "mtat-random")
    assert random.counts.keys() == {"train", "validation", "test"}
    song, artist = leak_warnings(random)
    assert song.startswith("1 song has clips in more than one split (64 clips;")
    assert artist.startswith("1 artist has clips in more than one split (64 clips;")
    apart = replace(CLIPS[7], artist="Gus")
    clean = (CLIPS[0], CLIPS[6], apart)
    assert leak_warnings(load_dataset("magnatagatune", write_tables(tmp_path / "c", clean))) == ()


@pytest.mark.parametrize("place", ["", "mp3", "audio"])
def test_audio_is_found_in_three_places(tmp_path: Path, place: str) -> None:
    write_tables(tmp_path)
    (tmp_path / place / "f").mkdir(parents=True)
    dataset = load_dataset("magnatagatune", tmp_path)
    assert dataset.clips[-1].path == tmp_path / place / CLIPS[-1].path
    assert not any("no folder of audio" in note for note in dataset.notes)


def test_an_archive_that_is_not_unzipped_is_explained(tmp_path: Path) -> None:
    write_tables(tmp_path)
    (tmp_path / "mp3.zip.001").touch()
    with pytest.raises(DataError, match=r"only mp3\.zip\.001 is there; fetch mp3\.zip\.002, mp3\.zip\.003"):
        load_dataset("magnatagatune", tmp_path)
    for n in (2, 3):
        (tmp_path / f"mp3.zip.00{n}").touch()
    with pytest.raises(DataError, match=r"not joined yet: cat .*001 .*002 .*003 > .*mp3\.zip, then unzip"):
        load_dataset("magnatagatune", tmp_path)
    (tmp_path / "mp3.zip").touch()
    with pytest.raises(DataError, match=r"mp3\.zip: not unzipped yet: unzip .* -d .*mp3"):
        load_dataset("magnatagatune", tmp_path)
    (tmp_path / "mp3" / "0").mkdir(parents=True)
    assert load_dataset("magnatagatune", tmp_path).clips[0].path.parent == tmp_path / "mp3" / "0"


def test_problems_of_the_annotations_are_listed_all_at_once(tmp_path: Path) -> None:
    rows = [
        "clip_id\tguitar\tslow\tmp3_path",
        "1\t0\t1\t0/a-0-29.mp3",
        "x\t0\t1\t0/b-0-29.mp3",
        "3\t0\t2\t0/c-0-29.mp3",
        "4\t0\t0/d-0-29.mp3",
        "5\t0\t0\t../../etc/passwd",
        "1\t0\t0\t0/a-0-29.mp3",
    ]
    path = tmp_path / "annotations_final.csv"
    path.write_text("\n".join(rows))
    with pytest.raises(DataError) as caught:
        load_dataset("magnatagatune", tmp_path)
    text = str(caught.value)
    assert "line 3: clip_id 'x' must be a number" in text
    assert "line 4: labels must be 0 or 1" in text
    assert "line 5: 3 fields, the header has 4" in text
    assert "line 6: mp3_path '../../etc/passwd' must be a folder of 0 to f" in text
    assert "clip_id '1' is there 2 times" in text
    assert "mp3_path '0/a-0-29.mp3' is there 2 times" in text
    path.write_text("clip_id,guitar,mp3_path\n1,0,0/a.mp3\n")
    with pytest.raises(DataError, match=r"clip_id and mp3_path is missing.*must have tabs between"):
        load_dataset("magnatagatune", tmp_path)
    path.write_bytes(b"clip_id\tgu\xfftar\tmp3_path\n")
    with pytest.raises(DataError, match="not UTF-8"):
        load_dataset("magnatagatune", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"annotations_final\.csv: no such file; magnatagatune needs a folder with"):
        load_dataset("magnatagatune", tmp_path)


def test_problems_of_the_clip_information_are_reported(tmp_path: Path) -> None:
    path = write_tables(tmp_path) / "clip_info_final.csv"
    path.write_text("clip_id\ttitle\n1\tRain\n")
    with pytest.raises(DataError, match="column track_number, artist, album is missing"):
        load_dataset("magnatagatune", tmp_path)
    path.write_text("clip_id\ttrack_number\ttitle\tartist\talbum\n1\t1\tRain\tAnn\n2\t1\tA\tB\tC\tD\n")
    with pytest.raises(DataError, match="line 3: 6 fields, the header has 5"):
        load_dataset("magnatagatune", tmp_path)
    path.write_text("clip_id\ttrack_number\ttitle\tartist\talbum\n1\t1\tRain\tAnn\n")
    dataset = load_dataset("magnatagatune", tmp_path)
    assert [clip.artist for clip in dataset.clips[:2]] == ["Ann", None]
    assert any("names no artist for 9 of 10 clips" in note for note in dataset.notes)


def write_npy_lists(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, places in (("train", (1, 2)), ("valid", (6,)), ("test", (8,))):
        np.save(folder / f"{name}.npy", np.array([f"{i}\t{CLIPS[i - 1].path}" for i in places]))


def test_lists_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    write_tables(tmp_path)
    write_npy_lists(tmp_path / "splits")
    with pytest.raises(DataError) as caught:
        load_dataset("magnatagatune", tmp_path, "mtat-lee")
    text = str(caught.value)
    assert "train.npy: not the published list: 2 clips, hash" in text
    assert "published: 15,247 clips, hash 0ceb1c96344886a2.." in text
    assert "valid.npy: not the published list" in text
    assert "published at https://github.com/minzwon/" in text
    (tmp_path / "splits" / "valid.npy").unlink()
    with pytest.raises(DataError, match=r"valid\.npy: missing"):
        load_dataset("magnatagatune", tmp_path, "mtat-lee")
    assert load_dataset("magnatagatune", tmp_path, "mtat-folders").clips, "only mtat-lee reads them"


def test_a_pickle_in_a_list_is_never_opened(tmp_path: Path) -> None:
    write_tables(tmp_path)
    write_npy_lists(tmp_path)
    np.save(tmp_path / "test.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "valid.npy").write_bytes(pickle.dumps(["1\tc/a.mp3"]))
    np.save(tmp_path / "train.npy", np.array([1, 2]))
    with pytest.raises(DataError) as caught:
        load_dataset("magnatagatune", tmp_path, "mtat-lee")
    text = str(caught.value)
    assert text.count("cannot be read") == 3
    assert "must be an array of texts" in text


def test_lists_that_cannot_be_read_are_reported(tmp_path: Path) -> None:
    write_tables(tmp_path)
    for name in ("train", "val", "test"):
        (tmp_path / f"{name}_gt_mtt.tsv").write_text("a/b.mp3\t[0.0]\n")
    with pytest.raises(DataError, match=r"each line must begin with a clip's number, not with 'a/b\.mp3'"):
        load_dataset("magnatagatune", tmp_path, "mtat-pons")


def test_an_unknown_protocol(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no protocol 'mtat'; it has: mtat-folders, mtat-lee, mtat-pons"):
        load_dataset("magnatagatune", tmp_path, "mtat")


def test_what_is_known_without_the_files() -> None:
    info = dataset_info("magnatagatune")
    assert [protocol.name for protocol in info.protocols] == NAMES
    assert "ISMIR 2009" in info.citation
    assert len(info.exclusions) == 3
    assert all(download.md5 and len(download.md5) == 32 for download in downloads_of(info).files)
    assert sum(download.n_bytes or 0 for download in downloads_of(info).files) == 2_972_769_864


@dataclass(frozen=True)
class Whole:
    """The whole dataset's tables, as far as the shared lists tell them."""

    root: Path
    mtat: Path
    clips: list[list[str]]
    annotations: Annotations

    def splits(self, protocol: str, lists: Path | None = None) -> tuple[dict[str, list[str]], str]:
        """Clip ids of each split, and the notes."""
        columns = self.annotations.most_frequent(50)
        rows, notes = make_splits(self.annotations, columns, lists or self.root, find_protocol(protocol))
        found: dict[str, list[str]] = {}
        for row, split in rows.items():
            found.setdefault(split, []).append(self.annotations.clip_ids[row])
        return found, " ".join(notes)

    def lee_rows(self, split: str) -> list[int]:
        """Rows of clips.tsv that Lee et al. have in a split."""
        return [int(row) for row in (self.mtat / f"lee_{split}.txt").read_text().split()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, shared_dir: Path) -> Whole:
    """Tags of c to f as published; of 0-b it is known which clips of Lee et al. have tags, but not which tags."""
    root, mtat = tmp_path_factory.mktemp("mtat"), shared_dir / "data" / "mtat"
    clips = [line.split("\t") for line in (mtat / "clips.tsv").read_text(encoding="utf-8").splitlines()]
    tags = (mtat / "pons_tags.txt").read_text().splitlines()
    labels = {}
    for name in ("validation", "test"):
        for line in (mtat / f"pons_{name}_labels.tsv").read_text().splitlines():
            clip_id, values = line.split("\t")
            labels[clip_id] = [int(value) for value in json.loads(values)]
    lee_train = {clips[int(row)][0] for row in (mtat / "lee_train.txt").read_text().split()}
    with (root / "annotations_final.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerow(["clip_id", "spacey", *tags, "mp3_path"])
        for place, (clip_id, path) in enumerate(clips):
            has = labels.get(clip_id)
            if has is None:
                has = [int(clip_id in lee_train and place % 50 >= i) for i in range(50)]
            writer.writerow([clip_id, 0, *has, path])
    return Whole(root, mtat, clips, read_annotations(root / "annotations_final.csv"))


@pytest.mark.slow
@pytest.mark.shared
def test_the_rules_give_the_published_lists(whole: Whole) -> None:
    lee, notes = whole.splits("mtat-lee")
    assert lee == {
        split: [whole.clips[row][0] for row in whole.lee_rows(split)] for split in ("train", "validation", "test")
    }
    assert not notes, "counts and hashes agree"
    pons, notes = whole.splits("mtat-pons")
    for split in ("validation", "test"):
        lines = (whole.mtat / f"pons_{split}_labels.tsv").read_text().splitlines()
        assert pons[split] == [line.split("\t")[0] for line in lines]
    assert not notes
    assert whole.splits("mtat-folders") == (pons, "")
    assert {split: len(clips) for split, clips in pons.items()} == {"train": 18_706, "validation": 1_825, "test": 5_329}
    bristol, notes = whole.splits("mtat-bristol")
    assert bristol == lee
    assert "21,108 clips, in the paper 21,355" in notes
    random, notes = whole.splits("mtat-random")
    assert sum(map(len, random.values())) == 25_860
    assert "as published" not in notes


@pytest.mark.slow
@pytest.mark.shared
def test_labels_agree_with_those_published_with_scores(whole: Whole) -> None:
    dataset = load_dataset("magnatagatune", whole.root, "mtat-lee")
    ours = {"/".join(clip.path.parts[-2:]): clip.labels for clip in dataset.split("test")}
    with (whole.mtat / "published_labels.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    order = [dataset.vocabulary.index(name) for name in header[1:]]
    assert len(rows) == len(ours) == 4_332
    for path, *values in rows:
        np.testing.assert_array_equal(ours[path][order], np.array(values, np.float32))


@pytest.mark.slow
@pytest.mark.shared
def test_published_lists_are_read_and_count(tmp_path: Path, whole: Whole) -> None:
    (tmp_path / "splits").mkdir()
    for split, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        lines = [f"{row}\t{whole.clips[row][1]}" for row in whole.lee_rows(split)]
        np.save(tmp_path / "splits" / f"{name}.npy", np.array(lines))
    assert whole.splits("mtat-lee", tmp_path) == whole.splits("mtat-lee")

    train = [clip_id for clip_id, path in whole.clips if by_folder(path) == "train" and path not in EMPTY]
    (tmp_path / "train_gt_mtt.tsv").write_text("".join(f"{clip_id}\t[0.0]\n" for clip_id in train[1:]))
    for split, name in (("validation", "val"), ("test", "test")):
        text = (whole.mtat / f"pons_{split}_labels.tsv").read_text()
        (tmp_path / f"{name}_gt_mtt.tsv").write_text(text)
    pons, notes = whole.splits("mtat-pons", tmp_path)
    assert pons["train"] == train[1:]
    assert "differ in 1 clips; the lists count" in notes
    assert "train 18,705 clips, published 18,706" in notes

    (tmp_path / "test_gt_mtt.tsv").write_text("\n".join(text.splitlines()[1:]))
    with pytest.raises(DataError, match=r"test_gt_mtt\.tsv: not the published list: 5,328 clips"):
        whole.splits("mtat-pons", tmp_path)


def test_hashes_do_not_hang_on_the_order() -> None:
    assert split_hash(["2", "10"], "clip_id") == split_hash(["10", "2"], "clip_id")
    assert split_hash(["2", "10"], "clip_id") != split_hash(["2", "10"], "mp3_path")


PINNED_RANDOM = {
    17: "test",
    27: "test",
    28: "test",
    50: "validation",
    51: "test",
    52: "test",
    57: "test",
    59: "test",
    66: "test",
    76: "test",
    78: "test",
    80: "test",
    91: "test",
    94: "test",
    95: "validation",
    97: "test",
}

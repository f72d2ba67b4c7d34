"""What every registered dataset must tell about itself."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import Dataset, dataset_info, label_matrix, list_datasets, load_dataset
from earmark.datasets.check import check_dataset
from earmark.datasets.downloads import downloads_of
from tests.helpers.dataset_folders import FOLDERS

OWN_DATA = ("labelled_set", "labelled_tags", "manifest")
"""Data of a user's own: nobody to cite, nothing to fetch."""

HTTP_ALONE = ("www2.projects.science.uu.nl", "anasynth.ircam.fr", "cvml.unige.ch", "opihi.cs.uvic.ca")
"""Hosts whose published addresses are not https."""

PUBLISHED = [name for name in list_datasets() if name not in OWN_DATA]


@pytest.mark.parametrize("name", list_datasets())
def test_every_dataset_says_what_it_is(name: str) -> None:
    info = dataset_info(name)
    assert info.name == name
    assert info.title
    assert info.description
    assert info.licence
    assert info.title == info.title.strip()
    assert not info.title.endswith(".")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_datasets_are_cited_and_have_protocols(name: str) -> None:
    info = dataset_info(name)
    assert re.search(r"\b(19|20)\d\d\b", info.citation), "a citation tells its year"
    assert re.match(r"https?://[\w.-]+", info.url)
    names = [protocol.name for protocol in info.protocols]
    assert names
    assert len(set(names)) == len(names)
    assert all(protocol.description.strip() for protocol in info.protocols)


@pytest.mark.parametrize("name", list_datasets())
def test_downloads_are_safe_to_fetch(name: str) -> None:
    table = downloads_of(dataset_info(name))
    assert all(one.what and one.protocol in _protocols(name) for one in table.sets.values())
    assert table.protocol in _protocols(name)
    assert len({file.url for file in table.files}) == len(table.files)
    for download in table.files:
        host = urllib.parse.urlsplit(download.url).hostname
        assert download.url.startswith("https://") or host in HTTP_ALONE, download.url
        assert download.what.strip()
        assert download.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", download.sha256)
        assert download.sha1 is None or re.fullmatch(r"[0-9a-f]{40}", download.sha1)
        assert download.md5 is None or re.fullmatch(r"[0-9a-f]{32}", download.md5)
        assert download.n_bytes is None or download.n_bytes > 0
        assert download.source, "where size and checksum are from, or that there are none"
        assert download.name
        assert all(mirror.startswith("https://") for mirror in download.mirrors)


def _protocols(name: str) -> tuple[str | None, ...]:
    return (None, *(protocol.name for protocol in dataset_info(name).protocols))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_datasets_can_be_downloaded_or_say_why_not(name: str) -> None:
    table = downloads_of(dataset_info(name))
    assert table.files or table.notes


@pytest.mark.parametrize("name", list_datasets())
def test_exclusions_say_why(name: str) -> None:
    assert all(clip and why.strip() for clip, why in dataset_info(name).exclusions.items())


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_unknown_protocol_lists_the_known_ones(name: str, tmp_path: Path) -> None:
    first = dataset_info(name).protocols[0].name
    with pytest.raises(ConfigError, match=re.escape(first)):
        load_dataset(name, tmp_path, f"{first}x")


@pytest.mark.parametrize("name", list_datasets())
def test_an_empty_or_missing_folder_is_a_data_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load_dataset(name, tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(name, tmp_path / "none")


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_protocol_reads_only_what_is_there(name: str, tmp_path: Path) -> None:
    """No protocol may give clips where there are no files, nor end in anything but an error of ours."""
    for protocol in dataset_info(name).protocols:
        with pytest.raises((DataError, ConfigError)):
            load_dataset(name, tmp_path, protocol.name)


def test_an_unknown_dataset_lists_near_ones() -> None:
    with pytest.raises(ConfigError, match="mtg_jamendo"):
        dataset_info("jamendo_mtg")
    with pytest.raises(ConfigError, match="did you mean msd"):
        dataset_info("msdd")


ELSEWHERE = ("labelled_set", "labelled_tags", "msd")
"""Datasets whose small copies are in tests of their own: those that earmark itself writes, and one of pickles."""


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Dataset]]:
    """Dataset -> its small copy, as each protocol reads it."""
    found = {}
    for name, write in FOLDERS.items():
        root = write(tmp_path_factory.mktemp(name))
        protocols = [protocol.name for protocol in dataset_info(name).protocols] or [None]
        found[name] = [load_dataset(name, root, protocol) for protocol in protocols]
    return found


def test_every_dataset_has_a_small_copy() -> None:
    assert sorted([*FOLDERS, *ELSEWHERE]) == list_datasets()


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_every_protocol_gives_clips_of_all_splits_with_labels(name: str, copies: dict[str, list[Dataset]]) -> None:
    info = dataset_info(name)
    for dataset in copies[name]:
        assert dataset.info == info
        assert list(dataset.counts) == ["train", "validation", "test"], dataset.protocol
        assert not info.tags or dataset.vocabulary.names == info.tags
        labels = label_matrix(dataset.clips)
        assert not np.isnan(labels).all(axis=1).any(), "a clip without any label"
        assert (np.nan_to_num(labels) > 0).any()
        if dataset.exclusive:
            of_classes = labels[:, [dataset.vocabulary.index(tag) for tag in dataset.exclusive]]
            assert (of_classes.sum(axis=1) == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_every_small_copy_passes_the_check(name: str, copies: dict[str, list[Dataset]]) -> None:
    report = check_dataset(copies[name][0])
    assert report.ok, report
    assert report.clips == copies[name][0].counts
    assert report.duration_seconds is not None


@pytest.mark.parametrize("name", FOLDERS)
def test_protocols_are_read_alike_each_time_and_differ(name: str, copies: dict[str, list[Dataset]]) -> None:
    seen = {(dataset.protocol, dataset.fingerprint) for dataset in copies[name]}
    assert len({protocol for protocol, _ in seen}) == len(copies[name])

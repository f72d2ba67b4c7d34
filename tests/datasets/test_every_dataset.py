"""What every registered dataset must tell about itself."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path

import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.datasets import dataset_info, list_datasets, load_dataset

OWN_DATA = ("labelled_set", "manifest")
"""Data of a user's own: nobody to cite, nothing to fetch, splits of their own."""

HTTP_ALONE = ("www2.projects.science.uu.nl",)
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
    for download in dataset_info(name).downloads:
        host = urllib.parse.urlsplit(download.url).hostname
        assert download.url.startswith("https://") or host in HTTP_ALONE, download.url
        assert download.what.strip()
        assert download.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", download.sha256)
        assert download.md5 is None or re.fullmatch(r"[0-9a-f]{32}", download.md5)
        assert download.n_bytes is None or download.n_bytes > 0


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

"""Folders of shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.core.errors import ConfigError, DataError
from earmark.datasets.labelled_set import LabelledSet
from earmark.datasets.labelled_set.shards import n_train_shards


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set\.json"):
        LabelledSet.open(tmp_path)
    (tmp_path / "set.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="99"):
        LabelledSet.open(tmp_path)


def test_hours_are_rounded_up_to_whole_shards() -> None:
    assert [n_train_shards(hours) for hours in (0, 0.1, 64 * 29.1 / 3600, 64 * 29.1 / 3600 + 0.01)] == [0, 1, 1, 2]
    with pytest.raises(ConfigError, match="-1"):
        n_train_shards(-1)

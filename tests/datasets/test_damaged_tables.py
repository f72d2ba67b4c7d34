"""Inputs that benchmarks/fuzz.py found: tables that ended in other exceptions than ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.core.errors import DataError
from earmark.datasets.manifest import load_manifest
from earmark.datasets.table import read_table

GOOD = '{"path": "a.wav", "split": "train", "rock": 1}\n'


def test_a_line_nested_too_deeply_is_one_of_the_problems(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text(GOOD + '{"path": ' + "[" * 100_000 + "\nnull\n")
    with pytest.raises(DataError) as raised:
        read_table(table)
    assert "line 2: not read: lists and objects are nested too deeply" in str(raised.value)
    assert "line 3: must be a JSON object" in str(raised.value)


def test_a_number_too_large_for_a_float_is_no_label(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text(GOOD + '{"path": "b.wav", "split": "train", "rock": ' + "9" * 400 + "}\n")
    with pytest.raises(DataError, match=r"line 2: column 'rock': 9+ is no number in 0\.\.1"):
        load_manifest(table, check_files=False)


def test_a_path_too_long_for_the_system_is_no_file(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(f"path,split,rock\n{'x' * 5000}.wav,train,1\n")
    with pytest.raises(DataError, match="line 2: no file"):
        load_manifest(table)

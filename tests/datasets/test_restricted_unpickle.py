"""Pickles that are no plain data though they name nothing that is forbidden, as benchmarks/fuzz.py builds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.core.errors import DataError
from earmark.datasets.restricted_unpickle import read_plain_pickle

BYTEARRAY = b"\x96" + (3).to_bytes(8, "little") + b"abc"
FUNCTION = b"cnumpy\nscalar\n"


@pytest.mark.parametrize(
    ("opcodes", "says"),
    [
        (BYTEARRAY + b"\x98.", "a memoryview where data should be"),
        (b"]" + BYTEARRAY + b"\x98a.", "a memoryview where data should be"),
        (b"\x8f(" + FUNCTION + b"\x90.", "a function where data should be"),
        (b"(" + FUNCTION + b"\x91.", "a function where data should be"),
        (b"}" + FUNCTION + b"K\x01s.", "a function where data should be"),
        (b"K\x01r\xf0\xff\xff\x3f.", "LONG_BINPUT 1073741808 in 10 bytes"),  # a memo of 16 gigabytes
        (BYTEARRAY + b"\x94\x98h\x00K\x01a.", "not a whole pickle of plain data"),  # appends to what a view holds
    ],
    ids=["view", "view in a list", "set", "frozenset", "key", "memo", "append"],
)
def test_only_plain_data_come_out(tmp_path: Path, opcodes: bytes, says: str) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(b"\x80\x05" + opcodes)
    with pytest.raises(DataError, match=says):
        read_plain_pickle(path)


def test_sets_and_bytes_are_plain_data(tmp_path: Path) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(b"\x80\x05(K\x01\x91.")
    assert read_plain_pickle(path) == frozenset([1])
    path.write_bytes(b"\x80\x05" + BYTEARRAY + b".")
    assert read_plain_pickle(path) == b"abc"

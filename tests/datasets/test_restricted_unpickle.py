"""Pickles that are no plain data though they name nothing that is forbidden, as benchmarks/fuzz.py builds them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
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


DOUBLED = b")" + b"2\x86" * 60  # a tuple of one tuple twice, sixty times: as a key it is hashed 2^60 times


@pytest.mark.parametrize(
    "opcodes",
    [
        b"}(" + DOUBLED + b"K\x01u.",
        b"}" + DOUBLED + b"K\x01s.",
        b"\x8f(" + DOUBLED + b"\x90.",
        b"(" + DOUBLED + b"\x91.",
        b"})" + b"q\x010h\x01h\x01\x86" * 60 + b"K\x01s.",
        b"})" + b"\x940(h\x00h\x00tq\x00" * 60 + b"K\x01s.",
    ],
)
def test_keys_that_take_for_ever(tmp_path: Path, opcodes: bytes) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(b"\x80\x05" + opcodes)
    with pytest.raises(DataError, match="again and again"):
        read_plain_pickle(path)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    ids = tuple(f"TR{i}" for i in range(500))
    values = {
        "ids": ids,
        ("a", ("b", 1)): [ids, ids, [1.5, None, True, 2**70, -3, "é", b"bytes"]],
        "array": np.arange(6, dtype=np.float32).reshape(2, 3),
        "number": np.float64(0.5),
        "sets": [{1, 2}, frozenset([("a", 1)])] if protocol >= 4 else [],  # before, calls of a function that is refused
        "rows": [{"id": one, "labels": np.ones(3, np.int8)} for one in ids[:20]],
    }
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(values, protocol))
    found = read_plain_pickle(path)
    assert found["ids"] == ids
    assert found["a", ("b", 1)] == values["a", ("b", 1)]
    assert np.array_equal(found["array"], values["array"])
    assert found["sets"] == values["sets"]
    assert len(found["rows"]) == 20

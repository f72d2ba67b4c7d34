"""HDF5 files with a damaged size or address, as benchmarks/fuzz.py makes them."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from earmark.core.errors import ModelError
from earmark.importers.detect_format import import_weights


def test_a_size_beyond_all_bounds_is_damage(tmp_path: Path) -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5.create_dataset("model_weights/dense/dense/kernel:0", data=np.zeros((3, 3), np.float32))
    content, path = file.getvalue(), tmp_path / "a.h5"
    overflows = 0
    for at in range(8, 1200, 8):
        path.write_bytes(content[:at] + (2**64 - 2).to_bytes(8, "little") + content[at + 8 :])
        with pytest.raises(ModelError) as raised:
            import_weights(path)
        overflows += isinstance(raised.value.__cause__, OverflowError)
    assert overflows, "h5py raises something else by now: this test shows nothing any more"

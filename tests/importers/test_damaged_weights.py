"""HDF5 files with a damaged size or address, as benchmarks/fuzz.py makes them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from earmark.core.errors import ModelError
from earmark.core.spectrum import hann_window, mel_filterbank
from earmark.importers.detect_format import import_weights
from earmark.importers.pytorch_state_dict import _layouts, pytorch_state_dict
from earmark.models.blocks import WON_FRONTEND


@pytest.mark.slow
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


def state_dict(**changes: torch.Tensor) -> bytes:
    """Of FCN, with the constants of its spectrogram."""
    layout = _layouts()[0]
    state = {name: torch.zeros(array.shape, dtype=getattr(torch, array.dtype)) for name, array in layout.arrays.items()}
    state["spec.spectrogram.window"] = torch.from_numpy(np.asarray(hann_window(WON_FRONTEND), np.float32))
    state["spec.mel_scale.fb"] = mel()
    file = io.BytesIO()
    torch.save({**state, **changes}, file)
    return file.getvalue()


def mel() -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(mel_filterbank(WON_FRONTEND).T, np.float32))


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", ["spec.mel_scale.fb", "dense.weight"])
@pytest.mark.parametrize("kind", ["plain", "parameter", "with gradient", "sparse", "meta"])
def test_tensors_of_all_kinds(name: str, kind: str) -> None:
    tensor = mel() if name == "spec.mel_scale.fb" else torch.zeros(_layouts()[0].arrays[name].shape)
    changed = {
        "plain": tensor,
        "parameter": torch.nn.Parameter(tensor),
        "with gradient": tensor.clone().requires_grad_(),
        "sparse": tensor.to_sparse(),
        "meta": tensor.to("meta"),
    }[kind]
    says = "without plain numbers" if kind in ("sparse", "meta") else "none of the published files"
    with pytest.raises(ModelError, match=says):
        pytorch_state_dict(state_dict(**{name: changed}), "a.pth")


def test_a_compressed_state_dict_is_refused_before_it_fills_the_memory() -> None:
    file, small = io.BytesIO(), io.BytesIO()
    torch.save({"a": torch.zeros(10_000_000, dtype=torch.uint8)}, file)
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as out:
        for member in archive.infolist():
            out.writestr(member.filename, archive.read(member))
    assert len(small.getvalue()) < 100_000
    with pytest.raises(ModelError, match="PyTorch compresses nothing"):
        pytorch_state_dict(small.getvalue(), "a.pth")
    with pytest.raises(ModelError, match="damaged or cut short"):
        pytorch_state_dict(file.getvalue()[:5_000], "a.pth")

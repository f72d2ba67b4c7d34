"""The importers of published weights: mutated Keras HDF5 files, PyTorch state dicts and TensorFlow's files."""

from __future__ import annotations

import io
import json
import pickle
from collections import OrderedDict
from pathlib import Path
from random import Random

import h5py
import numpy as np
import torch

from earmark.core.errors import ModelError
from earmark.importers import keras_musicnn, pytorch_state_dict
from earmark.importers.detect_format import import_weights
from earmark.importers.tensorflow_graph import _graph_class
from fuzzing.mutation import mutate
from fuzzing.target import Case, Target, WrongResultError


def _hdf5(arrays: dict[str, tuple[int, ...]], compression: str | None = None) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5.attrs["keras_version"] = "2.2.4"
        for name, shape in arrays.items():
            layer, kind = name.split("/")
            chunked = {"compression": compression} if compression and shape else {}
            h5.create_dataset(f"model_weights/{layer}/{layer}/{kind}:0", data=np.zeros(shape, np.float32), **chunked)
    return file.getvalue()


def _torch(state: object, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _frozen_graph(arrays: dict[str, tuple[int, ...]]) -> bytes:
    graph = _graph_class()()
    for name, shape in arrays.items():
        node = graph.node.add(name=name, op="Const")
        tensor = node.attr.add(key="value").value.tensor
        tensor.dtype, tensor.tensor_content = 1, bytes(4 * int(np.prod(shape)))
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
    return graph.SerializeToString()


def _tfjs(arrays: dict[str, tuple[int, ...]]) -> bytes:
    """A model.json whose weights, which are none, are in no file."""
    weights = [{"name": name, "shape": [0, *shape], "dtype": "float32"} for name, shape in arrays.items()]
    return json.dumps({"format": "graph-model", "weightsManifest": [{"paths": [], "weights": weights}]}).encode()


class Importers(Target):
    """``import_weights`` of a mutated file; none has the hash of a published one, so all must be refused."""

    name = "importers"
    title = "Importers (`earmark.importers`)"
    expected = "ModelError: a changed file is none of the published ones"
    memory_megabytes = 600

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        torch.set_num_threads(1)
        small = {
            name: tuple(min(n, 3) for n in array.shape) for name, array in keras_musicnn._layouts()[1].arrays.items()
        }
        whole = keras_musicnn._layouts()[1].arrays
        state = {
            name: torch.zeros([min(n, 3) for n in array.shape])
            for name, array in pytorch_state_dict._layouts()[0].arrays.items()
        }
        self.files = [
            ("weights.h5", _hdf5(dict(list(small.items())[:12]))),
            ("weights.h5", _hdf5(dict(list(small.items())[:6]), "gzip")),
            ("weights.h5", _hdf5({name: array.shape for name, array in whole.items()}, "gzip")),
            ("weights.pth", _torch(OrderedDict(list(state.items())[:8]), True)),
            ("weights.pth", _torch(OrderedDict(list(state.items())[:8]), False)),
            ("weights.pth", _torch(state, True)),
            ("weights.pth", _torch({"a": [torch.zeros(2), {"b": 1}], "c": torch.arange(3).bool()}, True)),
            ("weights.pth", pickle.dumps({"a": 1, "b": np.zeros(2)}, 2)),
            ("weights.pb", _frozen_graph(dict(list(small.items())[:12]))),
            ("model.json", _tfjs(dict(list(small.items())[:12]))),
        ]
        self.weights = [1 + 3 * (len(content) < 30_000) for _, content in self.files]
        self.contents = [content for _, content in self.files]

    def generate(self, rng: Random) -> Case:
        ((name, content),) = rng.choices(self.files, self.weights)
        return Case(name, mutate(content, rng, self.contents))

    def check(self, case: Case) -> str:
        path = self.folder / case.name
        path.write_bytes(case.content)
        try:
            import_weights(path)
        except ModelError as error:
            text = str(error)
            if "damaged" in text or "cut short" in text:
                return "damaged"
            return "would run code" if "run code" in text else "of another layout or training"
        raise WrongResultError("a changed file was imported")

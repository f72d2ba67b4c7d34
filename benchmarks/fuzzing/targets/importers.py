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
from earmark.importers import keras_musicnn, pytorch_state_dict, tensorflow_musicnn
from earmark.importers.detect_format import import_weights
from earmark.importers.tensorflow_graph import _graph_class
from fuzzing.mutation import mutate
from fuzzing.target import Case, Target, WrongResultError

_INTACT_SHARE = 0.4
TYPES = ("float32", "float64", "float16", "int8", "int64", "uint8", "bool", "complex64")
Arrays = dict[str, tuple[int, ...]]


def _hdf5(arrays: Arrays, compression: str | None = None, types: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5.attrs["keras_version"] = "2.2.4"
        for name, shape in arrays.items():
            layer, _, kind = name.partition("/")
            chunked = {"compression": compression} if compression and 0 not in shape and shape else {}
            data = np.zeros(shape, (types or {}).get(name, "float32"))
            h5.create_dataset(f"model_weights/{layer}/{layer}/{kind}:0", data=data, **chunked)
    return file.getvalue()


def _torch(state: object, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _frozen_graph(arrays: Arrays, rng: Random | None = None) -> bytes:
    graph = _graph_class()()
    for name, shape in arrays.items():
        node = graph.node.add(name=name, op="Const")
        tensor = node.attr.add(key="value").value.tensor
        tensor.dtype, tensor.tensor_content = 1, bytes(4 * int(np.prod(shape)))
        if rng is not None and rng.random() < 0.05:  # other types, sizes and numbers of bytes than there are
            tensor.dtype = rng.choice((0, 1, 2, 3, 7, 99))
            tensor.tensor_content = tensor.tensor_content[: rng.choice((0, 3, -1, -4))]
            shape = tuple(rng.choice((n, n, -1, 0, 2**31, 2**62)) for n in shape)
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
    return graph.SerializeToString()


def _tfjs(arrays: Arrays, types: dict[str, str] | None = None, rng: Random | None = None) -> bytes:
    """A model.json whose weights, which are none, are in no file."""
    weights: list[dict[str, object]] = [
        {"name": name, "shape": [0, *shape], "dtype": (types or {}).get(name, "float32")}
        for name, shape in arrays.items()
    ]
    if rng is not None and weights:
        for _ in range(rng.randint(0, 2)):
            weight = rng.choice(weights)
            key = rng.choice(("name", "shape", "dtype", "quantization", "data"))
            weight[key] = rng.choice(
                (None, -1, [], [-1], [2**62], [2**40, 2**40, 0], ["3"], [1.5], {}, "", "float16", {"dtype": "uint8"})
            )
            if rng.random() < 0.2:
                del weight[rng.choice(list(weight))]
    return json.dumps({"format": "graph-model", "weightsManifest": [{"paths": [], "weights": weights}]}).encode()


def _changed(arrays: Arrays, rng: Random) -> tuple[Arrays, dict[str, str]]:
    """The arrays with one to three changes of names, shapes, types or order; types by name where they are not float32."""
    out, types = dict(arrays), {}
    for _ in range(rng.randint(1, 3)):
        if not out:
            break
        name = rng.choice(list(out))
        shape = out[name]
        match rng.randrange(8):
            case 0:
                del out[name]
            case 1:
                out[
                    rng.choice((name + "x", "x" + name, name.upper(), name.replace("_", "/", 1), "0", "é", "a" * 300))
                ] = shape
            case 2:
                types[name] = rng.choice(TYPES)
            case 3:
                out[name] = tuple(rng.sample(shape, len(shape)))
            case 4:
                out[name] = (*shape[:-1], rng.choice((0, 1, 2, 7)))
            case 5:
                out[name] = rng.choice(((), (0,), (1, *shape), shape[:-1]))
            case 6:
                out = dict(rng.sample(list(out.items()), len(out)))
            case 7:
                out.update({f"{name}{i}": shape for i in range(rng.choice((1, 60)))})
    return out, types


def _state(arrays: Arrays, types: dict[str, str], rng: Random) -> object:
    """A state dict; some of its tensors are views, parameters, sparse or quantised, or it is inside of another."""
    state: dict[object, object] = OrderedDict()
    for name, shape in arrays.items():
        tensor = torch.zeros((), dtype=getattr(torch, types.get(name, "float32"))).expand(shape)
        match rng.randrange(40):
            case 0:
                tensor = torch.zeros(shape).to_sparse()
            case 1:
                tensor = torch.nn.Parameter(torch.zeros(shape))
            case 2:
                tensor = torch.zeros([2 * n for n in shape])[tuple(slice(0, None, 2) for _ in shape)]
            case 3:
                tensor = torch.quantize_per_tensor(torch.zeros(shape), 0.1, 0, torch.qint8)
            case 4:
                tensor = torch.empty(shape, device="meta")
        state[name] = tensor
    match rng.randrange(8):
        case 0:
            return {"state_dict": state, "epoch": 3}
        case 1:
            state[rng.choice((0, None, ("a", 1), b"x"))] = torch.zeros(2)
        case 2:
            state["epoch"] = rng.choice((1, "x", [torch.zeros(1)], {"a": None}))
        case 3:
            return list(state.values())
    return state


class Importers(Target):
    """``import_weights`` of a mutated file, or of an intact one of other arrays.

    None has the hash of a published one, so all must be refused.
    """

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
        self.layouts = {  # of whole arrays, the smaller networks' only: 3 MB of zeros each
            "weights.h5": {name: array.shape for name, array in whole.items()},
            "weights.pth": {name: array.shape for name, array in pytorch_state_dict._layouts()[0].arrays.items()},
            "weights.pb": {name: array.shape for name, array in tensorflow_musicnn._layouts(False)[0].arrays.items()},
            "model.json": {name: array.shape for name, array in tensorflow_musicnn._layouts(True)[0].arrays.items()},
        }
        self.weights = [1 + 3 * (len(content) < 30_000) for _, content in self.files]
        self.contents = [content for _, content in self.files]

    def generate(self, rng: Random) -> Case:
        if rng.random() < _INTACT_SHARE:
            return self._intact(rng)
        ((name, content),) = rng.choices(self.files, self.weights)
        return Case(name, mutate(content, rng, self.contents))

    def _intact(self, rng: Random) -> Case:
        """A whole container of other arrays."""
        name = rng.choice(list(self.layouts))
        arrays, types = _changed(self.layouts[name], rng) if rng.random() < 0.9 else (self.layouts[name], {})
        match name:
            case "weights.h5":
                return Case(name, _hdf5(arrays, "gzip", types))
            case "weights.pth":
                return Case(name, _torch(_state(arrays, types, rng), rng.random() < 0.7))
            case "weights.pb":
                return Case(name, _frozen_graph(arrays, rng))
        return Case(name, _tfjs(arrays, types, rng))

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

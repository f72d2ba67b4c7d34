"""Trained networks to ONNX files with cards.

python -m tools.tempo_key.export --weights DIR [--out src/earmark/tagging/bundled/tempo_key]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from earmark.core.atomic_files import write_together
from earmark.tagging.tempo_key.networks import MODELS_FOLDER
from earmark.tagging.tempo_key.pitch_features import N_SEMITONES
from earmark.tagging.tempo_key.tempogram import N_BINS
from tools.tempo_key.key_network import KeyNetwork
from tools.tempo_key.tempo_network import TempoNetwork

OPSET = 18
NAMES = {"tempo": "tempograms", "key": "pitches"}


class Ensemble(nn.Module):
    """Probabilities by the mean logits of networks, divided by a temperature that makes them calibrated."""

    def __init__(self, networks: list[nn.Module], temperature: float) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.temperature = temperature

    def forward(self, features: Tensor) -> Tensor:
        """``(1, n, ...)`` -> ``(1, n_classes)``."""
        logits = torch.stack([network(features) for network in self.networks]).mean(dim=0)
        return torch.softmax(logits / self.temperature, dim=1)


def load(kind: str, paths: list[Path]) -> list[nn.Module]:
    """Networks from their weights."""
    networks: list[nn.Module] = []
    for path in paths:
        network = TempoNetwork() if kind == "tempo" else KeyNetwork()
        network.load_state_dict(torch.load(path, weights_only=True))
        networks.append(network.eval())
    return networks


def to_onnx(kind: str, module: nn.Module) -> bytes:
    """The graph; its answers are those of PyTorch within 1e-5 for any number of windows or steps.

    Raises:
        ValueError: they are not.
    """
    shape = (12, N_BINS) if kind == "tempo" else (N_SEMITONES,)
    name = NAMES[kind]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own deprecations
        program = torch.onnx.export(
            module, (torch.rand(1, 7, *shape),), input_names=[name], output_names=["probabilities"], opset_version=OPSET,
            dynamo=True, dynamic_shapes={"features": {1: torch.export.Dim("n")}}, optimize=True, verbose=False,
        )  # fmt: skip
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    graph = proto.graph
    for item in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.ClearField("metadata_props")  # the exporter's notes name files of this machine
        item.ClearField("doc_string")
    content: bytes = proto.SerializeToString()
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    for n in (1, 2, 33):
        features = torch.rand(1, n, *shape)
        with torch.no_grad():
            expected = module(features).numpy()
        difference = float(np.abs(session.run(None, {name: features.numpy()})[0] - expected).max())
        if difference > 1e-5:
            raise ValueError(f"{kind}: ONNX Runtime differs from PyTorch by {difference} for n = {n}")
    return content


def card(kind: str, content: bytes, about: dict[str, Any]) -> bytes:
    """The card, as JSON."""
    fields = {"name": f"earmark-{kind}", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), **about}
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()


def main() -> None:
    """Write both models and their cards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--about", type=Path, default=Path(__file__).with_name("cards.json"))
    parser.add_argument("--out", type=Path, default=MODELS_FOLDER)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    about = json.loads(args.about.read_text(encoding="utf-8"))
    for kind in NAMES:
        networks = load(kind, sorted(args.weights.glob(f"{kind}-*.pt")))
        content = to_onnx(kind, Ensemble(networks, about[kind]["temperature"]))
        files = {args.out / f"{kind}.onnx": content, args.out / f"{kind}.json": card(kind, content, about[kind])}
        write_together(files)
        print(kind, len(networks), "networks", len(content), "bytes")


if __name__ == "__main__":
    main()

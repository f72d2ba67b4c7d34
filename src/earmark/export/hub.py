"""A model in the layout of hubs: ``config.json``, ``model.safetensors``, ``model.onnx`` and ``README.md`` in one folder.

The README begins with the metadata that hubs read (licence, library, tags, and a model-index with what was measured).
config.json holds the whole card, so that the folder, or a hub that it was uploaded to, can be read back
(:mod:`earmark.importers.hub`, :mod:`earmark.hub`).
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import yaml

from earmark.core.atomic_files import refuse_existing, write_together
from earmark.core.card import CARD_KEY, ModelCard
from earmark.core.markdown import render_markdown
from earmark.hub.layout import CONFIG_NAME, ONNX_NAME, README_NAME, WEIGHTS_NAME
from earmark.metrics import list_metrics, metric_label

TASK = "audio-classification"

_LICENCES = {
    "mit": "mit",
    "apache 2.0": "apache-2.0",
    "cc0": "cc0-1.0",
    "cc by 4.0": "cc-by-4.0",
    "cc by-sa 4.0": "cc-by-sa-4.0",
    "cc by-nc 4.0": "cc-by-nc-4.0",
    "cc by-nc-sa 4.0": "cc-by-nc-sa-4.0",
}
"""Licences as cards name them -> as hubs do; others are "other", with their name beside."""


def write_hub_folder(
    folder: str | Path, card: ModelCard, onnx: bytes, weights: bytes | None = None, *, force: bool = False
) -> None:
    """Write the folder.

    Args:
        folder: made where missing.
        card: of the model.
        onnx: content of its ONNX file.
        weights: content of its safetensors, whose hash the card has; None for a model of which there is only the ONNX file.
        force: replace files of these names.

    Raises:
        ConfigError: one of them is there, and ``force`` is not given.
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    contents = {ONNX_NAME: onnx, **({} if weights is None else {WEIGHTS_NAME: weights})}
    contents[CONFIG_NAME] = (json.dumps(_config(card, onnx, weights), indent=2, ensure_ascii=False) + "\n").encode()
    contents[README_NAME] = readme(card, with_weights=weights is not None).encode()
    refuse_existing([folder / name for name in contents], force=force)
    folder.mkdir(parents=True, exist_ok=True)
    write_together({folder / name: content for name, content in contents.items()})


def _config(card: ModelCard, onnx: bytes, weights: bytes | None) -> dict[str, Any]:
    names = card.vocabulary.names
    return {
        "model_type": "earmark",
        "architectures": [card.architecture],
        "sampling_rate": card.input.sample_rate_hz,
        "window_samples": card.input.window_samples,
        "problem_type": "single_label_classification" if card.softmax else "multi_label_classification",
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
        "onnx_bytes": len(onnx),
        "onnx_sha256": hashlib.sha256(onnx).hexdigest(),
        "weights_bytes": None if weights is None else len(weights),
        CARD_KEY: json.loads(card.to_json()),
    }


def readme(card: ModelCard, *, with_weights: bool = True) -> str:
    """The README: metadata in YAML, then what people read."""
    head = yaml.safe_dump(metadata(card), sort_keys=False, allow_unicode=True)
    body = render_markdown("hub.md.j2", Path(__file__).parent, card=card, onnx=ONNX_NAME, weights=with_weights)
    return f"---\n{head}---\n\n{body.rstrip()}\n"


def metadata(card: ModelCard) -> dict[str, Any]:
    """What hubs read of a model, model-index among it: macro means of the card, by dataset and split."""
    licence = _LICENCES.get(card.licence.lower())
    found: dict[str, Any] = {"license": licence or "other"}
    if licence is None:
        found["license_name"] = re.sub(r"[^a-z0-9.]+", "-", card.licence.lower()).strip("-")
    found |= {
        "library_name": "earmark",
        "pipeline_tag": TASK,
        "tags": ["music", "audio", "music-tagging", "onnx", card.architecture],
    }
    known = {*list_metrics(), *list_metrics(of_classes=True)}
    results: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for metric in card.metrics:
        if metric.tag is None and metric.value is not None:
            where = (metric.dataset, metric.protocol, metric.split)
            entry = {
                "type": metric.name,
                "name": metric_label(metric.name) if metric.name in known else metric.name,
                "value": metric.value,
            }
            if metric.low is not None:
                entry["args"] = {"interval_95": [metric.low, metric.high], "resampled": metric.resampled}
            results.setdefault(where, []).append(entry)
    if results:
        found["model-index"] = [
            {
                "name": card.name,
                "results": [
                    {
                        "task": {"type": TASK, "name": "Music auto-tagging"},
                        "dataset": {"type": dataset, "name": dataset, "config": protocol, "split": split},
                        "metrics": entries,
                    }
                    for (dataset, protocol, split), entries in results.items()
                ],
            }
        ]
    return found

"""How a model lies in a hub: the names of its files, and what ``config.json`` says of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from earmark.core.card import CARD_KEY, ModelCard
from earmark.core.errors import ConfigError, ModelError
from earmark.core.json_records import json_text, parse_json

CONFIG_NAME, README_NAME, ONNX_NAME, WEIGHTS_NAME = "config.json", "README.md", "model.onnx", "model.safetensors"


@dataclass(frozen=True)
class HubConfig:
    """What ``config.json`` says.

    Attributes:
        card: of the model.
        weights_bytes: size of the safetensors; None for a model of which there is only the ONNX file.
        onnx_bytes, onnx_sha256: of the ONNX file; None in folders of earmark before 0.3.
    """

    card: ModelCard
    weights_bytes: int | None
    onnx_bytes: int | None
    onnx_sha256: str | None


def read_hub_config(content: bytes, where: str) -> HubConfig:
    """Read ``config.json``.

    Args:
        content: of the file.
        where: its place, for errors.

    Raises:
        ModelError: not JSON, or none that earmark wrote.
    """
    try:
        document = parse_json(content)
    except ValueError as error:
        raise ModelError(f"{where}: not JSON ({error})") from error
    if not isinstance(document, dict) or CARD_KEY not in document:
        raise ModelError(f"{where}: not of a model that `earmark export --hub` wrote: it has no {CARD_KEY}")
    card = ModelCard.from_json(json_text(document[CARD_KEY]), where=where)
    sizes = {key: value for key in ("weights_bytes", "onnx_bytes") if isinstance(value := document.get(key), int)}
    sha256 = document.get("onnx_sha256")
    if sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", str(sha256)):
        raise ModelError(f"{where}: onnx_sha256 {sha256!r} is no SHA-256")
    return HubConfig(card, sizes.get("weights_bytes"), sizes.get("onnx_bytes"), sha256)


def check_repository(repository: str, revision: str) -> None:
    """Raises ConfigError where these are not of the form OWNER/NAME, and of a branch, tag or commit.

    >>> check_repository("someone/small", "main")
    """
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repository) or not re.fullmatch(r"[\w./-]+", revision):
        raise ConfigError(f"{repository}, revision {revision}: must be OWNER/NAME, and a branch, tag or commit")

"""Models from hubs: folders of :mod:`earmark.export.hub`, on this machine or behind an address."""

from __future__ import annotations

import re
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from earmark.core.atomic_files import write_atomic
from earmark.core.card import CARD_KEY, ModelCard
from earmark.core.download import TIMEOUT_SECONDS, download
from earmark.core.errors import ConfigError, DownloadError, ModelError
from earmark.core.json_records import json_text, parse_json
from earmark.export.hub import CONFIG_NAME, WEIGHTS_NAME
from earmark.models import TaggingModel
from earmark.models.checkpoint import CARD_NAME, load_checkpoint

MOST_CONFIG_BYTES = 1 << 24


def is_hub_folder(folder: Path) -> bool:
    """Whether a folder has a model in the layout of hubs."""
    return (folder / CONFIG_NAME).is_file() and (folder / WEIGHTS_NAME).is_file()


def read_hub_folder(folder: str | Path) -> tuple[TaggingModel, ModelCard]:
    """The network and the card in such a folder.

    Raises:
        ModelError: config.json is none of earmark's, or the weights are not those of its card.
    """
    folder = Path(folder)
    card = _card((folder / CONFIG_NAME).read_bytes(), str(folder / CONFIG_NAME))[0]
    with tempfile.TemporaryDirectory(prefix="earmark-") as place:
        (Path(place) / WEIGHTS_NAME).symlink_to((folder / WEIGHTS_NAME).resolve())
        write_atomic(Path(place) / CARD_NAME, card.to_json().encode())
        return load_checkpoint(place)


def pull_hub_model(
    endpoint: str,
    repository: str,
    out: str | Path,
    *,
    revision: str = "main",
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Fetch config.json and model.safetensors of a model; the hash in the card says whether the weights are whole.

    Files are asked for where hubs have them: ``ENDPOINT/OWNER/NAME/resolve/REVISION/FILE``.

    Args:
        endpoint: of the hub, http or https.
        repository: OWNER/NAME.
        out: folder; made where missing. What was fetched of the weights before is continued.
        revision: branch, tag or commit.
        on_progress: called with the bytes received and the bytes in all.

    Returns:
        The folder, for :func:`read_hub_folder`.

    Raises:
        ConfigError: no such form of endpoint, repository or revision.
        ModelError: config.json is none of earmark's.
        DownloadError: a file is not there, or another one.
    """
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repository) or not re.fullmatch(r"[\w./-]+", revision):
        raise ConfigError(f"{repository}, revision {revision}: must be OWNER/NAME, and a branch, tag or commit")
    if urllib.parse.urlsplit(endpoint).scheme not in ("http", "https"):
        raise ConfigError(f"{endpoint}: must be http://HOST or https://HOST")
    base = f"{endpoint.rstrip('/')}/{repository}/resolve/{urllib.parse.quote(revision, safe='')}"
    content = _get(f"{base}/{CONFIG_NAME}")
    card, document = _card(content, f"{base}/{CONFIG_NAME}")
    size = document.get("weights_bytes")
    if not isinstance(size, int) or not card.weights_sha256:
        raise ModelError(f"{base}: has no {WEIGHTS_NAME}; its ONNX file can be used as it is")
    folder = Path(out)
    download(
        [f"{base}/{WEIGHTS_NAME}"],
        folder / WEIGHTS_NAME,
        checksum=f"sha256:{card.weights_sha256}",
        size_bytes=size,
        on_progress=on_progress,
    )
    write_atomic(folder / CONFIG_NAME, content)
    return folder


def _card(content: bytes, where: str) -> tuple[ModelCard, dict[str, Any]]:
    try:
        document = parse_json(content)
    except ValueError as error:
        raise ModelError(f"{where}: not JSON ({error})") from error
    if not isinstance(document, dict) or CARD_KEY not in document:
        raise ModelError(f"{where}: not of a model that `earmark export --hub` wrote: it has no {CARD_KEY}")
    return ModelCard.from_json(json_text(document[CARD_KEY]), where=where), document


def _get(address: str) -> bytes:
    request = urllib.request.Request(address, headers={"User-Agent": "earmark"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            content: bytes = response.read(MOST_CONFIG_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{address}: the server answered {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise DownloadError(f"{address}: cannot be fetched ({error})") from error
    if len(content) > MOST_CONFIG_BYTES:
        raise DownloadError(f"{address}: more than {MOST_CONFIG_BYTES} bytes")
    return content

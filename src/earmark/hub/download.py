"""Models fetched from hubs: ``ENDPOINT/OWNER/NAME/resolve/REVISION/FILE``, with a token where there is one.

Needs neither PyTorch nor the hub's library; that one, where it is installed, says which hub and which token.
"""

from __future__ import annotations

import contextlib
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from earmark.core.atomic_files import write_atomic
from earmark.core.card import ModelCard
from earmark.core.download import TIMEOUT_SECONDS, authorise, download
from earmark.core.errors import ConfigError, DownloadError, ModelError, how_to_install
from earmark.hub.layout import CONFIG_NAME, ONNX_NAME, WEIGHTS_NAME, HubConfig, check_repository, read_hub_config

MOST_CONFIG_BYTES = 1 << 24
OnProgress = Callable[[int, int], None]


def default_endpoint() -> str:
    """The hub in ``HF_ENDPOINT``, else that of the hub's library. Raises ConfigError where neither is there."""
    if endpoint := os.environ.get("HF_ENDPOINT"):
        return endpoint
    with contextlib.suppress(ImportError):
        from huggingface_hub import constants

        return str(constants.ENDPOINT)
    raise ConfigError(
        f"say which hub, by --hub URL or HF_ENDPOINT; or for that of the hub's library: {how_to_install('hub')}"
    )


def hub_token() -> str | None:
    """The token for hubs, from ``HF_TOKEN`` or, with the hub's library, where that one keeps it; None where there is none."""
    with contextlib.suppress(ImportError):
        from huggingface_hub import get_token

        token: str | None = get_token()
        return token
    return os.environ.get("HF_TOKEN") or None


def pull_hub_model(
    endpoint: str,
    repository: str,
    out: str | Path,
    *,
    revision: str = "main",
    token: str | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Fetch config.json and model.safetensors of a model; the hash in the card says whether the weights are whole.

    Args:
        endpoint: of the hub, http or https.
        repository: OWNER/NAME.
        out: folder; made where missing. What was fetched of the weights before is continued.
        revision: branch, tag or commit.
        token: for private models; sent to the hub alone, not to where it redirects.
        on_progress: called with the bytes received and the bytes in all.

    Returns:
        The folder, for :func:`earmark.importers.hub.read_hub_folder`.

    Raises:
        ConfigError: no such form of endpoint, repository or revision.
        ModelError: config.json is none of earmark's.
        DownloadError: a file is not there, or another one.
    """
    base, content, config = _config(endpoint, repository, revision, token)
    if config.weights_bytes is None or not config.card.weights_sha256:
        raise ModelError(
            f"{base}: has no {WEIGHTS_NAME}; its ONNX file can be used as it is: earmark models pull {repository}"
        )
    folder = Path(out)
    download(
        [f"{base}/{WEIGHTS_NAME}"],
        folder / WEIGHTS_NAME,
        checksum=f"sha256:{config.card.weights_sha256}",
        size_bytes=config.weights_bytes,
        token=token,
        on_progress=on_progress,
    )
    write_atomic(folder / CONFIG_NAME, content)
    return folder


def pull_hub_tagger(
    endpoint: str,
    repository: str,
    folder: Path,
    *,
    name: str | None = None,
    revision: str = "main",
    token: str | None = None,
    replace: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[ModelCard, Path]:
    """Fetch model.onnx of a model, as ``earmark tag --model NAME`` finds it: ``NAME.onnx`` and its card ``NAME.json``.

    Args:
        endpoint, repository, revision, token, on_progress: see :func:`pull_hub_model`.
        folder: of models, see :func:`earmark.tagging.runtime.user_models_folder`.
        name: None for that of the card.
        replace: a model of this name there.

    Returns:
        The card, and the path of the ONNX file.

    Raises:
        ConfigError: no such form of endpoint, repository or revision; or the name cannot be that of a file, is that of a
            bundled model, or that of one that is there.
        ModelError: config.json is none of earmark's, or the ONNX file is none.
        DownloadError: a file is not there, or another one.
    """
    from earmark.tagging.runtime import OnnxModel, list_installed

    base, _, config = _config(endpoint, repository, revision, token)
    name = config.card.name if name is None else name
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigError(
            f"{name!r} cannot be the name of a model here: --name takes letters, digits, '.', '_' and '-'"
        )
    path = folder / f"{name}.onnx"
    bundled = list_installed().get(name, path) != path
    if bundled or (path.exists() and not replace):
        again = "" if bundled else ", or --again to replace it"
        raise ConfigError(f"a model {name!r} is there already: take another name with --name{again}")
    fetched = folder / ".downloads" / f"{name}.onnx"
    try:
        download(
            [f"{base}/{ONNX_NAME}"],
            fetched,
            checksum=None if config.onnx_sha256 is None else f"sha256:{config.onnx_sha256}",
            size_bytes=config.onnx_bytes,
            token=token,
            on_progress=on_progress,
        )
        card = OnnxModel(fetched).card
        write_atomic(path.with_suffix(".json"), card.to_json().encode())
        fetched.replace(path)
    finally:
        fetched.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it contains another download, or does not exist
            fetched.parent.rmdir()
    return card, path


def _config(endpoint: str, repository: str, revision: str, token: str | None) -> tuple[str, bytes, HubConfig]:
    """Address of the files of a model, and its config.json."""
    check_repository(repository, revision)
    if urllib.parse.urlsplit(endpoint).scheme not in ("http", "https"):
        raise ConfigError(f"{endpoint}: must be http://HOST or https://HOST")
    base = f"{endpoint.rstrip('/')}/{repository}/resolve/{urllib.parse.quote(revision, safe='')}"
    content = _get(f"{base}/{CONFIG_NAME}", token)
    return base, content, read_hub_config(content, f"{base}/{CONFIG_NAME}")


def _get(address: str, token: str | None) -> bytes:
    request = urllib.request.Request(address, headers={"User-Agent": "earmark"})
    authorise(request, token)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            content: bytes = response.read(MOST_CONFIG_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        advice = "" if token or error.code not in (401, 403, 404) else "; of a private model HF_TOKEN must be set"
        raise DownloadError(f"{address}: the server answered {error.code} {error.reason}{advice}") from error
    except (OSError, ValueError) as error:
        raise DownloadError(f"{address}: cannot be fetched ({error})") from error
    if len(content) > MOST_CONFIG_BYTES:
        raise DownloadError(f"{address}: more than {MOST_CONFIG_BYTES} bytes")
    return content

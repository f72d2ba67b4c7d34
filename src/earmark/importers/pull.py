"""A published model by name: downloaded, imported, and stored where ``earmark tag --model NAME`` finds it."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.core.download import RETRIES, TIMEOUT_SECONDS, WAIT_SECONDS, OnProgress, download
from earmark.core.errors import ConfigError
from earmark.core.published_weights import PublishedFile, PublishedWeights, find_published

if TYPE_CHECKING:
    from earmark.core.card import ModelCard
    from earmark.export import ExportReport

MIRROR_VARIABLE = "EARMARK_MIRROR"
"""Environment variable with the address of a folder with the published files under earmark's names for them."""


def file_addresses(published: PublishedWeights | PublishedFile, mirror: str | None = None) -> tuple[str, ...]:
    """Addresses of a file: those of its project, or only the mirror if one is given.

    Example:
        >>> file_addresses(find_published("fcn-mtat"), "http://mirror.example/weights/")
        ('http://mirror.example/weights/mtat_fcn.pth',)
    """
    return (f"{mirror.rstrip('/')}/{published.file_name}",) if mirror else published.addresses


def pull_model(
    name: str,
    folder: Path,
    *,
    mirror: str | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    retries: int = RETRIES,
    wait_seconds: float = WAIT_SECONDS,
    on_progress: OnProgress | None = None,
) -> tuple[ModelCard, ExportReport]:
    """Download a published file with its shards, if any, import it, and write ``NAME.onnx`` and its card ``NAME.json``. Needs the train extra.

    An incomplete download stays in ``folder/.downloads``, and the next call resumes it. All other temporary files are
    removed in any case. An existing model of that name is replaced.

    Args:
        name: one of :func:`earmark.core.published_weights.published_names`.
        folder: folder of the models, see :func:`earmark.tagging.runtime.user_models_folder`; created if missing.
        mirror: see :func:`file_addresses`.
        timeout_seconds, retries, wait_seconds, on_progress: see :func:`earmark.core.download.download`.

    Returns:
        The model's card, with licence and citations, and what the export did; its path is that of the ONNX file.

    Raises:
        ModelError: no such name; or the file cannot be imported.
        DownloadError: the file cannot be downloaded.
        WrongFileError: what was downloaded is another file.
        ConfigError: the mirror is no http or https address.
        OSError: the folder cannot be written.
    """
    published = find_published(name)
    if mirror and "?" in mirror:
        raise ConfigError(f"{MIRROR_VARIABLE} {mirror}: must be the address of a folder, without a query")
    downloads = folder / ".downloads"
    files: tuple[PublishedWeights | PublishedFile, ...] = (published, *published.shards)
    try:
        for file in files:
            download(
                file_addresses(file, mirror),
                downloads / file.file_name,
                checksum=f"sha256:{file.sha256}",
                size_bytes=file.size_bytes,
                timeout_seconds=timeout_seconds,
                retries=retries,
                wait_seconds=wait_seconds,
                on_progress=on_progress,
            )
        return _install(downloads / published.file_name, downloads, folder)
    finally:
        for file in files:
            (downloads / file.file_name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it contains another download, or does not exist
            (downloads / published.file_name).parent.rmdir()
            downloads.rmdir()


def _install(fetched: Path, scratch: Path, folder: Path) -> tuple[ModelCard, ExportReport]:
    """Import and export in a scratch folder on the same disk, then move: first the card, then the model."""
    import dataclasses

    from earmark.importers.convert import convert_weights  # torch

    with tempfile.TemporaryDirectory(dir=scratch) as made:
        card, report = convert_weights(fetched, made)
        card_path, path = folder / report.card_path.name, folder / report.path.name
        report.card_path.replace(card_path)
        report.path.replace(path)
    return card, dataclasses.replace(report, path=path, card_path=card_path)

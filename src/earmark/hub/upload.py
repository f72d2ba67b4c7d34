"""Models sent to a hub, as one commit of the folder that :mod:`earmark.export.hub` writes. Needs the hub extra."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from earmark.core.errors import ConfigError, MissingExtraError, ModelError, UploadError
from earmark.hub.layout import (
    CONFIG_NAME,
    ONNX_NAME,
    README_NAME,
    WEIGHTS_NAME,
    check_repository,
    read_hub_config,
)


def check_hub_folder(folder: Path) -> list[str]:
    """The names of a folder's files that are sent.

    Raises:
        ModelError: a file is missing, or is not the one that config.json describes.
    """
    needed = [README_NAME, CONFIG_NAME, ONNX_NAME]
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise ModelError(
            f"{folder}: has no {', '.join(missing)}; make the folder with: earmark export CHECKPOINT --hub {folder}"
        )
    config = read_hub_config((folder / CONFIG_NAME).read_bytes(), str(folder / CONFIG_NAME))
    hashes = {ONNX_NAME: config.onnx_sha256}
    if config.weights_bytes is not None:
        needed.append(WEIGHTS_NAME)
        hashes[WEIGHTS_NAME] = config.card.weights_sha256 or None
    for name, wanted in hashes.items():
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{folder / name}: cannot be read ({error.strerror})") from error
        if wanted is not None and found != wanted:
            raise ModelError(
                f"{folder / name}: is not the file of {CONFIG_NAME}: expected SHA-256 {wanted}, found {found}"
            )
    return needed


def push_hub_folder(
    folder: str | Path,
    repository: str,
    *,
    endpoint: str | None = None,
    revision: str = "main",
    private: bool = False,
    message: str | None = None,
) -> str:
    """Send a folder to a hub; the repository and the branch are made where missing.

    The token is that of the hub's library: ``HF_TOKEN``, or what its login keeps. It is in no message.

    Args:
        folder: see :func:`earmark.export.hub.write_hub_folder`. Other files in it are not sent.
        repository: OWNER/NAME.
        endpoint: of the hub; None for ``HF_ENDPOINT``, or the library's own.
        revision: branch.
        private: make a new repository private; an existing one stays as it is.
        message: of the commit; None for one that names the model.

    Returns:
        Address of the commit.

    Raises:
        MissingExtraError: the hub's library is not installed.
        ModelError: the folder is not whole.
        ConfigError: no such form of repository or revision; or there is no token.
        UploadError: the hub cannot be reached, or refuses.
    """
    folder = Path(folder)
    check_repository(repository, revision)
    names = check_hub_folder(folder)
    try:
        import huggingface_hub
        from huggingface_hub import utils
    except ImportError as error:
        raise MissingExtraError("earmark models push", "hub") from error
    token = huggingface_hub.get_token()
    if token is None:
        raise ConfigError("no token for the hub: set HF_TOKEN, or log in with the hub's own tool")
    if not sys.stderr.isatty():
        utils.disable_progress_bars()
    card = read_hub_config((folder / CONFIG_NAME).read_bytes(), str(folder / CONFIG_NAME)).card
    api = huggingface_hub.HfApi(endpoint=endpoint, token=token, library_name="earmark")
    try:
        api.create_repo(repository, private=private or None, exist_ok=True)
        if revision != "main":
            api.create_branch(repository, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            revision=revision,
            allow_patterns=names,
            commit_message=message or f"{card.name}, written by earmark",
        )
    except Exception as error:
        reason = str(error).replace(token, "[token]").strip() or type(error).__name__
        raise UploadError(f"{endpoint or api.endpoint}/{repository}: cannot be sent: {reason}") from error
    return str(commit.commit_url)

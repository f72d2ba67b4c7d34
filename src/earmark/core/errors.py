"""All exceptions of earmark, with one base class.

EarmarkError
├── AudioError            a file or a waveform cannot be tagged
│   ├── NoAudioError          a file without an audio stream: a video without sound
│   └── TruncatedAudioError   audio is known to be missing: truncated or damaged
├── ModelError            a model, its card or its weights cannot be used
│   ├── UploadError           a model could not be sent to a hub
│   └── DownloadError         a file could not be fetched
│       └── WrongFileError    another file was fetched
├── DataError             a table, dataset, protocol or index is invalid
│   ├── IndexInUseError       another process writes to the index of a library
│   └── FileTagsError         the tags in an audio file cannot be read or written
├── ConfigError           options are unknown, out of range or contradict each other
│   └── OutputError           a file cannot be written: no permission, a full disk
└── MissingExtraError     an optional part of earmark is not installed
"""

from __future__ import annotations

from pathlib import Path


class EarmarkError(Exception):
    """Base class of all exceptions of earmark.

    Examples:
        >>> import earmark
        >>> try:
        ...     earmark.load_tagger("earmark-99")
        ... except earmark.EarmarkError as error:
        ...     print(type(error).__name__)
        ModelError
    """


class AudioError(EarmarkError):
    """A file or a waveform cannot be tagged.

    Args:
        reason: one line, without the path.
        path: the file; None for audio in memory.

    Attributes:
        path: the file as a Path; None for audio in memory.
        reason: one line for people, without the path.

    Examples:
        >>> import earmark
        >>> try:
        ...     earmark.load_tagger().tag("missing.mp3")
        ... except earmark.AudioError as error:
        ...     print(error.reason, error.path)
        no such file missing.mp3
    """

    def __init__(self, reason: str, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.reason = reason
        super().__init__(reason if path is None else f"{path}: {reason}")


class NoAudioError(AudioError):
    """A file has no audio stream, e.g. a video without sound."""


class TruncatedAudioError(AudioError):
    """A file declares more audio than can be decoded: truncated or damaged."""


class ModelError(EarmarkError):
    """A model, its card or its weights cannot be used."""


class UploadError(ModelError):
    """A model could not be sent to a hub."""


class DownloadError(ModelError):
    """A file could not be fetched, or another one was fetched."""


class WrongFileError(DownloadError):
    """A URL gave another file than expected."""


class DataError(EarmarkError):
    """A table, dataset, protocol or index of a library is invalid."""


class IndexInUseError(DataError):
    """Another process writes to the index of a library, which allows one writer at a time."""


class FileTagsError(DataError):
    """The tags in an audio file cannot be read or written; the file is unchanged.

    Attributes:
        path: the file.
        reason: one line for people, without the path.
    """

    def __init__(self, reason: str, path: str | Path) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(f"{path}: {reason}")


class OtherAudioError(FileTagsError):
    """A file holds other audio than was scanned."""


class ConfigError(EarmarkError):
    """Options are unknown, out of range or contradict each other.

    Attributes:
        problems: every problem found, one line each.
    """

    def __init__(self, problems: str | list[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class OutputError(ConfigError):
    """A file that was asked for cannot be written: no permission, a full disk."""


class MissingExtraError(EarmarkError):
    """An optional part of earmark is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs an optional part: {how_to_install(extra)}")


def how_to_install(extra: str) -> str:
    """The command that adds an extra.

    pip and uv take the name for what is installed, wherever it came from, and add only what the extra needs.

    >>> how_to_install("serve")
    "pip install 'earmark[serve]'"
    """
    return f"pip install 'earmark[{extra}]'"


def how_to_exchange(installed: str, wanted: str) -> str:
    """The commands that put one distribution in the place of another, which holds the same module.

    >>> how_to_exchange("onnxruntime", "onnxruntime-directml")
    "pip uninstall onnxruntime, then pip install 'onnxruntime-directml'"
    """
    return f"pip uninstall {installed}, then pip install '{wanted}'"

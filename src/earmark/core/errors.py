"""Every error that earmark raises on purpose. One root, so that a caller can catch all of them.

EarmarkError
├── AudioError            a file or a waveform cannot be listened to
│   └── TruncatedAudioError   audio that is known to be missing: cut short or damaged
├── ModelError            a model, its card or its weights cannot be used
├── DataError             a table, a dataset, a protocol or an index is not as it must be
│   └── IndexInUseError       another process writes to the index of a library
├── ConfigError           options that are unknown, out of range or contradict each other
└── MissingExtraError     an optional part of earmark is not installed
"""

from __future__ import annotations

from pathlib import Path


class EarmarkError(Exception):
    """Root of all errors that earmark raises on purpose."""


class AudioError(EarmarkError):
    """A file or a waveform cannot be listened to.

    Attributes:
        path: the file, or None for a waveform that came from memory.
        reason: one line, without the path, fit to be shown to a person.
    """

    def __init__(self, reason: str, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.reason = reason
        super().__init__(reason if path is None else f"{path}: {reason}")


class TruncatedAudioError(AudioError):
    """A file promises more audio than can be decoded from it: cut short or damaged."""


class ModelError(EarmarkError):
    """A model, its card or its weights cannot be used."""


class DownloadError(ModelError):
    """A file could not be fetched, or is not the one that was asked for."""


class WrongFileError(DownloadError):
    """An address answered with another file."""


class DataError(EarmarkError):
    """A table, a dataset, a protocol or an index of a library is not as it must be."""


class IndexInUseError(DataError):
    """Another process writes to the index of a library, which has one writer at a time."""


class FileTagsError(DataError):
    """The tags in an audio file cannot be read or written; the file is as it was.

    Attributes:
        path: the file.
        reason: one line, without the path, fit to be shown to a person.
    """

    def __init__(self, reason: str, path: str | Path) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(f"{path}: {reason}")


class ConfigError(EarmarkError):
    """Options that are unknown, out of range or contradict each other.

    Attributes:
        problems: every problem found, one line each.
    """

    def __init__(self, problems: str | list[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class MissingExtraError(EarmarkError):
    """An optional part of earmark is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs an optional part: pip install 'earmark[{extra}]'")

"""Errors of damaged NumPy files."""

from __future__ import annotations

import errno
import zipfile
import zlib

ARRAY_FILE_ERRORS = (
    *(OSError, ValueError, EOFError),
    *(OverflowError, MemoryError),  # shapes that claim more than there can be
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, KeyError),  # of .npz
)
"""What ``np.load`` and reading the arrays of its result raise for a file that is damaged or none."""


def problem_of(error: BaseException, cure: str = "") -> str:
    """What is wrong where reading an array raised one of :data:`ARRAY_FILE_ERRORS`, and the cure.

    Args:
        error: an error of the system is reported as itself, anything else as damage.
        cure: what to do about a file that is damaged or missing.

    Example:
        >>> import errno
        >>> problem_of(ValueError("no array"), "delete it")
        'damaged (no array); delete it'
        >>> problem_of(OSError(errno.EACCES, "Permission denied"), "delete it")
        'cannot be read (Permission denied)'
    """
    if isinstance(error, OSError) and error.errno is not None:
        said = f"cannot be read ({error.strerror})"
        if error.errno in (errno.EMFILE, errno.ENFILE):
            cure = "raise the limit of open files, e.g. `ulimit -n 8192`"
        elif not isinstance(error, FileNotFoundError):
            cure = ""
    else:
        said = f"damaged ({error})"
    return f"{said}; {cure}" if cure else said

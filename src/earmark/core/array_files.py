"""Errors of damaged NumPy files."""

from __future__ import annotations

import zipfile
import zlib

ARRAY_FILE_ERRORS = (
    *(OSError, ValueError, EOFError),
    *(OverflowError, MemoryError),  # shapes that claim more than there can be
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, KeyError),  # of .npz
)
"""What ``np.load`` and reading the arrays of its result raise for a file that is damaged or none."""

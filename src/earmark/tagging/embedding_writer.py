"""Writes tables of embeddings in parts, so that a run that was stopped continues."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.core.array_files import ARRAY_FILE_ERRORS
from earmark.core.atomic_files import remove_leftovers, write_atomic, written_beside
from earmark.core.errors import AudioError, ConfigError, DataError
from earmark.tagging.embedder import Embedding
from earmark.tagging.embedding_table import ABOUT_KEY, SUFFIXES, Floats, require_pyarrow

_ABOUT_NAME = "about.json"
_FILES_IN_PART, _SECONDS_IN_PART = 512, 30.0
_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, eq=False)
class _Part:
    """Some files: where each one's rows begin, and the rows."""

    errors: npt.NDArray[np.str_]
    durations: npt.NDArray[np.float64]
    bounds: npt.NDArray[np.int64]
    starts: npt.NDArray[np.float64]
    weights: Floats
    values: Floats


class EmbeddingWriter:
    """Collects results of files, in parts on the disk, and makes one table of them.

    The parts are in a hidden folder beside the table until it is whole. A new writer for the same table, files and
    settings continues where the last one stopped; files that failed are tried again.

    Args:
        out: the table; its ending is one of :data:`SUFFIXES`.
        paths: of all files.
        clips: an id for each; None for files that are no clips of a dataset.
        about: settings that all rows depend on, as JSON values; ``n_dims`` among them.
        anew: remove parts of a run with other settings or files, instead of refusing them.

    Attributes:
        todo: places of the files that have no result yet, rising.

    Raises:
        ConfigError: another ending, or parts of a run with other settings or files.
        MissingExtraError: Parquet without pyarrow.
        DataError: the folder cannot be written.
    """

    def __init__(
        self,
        out: Path,
        paths: Sequence[Path],
        about: Mapping[str, Any],
        clips: Sequence[str] | None = None,
        *,
        anew: bool = False,
    ) -> None:
        if out.suffix not in SUFFIXES:
            raise ConfigError(f"{out}: its ending says no format; end it in {' or '.join(SUFFIXES)}")
        if out.suffix == ".parquet":
            require_pyarrow()
        self.out, self.paths, self.clips = out, list(paths), clips
        self.about = {**about, "files": len(self.paths)}
        self.folder = out.with_name(f".{out.name}.parts")
        self._results: list[tuple[int, Embedding | AudioError]] = []
        self._since = time.monotonic()
        self._read = lru_cache(maxsize=4)(self._read_part)
        self.places: dict[int, tuple[Path, int]] = {}  # file -> its part, and its place there
        self._open(anew)
        self.n_done = len(self.places)
        self.todo = [i for i in range(len(self.paths)) if i not in self.places]

    def _open(self, anew: bool) -> None:
        """Begin a folder of parts, or read what it has."""
        about, keys = self.folder / _ABOUT_NAME, self._keys()
        text = json.dumps({"about": self.about, "keys": keys}, indent=1).encode()
        try:
            if anew and about.is_file() and about.read_bytes() != text:
                shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder)
            if not about.is_file():
                write_atomic(about, text)
            elif about.read_bytes() != text:
                raise ConfigError(
                    f"{self.folder}: has parts of a run with other files or settings; --force removes them, or choose "
                    "another --out"
                )
        except OSError as error:
            raise DataError(f"{self.out}: cannot be written ({error.strerror or error})") from error
        for path in sorted(self.folder.glob("*.npz")):
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                    files, errors = arrays["files"].tolist(), arrays["errors"].tolist()
            except ARRAY_FILE_ERRORS as error:
                raise DataError(f"{path}: damaged ({error}); delete it, its files are read again") from error
            self.places |= {file: (path, at) for at, file in enumerate(files) if not errors[at]}

    def _keys(self) -> str:
        """Of the files, in their order."""
        digest = hashlib.sha256()
        for place, path in enumerate(self.paths):
            digest.update(os.fsencode(path) + b"\0" + self._clip(place).encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()

    def _clip(self, place: int) -> str:
        return "" if self.clips is None else self.clips[place]

    def add(self, place: int, result: Embedding | AudioError) -> None:
        """Keep the result of the file at ``place``. Raises DataError where the disk is full."""
        self._results.append((place, result))
        if len(self._results) >= _FILES_IN_PART or time.monotonic() - self._since >= _SECONDS_IN_PART:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last part."""
        if not self._results:
            return
        found = [(result if isinstance(result, Embedding) else None) for _, result in self._results]
        empty = np.zeros((0, self.about["n_dims"]), np.float32)
        content = io.BytesIO()
        np.savez(
            content,
            files=np.array([place for place, _ in self._results], np.int64),
            errors=np.array([r.reason if isinstance(r, AudioError) else "" for _, r in self._results], np.str_),
            durations=np.array([np.nan if e is None else e.duration_seconds for e in found], np.float64),
            bounds=np.cumsum([0, *(0 if e is None else len(e.values) for e in found)]),
            starts=np.concatenate([np.zeros(0), *(e.starts_seconds for e in found if e is not None)]),
            weights=np.concatenate([np.zeros(0, np.float32), *(e.weights for e in found if e is not None)]),
            values=np.concatenate([empty, *(e.values for e in found if e is not None)]),
        )
        number = max((int(path.stem) for path in self.folder.glob("*.npz")), default=0) + 1
        path = self.folder / f"{number:06d}.npz"
        try:
            write_atomic(path, content.getbuffer())
        except OSError as error:
            raise DataError(f"{self.out}: cannot be written ({error.strerror or error}); free some space") from error
        self.places |= {place: (path, at) for at, (place, _) in enumerate(self._results)}
        self._results, self._since = [], time.monotonic()

    @staticmethod
    def _read_part(path: Path) -> _Part:
        with np.load(path, allow_pickle=False) as arrays:
            return _Part(*(arrays[name] for name in ("errors", "durations", "bounds", "starts", "weights", "values")))

    def finish(self) -> None:
        """Write the table and remove the parts. Raises DataError where the disk is full."""
        self.flush()
        try:
            with written_beside(self.out) as beside:
                (self._write_parquet if self.out.suffix == ".parquet" else self._write_numpy)(beside)
        except OSError as error:
            raise DataError(f"{self.out}: cannot be written ({error.strerror or error}); free some space") from error
        shutil.rmtree(self.folder, ignore_errors=True)

    def _columns(self) -> Iterator[dict[str, Any]]:
        """The columns, some thousand rows at a time, in the order of the files."""
        rows: list[dict[str, Any]] = []
        n_rows = 0
        for place in range(len(self.paths)):
            rows.append(self._rows_of(place))
            n_rows += len(rows[-1]["path"])
            if n_rows >= _ROWS_AT_ONCE or place + 1 == len(self.paths):
                yield {name: np.concatenate([part[name] for part in rows]) for name in rows[0]}
                rows, n_rows = [], 0

    def _rows_of(self, place: int) -> dict[str, Any]:
        """The columns of one file."""
        path, at = self.places[place]
        part = self._read(path)
        failed = bool(part.errors[at])
        span = slice(int(part.bounds[at]), int(part.bounds[at + 1]))
        n_rows = 1 if failed else span.stop - span.start
        missing = np.full((1, self.about["n_dims"]), np.nan, np.float32)
        return {
            "path": np.full(n_rows, str(self.paths[place])),
            "clip": np.full(n_rows, self._clip(place)),
            "error": np.full(n_rows, str(part.errors[at])),
            "duration_seconds": np.full(n_rows, float(part.durations[at])),
            "start_seconds": np.zeros(1) if failed else part.starts[span],
            "weight": np.zeros(1, np.float32) if failed else part.weights[span],
            "embedding": missing if failed else part.values[span],
        }

    def _write_numpy(self, beside: Path) -> None:
        parts = list(self._columns())
        arrays: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        arrays["status"] = np.where(arrays["error"] == "", "ok", "error")
        with beside.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(self.about)), **arrays)

    def _write_parquet(self, beside: Path) -> None:
        pa, pq = require_pyarrow()
        n_dims = self.about["n_dims"]
        fields = {"path": pa.string(), "path_bytes": pa.binary(), "clip": pa.string(), "status": pa.string()}
        fields |= {"error": pa.string(), "duration_seconds": pa.float64(), "start_seconds": pa.float64()}
        fields["weight"] = pa.float32()
        fields["embedding"] = pa.list_(pa.float32(), n_dims)
        schema = pa.schema(list(fields.items()), metadata={ABOUT_KEY: json.dumps(self.about)})
        with beside.open("wb") as file, pq.ParquetWriter(file, schema) as writer:
            for part in self._columns():
                raw = [os.fsencode(path) for path in part["path"]]
                failed = np.array([bool(error) for error in part["error"]])
                columns = [
                    pa.array([path.decode("utf-8", "backslashreplace") for path in raw], pa.string()),
                    pa.array(raw, pa.binary()),
                    pa.array([clip or None for clip in part["clip"]], pa.string()),
                    pa.array(np.where(failed, "error", "ok"), pa.string()),
                    pa.array([error or None for error in part["error"]], pa.string()),
                    pa.array(part["duration_seconds"], pa.float64(), mask=failed),
                    pa.array(part["start_seconds"], pa.float64(), mask=failed),
                    pa.array(part["weight"], pa.float32(), mask=failed),
                    pa.FixedSizeListArray.from_arrays(
                        pa.array(part["embedding"].ravel(), pa.float32()), n_dims, mask=pa.array(failed)
                    ),
                ]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))

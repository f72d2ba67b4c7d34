"""Python pickles that hold plain data alone, read without running anything in them.

Some split lists of the Million Song Dataset were published as pickles, and a pickle may name any function of any
module to be called. This reader knows six names, those by which NumPy writes arrays and numbers, and answers each with a small
object of its own that only notes what it is given. Any other name is refused before anything is imported.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from earmark.core.errors import DataError

_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_TYPES = frozenset(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)) | {"b1", "f2", "f4", "f8"}

_BROKEN = (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError, OverflowError)


class _RefusedError(Exception):
    """A pickle that holds more than plain data."""


class _Fixed:
    """Whatever a pickle loads, it may not change our stand-ins."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise _RefusedError("it tries to change a function")


class _Function(_Fixed):
    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *values: object) -> object:
        return self._function(*values)


class _Type:
    """What a pickle says of an array's type: ``dtype("f8", 0, 1)``, then its byte order."""

    __slots__ = ("name", "order")

    def __init__(self, name: str) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = {"<": "<", ">": ">"}.get(state[1], "=")

    def dtype(self) -> np.dtype[Any]:
        if self.name not in _TYPES:
            raise _RefusedError(f"an array of type {self.name!r}; numbers alone are read")
        return np.dtype(f"{self.order}{self.name}")


class _Array:
    """An array on its way; :func:`_finish` puts the real one in its place."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        self.fill(content, kind, shape, by_columns)

    def fill(self, content: object, kind: object, shape: tuple[int, ...], by_columns: bool) -> None:
        if not isinstance(kind, _Type) or not isinstance(content, str | bytes | bytearray):
            raise _RefusedError("an array that does not hold numbers")
        content = content.encode("latin-1") if isinstance(content, str) else content
        flat = np.frombuffer(content, kind.dtype())
        if math.prod(shape) != flat.size:
            raise _RefusedError(f"an array of shape {shape} with {flat.size} numbers")
        self.value = flat.reshape(shape, order="F" if by_columns else "C").copy()


def _from_buffer(content: object, kind: object, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array.fill(content, kind, shape, order == "F")
    return array


def _scalar(kind: _Type, content: str | bytes) -> object:
    content = content.encode("latin-1") if isinstance(content, str) else content
    return np.frombuffer(content, kind.dtype(), count=1)[0].item()


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for old readers."""
    if encoding != "latin1":
        raise _RefusedError(f"bytes written as {encoding!r}")
    return text.encode("latin-1")


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Function:
        known: dict[str, Callable[..., object]] = {
            "_reconstruct": lambda *_: _Array(),
            "ndarray": lambda *_: _Array(),
            "dtype": lambda name, *_: _Type(name),
            "scalar": _scalar,
            "_frombuffer": _from_buffer,
            "encode": _encode,
        }
        if name not in known or module not in (("_codecs",) if name == "encode" else _NUMPY):
            raise _RefusedError(f"it asks for {module}.{name}, which plain data does not need")
        return _Function(known[name])


def read_plain_pickle(path: str | Path) -> Any:
    """What a pickle of plain data holds: dicts, lists, tuples, text, numbers, None and arrays of numbers.

    Text that Python 2 wrote as bytes comes as str, each byte one letter (Latin-1); ids and paths are ASCII anyway.

    Raises:
        DataError: no such file, a pickle that names anything but NumPy's arrays of numbers (nothing of it has been
            run), or a file that is cut or no pickle.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _finish(_Reader(file, encoding="latin-1").load())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except _RefusedError as error:
        raise DataError(f"{path}: refused, nothing of it was run: {error}") from error
    except (*_BROKEN, MemoryError, RecursionError) as error:
        raise DataError(f"{path}: not a whole pickle of plain data ({error})") from error


def _finish(value: Any, done: dict[int, Any] | None = None) -> Any:
    """The same with real arrays. What holds itself ends in RecursionError."""
    done = {} if done is None else done
    if isinstance(value, _Fixed | _Type):
        raise _RefusedError("a function where data should be")
    if not isinstance(value, _Array | dict | list | tuple):
        return value
    if id(value) not in done:  # once each: a small pickle can hold one list a billion times
        if isinstance(value, _Array):
            if value.value is None:
                raise _RefusedError("an array without content")
            done[id(value)] = value.value
        elif isinstance(value, dict):
            done[id(value)] = {_finish(key, done): _finish(item, done) for key, item in value.items()}
        else:
            items = [_finish(item, done) for item in value]
            done[id(value)] = items if isinstance(value, list) else tuple(items)
    return done[id(value)]

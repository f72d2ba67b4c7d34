"""Python pickles of plain data, read without running anything in them.

Some split lists of the Million Song Dataset were published as pickles, and a pickle may name any function of any
module to be called. Six names are allowed here, those by which NumPy writes arrays and numbers; any other is refused
before anything is imported. NumPy's own functions are not called: a forged state of a ``dtype`` makes NumPy take any
bytes for addresses of objects. Each name is mapped to a function below, which makes arrays of numbers and nothing else.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from earmark.core.errors import DataError

_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_TYPES = frozenset(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)) | {"b1", "f2", "f4", "f8"}

_PLAIN = (str, bytes, bytearray, int, float, type(None), np.ndarray)

_MOST_IN_TUPLE = 100_000
_SIZED = frozenset(["PUT", "BINPUT", "LONG_BINPUT", "FRAME"])

_BROKEN = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, LookupError, OverflowError),
    BufferError,  # bytes that a view holds are to be made longer
)


class _RefusedError(Exception):
    """A pickle that holds more than plain data."""


class _Function:
    """A function that a pickle can call and not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *values: object) -> object:
        return self._function(*values)

    def __setstate__(self, state: object) -> NoReturn:
        raise _RefusedError("it tries to change a function")


class _Type:
    """A number type: ``dtype("f8", 0, 1)``, then its byte order."""

    __slots__ = ("name", "order")

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = {"<": "<", ">": ">"}.get(state[1], "=")


class _Array:
    """An array that a pickle fills; :func:`_finished` puts its numbers in its place."""

    __slots__ = ("numbers",)

    def __init__(self, *_: object) -> None:
        self.numbers: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        self.numbers = _numbers(content, kind).reshape(shape, order="F" if by_columns else "C").copy()


def _numbers(content: object, kind: object) -> np.ndarray[Any, Any]:
    if not isinstance(kind, _Type) or not isinstance(content, str | bytes | bytearray):
        raise _RefusedError("an array that does not hold numbers")
    if kind.name not in _TYPES:
        raise _RefusedError(f"an array of type {kind.name!r}; numbers alone are read")
    content = content.encode("latin-1") if isinstance(content, str) else content
    return np.frombuffer(content, f"{kind.order}{kind.name}")


def _from_buffer(content: object, kind: object, shape: tuple[int, ...], order: str) -> np.ndarray[Any, Any]:
    return _numbers(content, kind).reshape(shape, order="F" if order == "F" else "C").copy()


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for old readers."""
    if encoding != "latin1":
        raise _RefusedError(f"bytes written as {encoding!r}")
    return text.encode("latin-1")


_ALLOWED: dict[str, Callable[..., object]] = {
    "_reconstruct": _Array,
    "ndarray": _Array,
    "dtype": _Type,
    "scalar": lambda kind, content: _numbers(content, kind)[0].item(),
    "_frombuffer": _from_buffer,
    "encode": _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Function:
        if name not in _ALLOWED or module not in (("_codecs",) if name == "encode" else _NUMPY):
            raise _RefusedError(f"it asks for {module}.{name}, which plain data does not need")
        return _Function(_ALLOWED[name])


def read_plain_pickle(path: str | Path) -> Any:
    """What a pickle of plain data holds: dicts, lists, tuples, text, numbers, None, sets and arrays of numbers.

    Text that Python 2 wrote as bytes comes as str, each byte one letter (Latin-1); ids and paths are ASCII anyway.

    Raises:
        DataError: no such file, a pickle that names anything but NumPy's arrays of numbers (nothing of it has been
            run), or a file that is cut or no pickle.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        _check_opcodes(content)
        return _finished(_Unpickler(io.BytesIO(content), encoding="latin-1").load(), {})
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except _RefusedError as error:
        raise DataError(f"{path}: refused, nothing of it was run: {error}") from error
    except (*_BROKEN, MemoryError, RecursionError) as error:
        raise DataError(f"{path}: not a whole pickle of plain data ({error})") from error


def _check_opcodes(content: bytes) -> None:
    """Refuse pickles of a few bytes that take any memory or time.

    Python's unpickler allocates the memo and frames that a pickle announces. And a tuple that holds one tuple twice, which
    does so, too, and so on, takes for ever to hash: the stack of the pickle machine is followed here, with the size of
    each tuple as if nothing were shared.
    """
    stack: list[int] = []
    marks: list[int] = []
    memo: dict[Any, int] = {}
    for opcode, argument, _ in pickletools.genops(content):
        name = opcode.name
        if name in _SIZED and isinstance(argument, int) and argument > len(content):
            raise pickle.UnpicklingError(f"{name} {argument} in {len(content)} bytes")
        if name == "MARK":
            marks.append(len(stack))
            continue
        if name == "POP" and marks and marks[-1] == len(stack):
            marks.pop()
            continue
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
            continue
        taken: list[int] = []
        if pickletools.markobject in opcode.stack_before:
            start = marks.pop()
            n_below = opcode.stack_before.index(pickletools.markobject)
            taken = stack[start - n_below :]
            del stack[start - n_below :]
        elif opcode.stack_before:
            taken = stack[-len(opcode.stack_before) :]
            del stack[-len(opcode.stack_before) :]
        size = 1
        if name in ("GET", "BINGET", "LONG_BINGET"):
            size = memo[argument]
        elif name == "DUP":
            size = taken[0]
        elif name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"):
            size += sum(taken)
        if size > _MOST_IN_TUPLE + len(content):
            raise _RefusedError("tuples that hold each other again and again")
        stack += [size] * len(opcode.stack_after)


def _finished(value: Any, done: dict[int, Any]) -> Any:
    """The same with real arrays. What holds itself ends in RecursionError."""
    if isinstance(value, _PLAIN):
        return value
    if not isinstance(value, _Array | dict | list | tuple | set | frozenset):
        raise _RefusedError(f"a {type(value).__name__.strip('_').lower()} where data should be")
    if isinstance(value, _Array) and value.numbers is None:
        raise _RefusedError("an array without numbers")
    if id(value) not in done:  # once each: a small pickle can hold one list a billion times
        if isinstance(value, _Array):
            found: Any = value.numbers
        elif isinstance(value, dict):
            found = {_finished(key, done): _finished(item, done) for key, item in value.items()}
        else:
            found = type(value)(_finished(item, done) for item in value)
        done[id(value)] = found
    return done[id(value)]

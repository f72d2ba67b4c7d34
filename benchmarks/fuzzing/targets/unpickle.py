"""The restricted unpickler: random opcodes, forged references, mutated pickles of plain data."""

from __future__ import annotations

import codecs
import pickle
import pickletools
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st

from earmark.core.errors import DataError
from earmark.datasets.restricted_unpickle import read_plain_pickle
from fuzzing.mutation import mutate
from fuzzing.target import Case, Target, WrongResultError

FORBIDDEN = (
    "import",
    "pickle.find_class",
    "os.",
    "subprocess.",
    "exec",
    "compile",
    "ctypes.",
    "socket.",
    "shutil.",
    "code.__new__",
)
GLOBALS = ("numpy dtype", "numpy ndarray", "numpy.core.multiarray _reconstruct", "numpy.core.multiarray scalar")
GLOBALS += ("numpy._core.numeric _frombuffer", "_codecs encode", "os system", "builtins eval", "builtins getattr")
GLOBALS += (
    "numpy load",
    "numpy.core.multiarray dtype.__reduce__",
    "earmark.core.storage open",
    "copyreg _reconstructor",
    "__main__ x",
)

_PLAIN = (
    {"a": [1, 2.5, None, True], "b": ("x", b"y", {1: 2})},
    np.arange(6, dtype="<f4").reshape(2, 3),
    {"ids": np.array([1, 2, 3]), "n": np.int64(7), "f": np.array([[1.5]], order="F")},
    ["text é", "\u6771", 2**70, -(2**40), 1e300, frozenset([1])],
    np.zeros((0, 3), "?"),
)
SEEDS = tuple(pickle.dumps(value, protocol) for value in _PLAIN for protocol in range(6))


def _opcode(code: pickletools.OpcodeInfo) -> Any:
    """A strategy of one opcode with its argument, as bytes."""
    byte = code.code.encode("latin-1")
    kind = None if code.arg is None else code.arg.name
    small = st.binary(max_size=6)
    numbers = st.sampled_from((0, 1, 2, 3, 5, 127, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1))
    match kind:
        case None:
            return st.just(byte)
        case "uint1":
            return st.integers(0, 255).map(lambda n: byte + bytes([n]))
        case "uint2":
            return st.integers(0, 65535).map(lambda n: byte + n.to_bytes(2, "little"))
        case "int4" | "uint4":
            return st.one_of(st.integers(0, 9), numbers).map(lambda n: byte + (n % 2**32).to_bytes(4, "little"))
        case "uint8" | "float8":
            return st.one_of(st.integers(0, 9), numbers).map(lambda n: byte + (n % 2**64).to_bytes(8, "little"))
        case "long1" | "string1" | "unicodestring1" | "bytes1":
            return small.map(lambda text: byte + bytes([len(text)]) + text)
        case "long4" | "string4" | "unicodestring4" | "bytes4":
            return st.tuples(small, st.none() | numbers).map(
                lambda pair: (
                    byte + ((len(pair[0]) if pair[1] is None else pair[1]) % 2**32).to_bytes(4, "little") + pair[0]
                )
            )
        case "unicodestring8" | "bytes8" | "bytearray8":
            return st.tuples(small, st.none() | numbers).map(
                lambda pair: byte + (len(pair[0]) if pair[1] is None else pair[1]).to_bytes(8, "little") + pair[0]
            )
        case "stringnl_noescape_pair":
            return st.sampled_from(GLOBALS).map(lambda names: byte + names.replace(" ", "\n").encode() + b"\n")
        case "stringnl":
            return small.map(lambda text: byte + repr(text.decode("latin-1")).encode() + b"\n")
        case _:  # decimal numbers and lines of text
            line = st.one_of(st.sampled_from(("0", "1", "2", "-1", "01", "1e5", "9" * 30, "0L")), st.text(max_size=4))
            return line.map(lambda text: byte + text.encode("utf-8", "replace").replace(b"\n", b"") + b"\n")


def _stack_global(names: str) -> bytes:
    module, _, name = names.partition(" ")
    return b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, name)) + b"\x93"


_opcodes = st.one_of(
    st.sampled_from(pickletools.opcodes).flatmap(_opcode),
    st.sampled_from(GLOBALS).map(_stack_global),
    st.sampled_from(
        (b"(", b")", b"N", b"]", b"}", b"t", b"R", b"b", b"\x85", b"\x86", b"\x87", b"\x94", b"0", b"a", b"s", b"K\x01")
    ),
    st.sampled_from(
        (b"\x8f(", b"\x90", b"\x91", b"e", b"u", b"h\0", b"\x98", b"2", b"1", b"\x96\3" + bytes(7) + b"abc")
    ),
    st.sampled_from(SEEDS).map(lambda content: content[:-1]),
)


class RestrictedUnpickle(Target):
    """``read_plain_pickle``, with an audit hook that sees every import and every class that is looked up."""

    name = "unpickle"
    title = "Restricted unpickle (`earmark.datasets.restricted_unpickle`)"
    expected = "plain data or DataError; nothing imported, no class looked up"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        self.events: list[str] | None = None
        codecs.lookup("raw_unicode_escape")  # of the opcode UNICODE: imported when it is first used
        sys.addaudithook(self._record_event)

    def _record_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.events is not None and event.startswith(FORBIDDEN):
            self.events.append(f"{event} {arguments!r:.200}")

    def strategy(self) -> Any:
        programs = st.lists(_opcodes, max_size=25).map(lambda parts: b"\x80\x04" + b"".join(parts) + b".")
        mutated = st.builds(
            lambda content, n: mutate(content, Random(n), SEEDS), st.sampled_from(SEEDS), st.integers(0, 2**32)
        )
        return (programs | mutated).map(lambda content: Case("data.pickle", content))

    def check(self, case: Case) -> str:
        path = self.folder / case.name
        path.write_bytes(case.content)
        self.events = []
        try:
            value = read_plain_pickle(path)
        except DataError:
            return "refused"
        finally:
            events, self.events = self.events, None
            if events:
                raise WrongResultError("something is imported or called", events[0])
        _check_plain(value, set())
        return "read"


def _check_plain(value: Any, seen: set[int]) -> None:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(key, seen)
            _check_plain(item, seen)
    elif type(value) in (list, tuple, set, frozenset):
        for item in value:
            _check_plain(item, seen)
    elif isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise WrongResultError("an array of something else than numbers", str(value.dtype))
    elif type(value) not in (str, bytes, bytearray, int, float, bool, type(None)):
        raise WrongResultError(f"a {type(value).__name__} where plain data should be")

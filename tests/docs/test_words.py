"""Words that plainer ones have replaced do not come back: in prose, in names, or as parts of names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

SUFFIXES = {".py", ".ts", ".js", ".md", ".j2", ".html", ".toml", ".yaml"}

ANYWHERE = (
    "told",
    "heard",
    "hears",
    "unheard",
    "room",
    "rooms",
    "keeper",
    "holding",
    "surgery",
    "kindly",
    "own_writes",
)
"""Instead: reported, scores, takes, inaudible, space, checkpoint, applied, edit, on interrupt, index sync."""

AS_NAMES = ("held", "hear", "tell", "few", "listening", "listener")
"""In prose they mean what they say. As names, instead: applied, receive, report, what they are few of, reading, events."""

MODULES = {
    *(
        "gathering",
        "holding",
        "hears",
        "naming",
        "making",
        "watching",
        "own_writes",
        "replacing",
        "asking",
        "listening",
    ),
    *(
        "connecting",
        "typed_yaml",
        "looking",
        "fetching",
        "keeper",
        "material",
        "fitting",
        "attempt",
        "surgery",
        "dress",
    ),
}

ALLOWED = re.compile(
    r"heard_from|heard_seconds"  # keys of cards, and of the records that `earmark tag` prints
    r"|told apart"  # a verdict in results.json
    r"|held[_ ]out|HELD_OUT"  # of data
    r"|file\.tell\(|def tell\(self\) -> int"  # Python's file objects
    r"|register_listener|EventListener"  # beets, browsers
    r"|(?:are|is|cannot be|may have|student) hear[sd]|Squalid Rooms"  # by people, by a network; a song
)

_WORD = re.compile(  # whole, between underscores, or a part of a camelCase name
    rf"(?<![a-z])(?i:{'|'.join(ANYWHERE)})(?![a-z])"
    rf"|(?<=[a-z])(?:{'|'.join(word.capitalize() for word in ANYWHERE)})(?![a-z])"
)
_NAME = re.compile(
    rf"(?<=[_.])(?i:{'|'.join(AS_NAMES)})(?![a-z])"
    rf"|(?<![a-zA-Z])(?:{'|'.join(AS_NAMES)})(?:_[a-z]|[A-Z]|\(|\[| = |\.[a-z]|: (?:number|boolean|int|str)\b)"
)
_PER = re.compile(r" an? (?:core|file|track|tag|line|row|clip|song|shard|epoch)\b(?! at a time)")
_BEFORE_PER = re.compile(
    r"\b(?:one|an? (?:row|column|line|list|object|process))(?: JSON)?(?: (?!is|with|have|has|of|in|for|and|if|that)[\w-]+)?$"
)
_STEMS = (
    "told",
    "hear",
    "held",
    "tell",
    "few",
    "room",
    "listen",
    "keeper",
    "holding",
    "surgery",
    "kindly",
    "own_writes",
)


@cache
def texts() -> dict[Path, str]:
    folders = (ROOT / folder for folder in ("src", "tools", "benchmarks", "docs", "web/src"))
    paths = (path for folder in folders for path in folder.rglob("*") if path.suffix in SUFFIXES)
    built = ROOT / "src" / "earmark" / "service" / "page"
    return {path: path.read_text(encoding="utf-8") for path in paths if built not in path.parents}


def replaced_words(text: str) -> Iterator[tuple[int, str]]:
    """The words of a text that should not be there, with the numbers of their lines."""
    if any(stem in small for small in [text.lower()] for stem in _STEMS):
        for number, line in enumerate(text.splitlines(), start=1):
            if any(stem in small for small in [line.lower()] for stem in _STEMS):
                rest = ALLOWED.sub("", line)
                yield from ((number, match.group(0)) for pattern in (_WORD, _NAME) for match in pattern.finditer(rest))
    for match in _PER.finditer(text):  # "one a core" instead of "one per core"
        if before := _BEFORE_PER.search(text[max(0, match.start() - 30) : match.start()]):
            yield text.count("\n", 0, match.start()) + 1, before.group(0) + match.group(0)


def test_words_are_found_in_prose_and_in_names() -> None:
    for text in ("_PROBLEMS_TOLD", "was told", "heldFirst(", "keptHolding", "_tell_estimate", "self._held_by(x)", "one a core",
                 "held: number", "room_for", "Parquet, a row a track", "one JSON object a line"):  # fmt: skip
        assert len(list(replaced_words(text))) == 1, text
    for text in ("held-out clips", "one row per track", "the lock is held", "file.tell()", "threshold", "fewer", "held_out",
                 "easy listening", "one file at a time", "one is a tag", "a few of them"):  # fmt: skip
        assert not list(replaced_words(text)), text


def test_replaced_words_are_not_used() -> None:
    found = [(str(path.relative_to(ROOT)), *word) for path, text in texts().items() for word in replaced_words(text)]
    assert found == []


def test_replaced_names_of_modules_are_not_used() -> None:
    assert [path for path in texts() if path.stem in MODULES] == []


def test_figures_are_plots() -> None:
    """Numbers are metrics, statistics, intervals or results."""
    folders = ("earmark/plots/", "earmark/report/", "earmark/cli/analyze/")
    found = [
        path
        for path, text in texts().items()
        if path.suffix == ".py" and not any(folder in path.as_posix() for folder in folders)
        if re.search(r"(?<![a-z])figures?(?![a-z])", text) and not re.search("matplotlib|--html", text)
    ]
    assert found == []

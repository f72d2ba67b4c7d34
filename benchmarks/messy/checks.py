"""Checks with one line each, and comparisons of snapshots that give lists of faults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from messy.contents import Contents, Snapshot

_FAULTS_SHOWN = 3


@dataclass(frozen=True)
class Check:
    """One promise, and what contradicts it."""

    step: str
    what: str
    faults: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """One line."""
        if not self.faults:
            return "passed"
        more = f"; and {len(self.faults) - _FAULTS_SHOWN} more" if len(self.faults) > _FAULTS_SHOWN else ""
        return f"FAILED: {'; '.join(self.faults[:_FAULTS_SHOWN])}{more}"


class Checks:
    """Checks so far; each is printed as it is made."""

    def __init__(self) -> None:
        self.done: list[Check] = []

    def check(self, step: str, what: str, faults: Iterable[str] | bool) -> None:
        """Add one. ``faults`` are texts, or whether it is kept."""
        if isinstance(faults, bool):
            faults = () if faults else ("it is not so",)
        one = Check(step, what, tuple(faults))
        self.done.append(one)
        print(f"{'FAILED' if one.faults else 'passed':<6}  {step}: {what}", flush=True)
        for fault in one.faults[:20]:
            print(f"        {fault}", flush=True)


def untouched(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Differences in names, bytes, times, permissions and links."""
    for path in sorted(before.status.keys() | after.status.keys()):
        if path not in after.status:
            yield shown(path, "gone")
        elif path not in before.status:
            yield shown(path, "new")
        elif before.status[path] != after.status[path]:
            yield shown(path, f"{before.status[path]} before, {after.status[path]} now")
        elif path in before.files and before.files[path].sha256 != after.files[path].sha256:
            yield shown(path, "other bytes")


_COPIED_FROM_V1 = {"TIT2 1", "TPE1 1", "TALB 1"}


def other_audio(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Files whose packets changed; damaged ones, whose bytes did."""
    for path, was, now in _pairs(before, after):
        if was.packets != now.packets or (not was.packets and was.sha256 != now.sha256):
            yield shown(path, "other audio")


def other_tags(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Files in which something of others changed, went, or came."""
    for path, was, now in _pairs(before, after):
        new = set(now.foreign) - set(was.foreign)
        changed = {name for name, body in was.foreign.items() if now.foreign.get(name) != body}
        if "ID3v1 genre" in was.ours:  # copied from there into a new ID3v2 tag, as documented, and removed with it
            new -= set() if _has_texts(was) else _COPIED_FROM_V1
            changed -= set() if _has_texts(now) else _COPIED_FROM_V1
        if new or changed:
            yield shown(path, f"{sorted(new)} new, {sorted(changed)} changed")


def _has_texts(one: Contents) -> bool:
    return any(name[:2] in ("TI", "TP", "TX") for name in one.foreign)


def other_values(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Files whose genre, mood, BPM, key or own fields are not what they were."""
    for path, was, now in _pairs(before, after):
        if was.ours != now.ours:
            yield shown(path, f"{dict(was.ours)} before, {dict(now.ours)} now")


def changed_files(before: Snapshot, after: Snapshot) -> list[Path]:
    """Files with other bytes."""
    return [path for path, was, now in _pairs(before, after) if was.sha256 != now.sha256]


def _pairs(before: Snapshot, after: Snapshot) -> Iterator[tuple[Path, Contents, Contents]]:
    for path in sorted(before.files.keys() & after.files.keys()):
        yield path, before.files[path], after.files[path]


def shown(path: Path, text: str) -> str:
    """A line about a file that a terminal and a table can show."""
    name = f"{path.parent.name}/{path.name}".encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return f"{name!a}: {text}".replace("|", "/")

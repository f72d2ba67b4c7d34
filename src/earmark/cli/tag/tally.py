"""What is reported of files that are written to or undone, and how many there were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from earmark.cli.console import print_error, print_note
from earmark.cli.text import counted, printable

if TYPE_CHECKING:
    from rich.console import Console

    from earmark.library.tagfiles.changes import Plan


class Tally:
    """Prints what is done to each file, and counts files.

    Args:
        apply: whether changes are made, or only shown.
        out: where diffs are printed.
        messages: where errors and notes are.
    """

    def __init__(self, apply: bool, out: Console, messages: Console) -> None:
        self.apply, self.out, self.messages = apply, out, messages
        self.n_changed = self.n_same = self.n_failed = 0

    def show(
        self, path: Path, made: Plan, kind: str = "", notes: tuple[str, ...] = (), losses: tuple[str, ...] = ()
    ) -> None:
        """A file's diff, and what it loses. Files that stay as they are only appear where nothing is done anyway."""
        from rich.markup import escape

        from earmark.library.tagfiles.changes import diff_lines

        lines = diff_lines(made)
        if not lines or (self.apply and not made):
            return
        self.out.print(f"[bold]{escape(printable(path))}[/bold]" + (f"  [dim]{kind}[/dim]" if kind else ""))
        for line in (*lines, *losses):
            self.out.print(f"  {escape(line)}")
        for note in notes if made else ():
            self.note(f"{printable(path)}: {note}")

    def note(self, text: str) -> None:
        """Something to know that is no error."""
        print_note(self.messages, text)

    def count(self, changed: bool) -> None:
        """A file that went well."""
        self.n_changed += changed
        self.n_same += not changed

    def failed(self, path: Path, reason: str) -> None:
        """A file that did not."""
        self.n_failed += 1
        print_error(self.messages, reason, path)

    def summary(self, verb: str, run: str | None) -> str:
        """How it went, and what to do next."""
        done = "changed" if self.apply else "would be changed"
        text = f"{counted(self.n_changed, 'file')} {done}, {self.n_same} without a change, {self.n_failed} failed"
        if not self.apply:
            return text + ("; nothing was written: add --apply to do it" if self.n_changed else "")
        return f"{text}; {verb}: earmark library undo {run} --apply" if run else text

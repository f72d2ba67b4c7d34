"""Objects by name, from earmark itself, from installed distributions (entry points) and from plugin files."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from earmark.core.errors import ConfigError, EarmarkError
from earmark.core.hints import did_you_mean
from earmark.core.plugins import load_environment_plugins

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Registry(Generic[T]):
    """Objects of one kind by name.

    What is registered from outside is loaded when names are listed, or when one is looked up that earmark itself does
    not have: first the plugin files in the environment variable EARMARK_PLUGINS (see :mod:`earmark.core.plugins`), then
    the entry points of the group. An entry point names a module or an object; importing it must register something.
    Creating a registry or adding to it reads nothing.

    Args:
        kind: what one object is, for messages, e.g. "model".
        group: entry point group, e.g. "earmark.models"; None for none.
        plural: of ``kind``; None for ``kind`` and an s.
        error: raised for a name that is unknown or taken.

    Example:
        >>> SHAPES = Registry("shape")
        >>> @SHAPES.add
        ... def triangle() -> int:
        ...     return 3
        >>> SHAPES.get("triangle")()
        3
        >>> SHAPES.get("triangel")
        Traceback (most recent call last):
        earmark.core.errors.ConfigError: no shape 'triangel'; did you mean triangle? shapes are triangle
    """

    def __init__(
        self,
        kind: str,
        group: str | None = None,
        *,
        plural: str | None = None,
        error: Callable[[str], EarmarkError] = ConfigError,
    ) -> None:
        self.kind, self.group, self.plural = kind, group, plural or f"{kind}s"
        self._error = error
        self._items: dict[str, T] = {}
        self._sources: dict[str, str] = {}
        self._entry_points_loaded = False
        self._lock = threading.RLock()  # an entry point may look up names itself

    def add(self, item: T, name: str | None = None, *, source: str | None = None) -> T:
        """Register an object; usable as a decorator.

        Args:
            item: the object, most often a function or a class.
            name: None for the ``__name__`` of the object.
            source: the module that registers it, for messages; None for the ``__module__`` of the object.

        Returns:
            The object.

        Raises:
            EarmarkError: the name is taken; the error names the module that has it.
        """
        key: str = item.__name__ if name is None else name  # type: ignore[attr-defined]
        origin: str = source or getattr(item, "__module__", None) or type(item).__module__
        with self._lock:
            if key in self._items:
                raise self._error(
                    f"{self.kind} {key!r} of {origin}: {self._sources[key]} has already registered that name"
                )
            self._items[key] = item
            self._sources[key] = origin
        return item

    def get(self, name: str) -> T:
        """The object of a name.

        Raises:
            EarmarkError: unknown name; the message lists similar names and all names.
        """
        if name not in self._items:
            self._load_external()
        if name not in self._items:
            near = did_you_mean(name, self._items)
            known = f"{self.plural} are {', '.join(sorted(self._items)) or 'none'}"
            outside = "; others need a plugin (--plugin FILE)" if self.group and not near else ""
            raise self._error(f"no {self.kind} {name!r}; {f'{near} ' if near else ''}{known}{outside}")
        return self._items[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load_external()
        return sorted(self._items)

    def items(self) -> list[tuple[str, T]]:
        """Names and objects: earmark's own first, in the order in which they were registered."""
        self._load_external()
        return list(self._items.items())

    @contextmanager
    def temporary(self) -> Iterator[None]:
        """Names that are registered in the block are forgotten after it (for tests and notebooks)."""
        items, sources = dict(self._items), dict(self._sources)
        try:
            yield
        finally:
            self._items, self._sources = items, sources

    def _load_external(self) -> None:
        """Plugin files and entry points, once. An entry point that fails is reported as a warning and left out."""
        load_environment_plugins()
        with self._lock:
            if self._entry_points_loaded or self.group is None:
                return
            self._entry_points_loaded = True
            from importlib.metadata import entry_points  # slow to import

            for entry_point in entry_points(group=self.group):
                try:
                    entry_point.load()
                except Exception as error:  # noqa: BLE001 - of others: one that is broken must not take all names away
                    source = entry_point.dist.name if entry_point.dist else "unknown"
                    _log.warning(
                        "%s %r of the distribution %s is left out: %s: %s",
                        self.kind, entry_point.name, source, type(error).__name__, error,
                    )  # fmt: skip

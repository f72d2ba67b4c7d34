"""Plugin files: Python files of users that register models, datasets, metrics, importers or tag formats."""

from __future__ import annotations

import os
import re
import sys
import threading
import traceback
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from earmark.core.errors import ConfigError, EarmarkError

PLUGINS_VARIABLE = "EARMARK_PLUGINS"
"""Environment variable with the plugin files, separated by ``os.pathsep``; processes started by earmark inherit it."""

_lock = threading.RLock()


def load_plugin(file: str | Path) -> ModuleType:
    """Run a plugin file, once per process, however often it is loaded.

    Args:
        file: a Python file; what it registers (``@register_model`` etc.) is available from then on.

    Returns:
        The file as a module.

    Raises:
        ConfigError: the file is missing, or an error is raised in it (e.g. for a name that is taken); the message says
            where.
    """
    path = Path(file).absolute()
    name = _module_name(path)
    with _lock:
        if name in sys.modules:
            return sys.modules[name]
        if not path.is_file():
            raise ConfigError(f"plugin {file}: no such file; expected a Python file")
        from importlib.machinery import SourceFileLoader  # not needed without plugins
        from importlib.util import module_from_spec, spec_from_loader

        loader = SourceFileLoader(name, str(path))
        spec = spec_from_loader(name, loader)
        if spec is None:
            raise ConfigError(f"plugin {path}: not a Python file")
        module = module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickle look their module up
        try:
            loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise ConfigError(f"plugin {_place(error, path)}: {_reason(error)}") from error
        return module


def load_plugins(files: Iterable[str | Path]) -> None:
    """Load plugin files, and those of :data:`PLUGINS_VARIABLE`; the processes that this one starts have them, too.

    Raises:
        ConfigError: see :func:`load_plugin`.
    """
    absolute = [str(Path(file).absolute()) for file in files]
    for path in absolute:
        if os.pathsep in path:
            raise ConfigError(f"plugin {path}: the path must not contain {os.pathsep!r}; rename or move the file")
    paths = list(dict.fromkeys([*_listed(), *absolute]))
    if paths:
        os.environ[PLUGINS_VARIABLE] = os.pathsep.join(paths)
    for path in paths:
        load_plugin(path)


def load_environment_plugins() -> None:
    """Load the plugin files of :data:`PLUGINS_VARIABLE`. Raises ConfigError, see :func:`load_plugin`."""
    for path in _listed():
        load_plugin(path)


def _listed() -> list[str]:
    return [str(Path(path).absolute()) for path in os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep) if path]


def _module_name(path: Path) -> str:
    """The same in every process, different for two files of one name, and never that of an installed module."""
    checksum = zlib.crc32(os.fsencode(path))
    return f"earmark_plugin_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}_{checksum:08x}"


def _place(error: BaseException, path: Path) -> str:
    """FILE:LINE, of the deepest line within the plugin."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _reason(error: BaseException) -> str:
    """What the last line of the traceback says; errors of earmark are given without their type."""
    if isinstance(error, EarmarkError):
        return str(error)
    return traceback.format_exception_only(error)[-1].strip()

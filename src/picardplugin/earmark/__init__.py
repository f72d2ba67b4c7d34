"""A plugin for MusicBrainz Picard: genre and mood of the selected files, from the sound.

For Picard 3, which calls :func:`enable`, and for Picard 2, which reads the names PLUGIN_... and runs the end of this file.
Values are changed in Picard only; its own Save writes them into the files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from picard import log
from picard.util import thread

try:
    from picard.plugin3.api import BaseAction, OptionsPage
    from PyQt6 import QtCore, QtWidgets
except ImportError:  # Picard 2
    from picard.ui.itemviews import BaseAction
    from picard.ui.options import OptionsPage
    from PyQt5 import QtCore, QtWidgets

from .program import Program, ProgramError, Values, merged

if TYPE_CHECKING:
    from picard.file import File
    from picard.item import Item
    from picard.plugin3.api import PluginApi
    from picard.tagger import Tagger

PLUGIN_NAME = "earmark"
PLUGIN_AUTHOR = "The earmark developers"
PLUGIN_DESCRIPTION = (
    "Genre and mood from the sound: tags the selected files with the program earmark, which is needed too."
)
PLUGIN_VERSION = "1.0"
PLUGIN_API_VERSIONS = ["2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12", "2.13"]
PLUGIN_LICENSE = "MIT"
PLUGIN_LICENSE_URL = "https://opensource.org/license/mit"

DEFAULTS = {"earmark_command": "earmark", "earmark_options": "", "earmark_mode": "fill"}
"""The options: the program, options of ``earmark tag``, and what becomes of existing values."""

MODES = {"fill": "Keep them", "merge": "Keep them, and add what is new", "overwrite": "Replace them"}

ITEMS = ("file", "track", "album", "cluster", "clusterlist")
"""What has a context menu."""

settings = DEFAULTS.copy()
"""The options as they are set; replaced by a section of Picard's configuration."""

running: set[Job] = set()


class TagFromSound(BaseAction):
    """The entry of the context menus."""

    NAME = TITLE = "Tag genre and mood from the sound"

    def callback(self, objs: Iterable[Item]) -> None:
        """Tag the files of what is selected."""
        files = {file.filename: file for item in objs for file in item.iterfiles() if not file.has_error()}
        if files:
            Job(self.tagger, files).start()


class Job:
    """Tags some files in a thread of Picard's pool. Everything but ``_work`` and ``_watch`` runs in the main thread."""

    def __init__(self, tagger: Tagger, files: dict[str, File]) -> None:
        self.tagger, self.files = tagger, files
        self.n_files, self.n_failed = len(files), 0
        self.mode = settings["earmark_mode"]

    def start(self) -> None:
        """Returns at once."""
        try:
            self.program = Program(settings["earmark_command"], settings["earmark_options"])
        except ProgramError as error:
            self._show(error)
            return
        running.add(self)
        paths = list(self.files)
        for file in self.files.values():
            file.set_pending()
        self._say()
        thread.run_task(lambda: self._work(paths), self._finished, traceback=False)

    def stop(self) -> None:
        """End the program; the files that are left are as they were."""
        self.program.stop()

    def _work(self, paths: Sequence[str]) -> None:
        threading.Thread(target=self._watch, daemon=True).start()
        for path, result in self.program.results(paths):
            thread.to_main(self._file, path, result)

    def _watch(self) -> None:
        """End the program when Picard ends, which waits for the threads of its pool before it sends its signal."""
        while self in running:
            if self.tagger.stopping:
                self.stop()
                return
            time.sleep(0.2)

    def _file(self, path: str, result: Values | str) -> None:
        file = self.files.pop(path, None)
        if file is None:
            return
        if isinstance(result, str):
            self.n_failed += 1
            log.error("earmark: %s: %s", path, result)
        else:
            for field, values in result.items():
                existing = file.metadata.getall(field)
                if (after := merged(existing, values, self.mode)) != existing:
                    file.metadata[field] = after
        _release(file)
        self._say()

    def _finished(self, result: None = None, error: BaseException | None = None) -> None:  # noqa: ARG002
        running.discard(self)
        n_left = len(self.files)
        for file in self.files.values():
            _release(file)
        self.n_failed += n_left
        self.files = {}
        if isinstance(error, ProgramError):
            self._show(error)
        elif error is not None:
            log.error("earmark: %r", error)
        self._say()

    def _say(self) -> None:
        done = self.n_files - len(self.files) - self.n_failed
        text = f"earmark: {done} of {self.n_files} files tagged"
        if self.n_failed:
            text += f", {self.n_failed} not (see the log)"
        self.tagger.window.set_statusbar_message(text, translate=None, timeout=10_000)

    def _show(self, error: ProgramError) -> None:
        log.error("earmark: %s", error)
        box = QtWidgets.QMessageBox(self.tagger.window)
        box.setWindowTitle("earmark")
        box.setIcon(QtWidgets.QMessageBox.Icon.Warning)
        box.setText(str(error))
        box.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()


def _release(file: File) -> None:
    file.clear_pending()
    file.update()


class EarmarkOptionsPage(OptionsPage):
    """Options > Plugins > earmark."""

    NAME = "earmark"
    TITLE = "earmark"
    PARENT = "plugins"

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.command, self.options, self.mode = QtWidgets.QLineEdit(), QtWidgets.QLineEdit(), QtWidgets.QComboBox()
        self.options.setPlaceholderText("--max-genres 1 --map ~/words.toml")
        for mode, text in MODES.items():
            self.mode.addItem(text, mode)
        form = QtWidgets.QFormLayout(self)
        form.addRow("Program:", self.command)
        form.addRow("Options of earmark tag:", self.options)
        form.addRow("Genres and moods that are there:", self.mode)

    def load(self) -> None:
        """From the configuration."""
        self.command.setText(settings["earmark_command"])
        self.options.setText(settings["earmark_options"])
        self.mode.setCurrentIndex(max(self.mode.findData(settings["earmark_mode"]), 0))

    def save(self) -> None:
        """Into the configuration."""
        settings["earmark_command"] = self.command.text()
        settings["earmark_options"] = self.options.text()
        settings["earmark_mode"] = self.mode.currentData()


def enable(api: PluginApi) -> None:
    """Called by Picard 3."""
    global settings
    for name, default in DEFAULTS.items():
        api.plugin_config.register_option(name, default)
    settings = api.plugin_config
    for item in ITEMS:
        getattr(api, f"register_{item}_action")(TagFromSound)
    api.register_options_page(EarmarkOptionsPage)


def disable() -> None:
    """Called by Picard 3 when the plugin is disabled: end the programs that run."""
    for job in list(running):
        job.stop()


def enable_in_picard_2() -> None:
    """What Picard 3 does by the name of :func:`enable`."""
    global settings
    from picard import config
    from picard.ui import itemviews
    from picard.ui.options import register_options_page

    for name, default in DEFAULTS.items():
        config.TextOption("setting", name, default)
    settings = config.get_config().setting
    for item in ITEMS:
        getattr(itemviews, f"register_{item}_action")(TagFromSound)
    register_options_page(EarmarkOptionsPage)


if QtCore.PYQT_VERSION < 0x060000:
    enable_in_picard_2()

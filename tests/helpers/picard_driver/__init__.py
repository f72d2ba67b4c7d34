"""A plugin of Picard 2 and 3 that stands for the person in front of it: loads files, tags, saves, quits, and reports.

What it is to do is in the JSON object in the variable PICARD_DRIVER: ``music`` (a folder), ``settings`` of earmark's plugin,
``quit_at_once`` after the start, ``report`` (a file to write).
"""

import json
import os
import sys
from pathlib import Path

try:
    from PyQt6 import QtCore, QtWidgets
except ImportError:
    from PyQt5 import QtCore, QtWidgets

PLUGIN_NAME = "picard_driver"
PLUGIN_AUTHOR = "The earmark developers"
PLUGIN_DESCRIPTION = "Drives Picard in the tests of earmark's plugin."
PLUGIN_VERSION = "1.0"
PLUGIN_API_VERSIONS = ["2.3", "2.8"]

drivers = []


class Driver(QtCore.QObject):
    """Does one step after another, each when the one before is done."""

    def __init__(self, tagger):
        super().__init__()
        self.picard, self.steps = tagger, [self.load, self.loaded, self.tagged, self.saved]
        self.orders = json.loads(os.environ["PICARD_DRIVER"])
        self.report = {"boxes": []}
        self.timer = QtCore.QTimer(self)
        self.timer.timeout.connect(self.next)
        self.timer.start(100)

    def next(self):
        try:
            done = self.steps[0]()
        except Exception as error:  # noqa: BLE001
            self.report["failure"] = repr(error)
            self.steps, done = [self.quit], False
        if done:
            del self.steps[0]
        if not self.steps:
            self.quit()

    @property
    def files(self):
        return list(self.picard.files.values())

    def states(self):
        return {Path(file.filename).name: getattr(file.state, "name", file.state) for file in self.files}

    def idle(self):
        loaded = len(self.files) == len([*Path(self.orders["music"]).iterdir()])
        return loaded and not {0, "PENDING"} & {*self.states().values()}

    def load(self):
        self.picard.add_paths([self.orders["music"]])
        return True

    def loaded(self):
        if not self.idle():
            return False
        (plugin,) = (module for module in list(sys.modules.values()) if hasattr(module, "TagFromSound"))
        for name, value in self.orders.get("settings", {}).items():
            plugin.settings[name] = value
        self.plugin = plugin
        plugin.TagFromSound().callback(self.files)
        self.report["running"] = len(plugin.running)
        if self.orders.get("quit_at_once"):
            QtCore.QTimer.singleShot(1000, self.quit)
            self.steps = [lambda: False]
            return False
        return True

    def tagged(self):
        windows = self.picard.topLevelWidgets()
        boxes = [box for box in windows if isinstance(box, QtWidgets.QMessageBox) and box.windowTitle() == "earmark"]
        self.report["boxes"] += [box.text() for box in boxes]
        for box in boxes:
            box.close()
        if self.plugin.running or not self.idle():
            return False
        self.report["status"] = self.picard.window.statusBar().currentMessage()
        self.report["states"] = self.states()
        page = self.plugin.EarmarkOptionsPage()
        page.load()
        self.report["page"] = [page.command.text(), page.options.text(), page.mode.currentText()]
        page.save()
        for file in self.files:
            if not file.has_error():
                file.save()
        return True

    def saved(self):
        self.report["saved"] = self.states()
        return self.idle()

    def quit(self):
        self.timer.stop()
        Path(self.orders["report"]).write_text(json.dumps(self.report))
        self.picard.quit()


def enable(api):
    """Picard 3."""
    QtCore.QTimer.singleShot(500, lambda: drivers.append(Driver(api.tagger)))


if QtCore.PYQT_VERSION < 0x060000:
    QtCore.QTimer.singleShot(1000, lambda: drivers.append(Driver(QtCore.QObject.tagger)))

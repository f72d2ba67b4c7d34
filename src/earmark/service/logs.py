"""The service's log: one JSON object a line on stderr, without contents of files, and without their names unless asked."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

from earmark.core.json_records import json_text


class JsonFormatter(logging.Formatter):
    """Time, level and event, then the fields of the record's ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json_text(line)


def log_to_stderr() -> None:
    """Send our lines and others' warnings there. For the process that serves, not for a library."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("earmark.service").setLevel(logging.INFO)
    # It writes bytes of malformed bodies; the answer says what is wrong.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

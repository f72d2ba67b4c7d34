"""The service's log: one JSON object per line on stderr, with names of files only on request, and never contents."""

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
    """Log the service's lines and other packages' warnings. Only for a process that serves."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("earmark.service").setLevel(logging.INFO)
    # It logs bytes of malformed bodies, and the response already gives the reason.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

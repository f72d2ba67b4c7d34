"""Error responses: a status and a JSON body with the reason and what is allowed (RFC 9457, application/problem+json)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from earmark.core.json_records import json_text

MEDIA_TYPE = "application/problem+json"
TITLES = {
    "bad-request": "The request cannot be understood",
    "wrong-key": "An API key is needed",
    "not-found": "There is no such thing here",
    "wrong-method": "Not with this method",
    "upload-too-slow": "The upload took too long",
    "too-large": "The request is too large",
    "too-many-files": "Too many files in one request",
    "not-multipart": "Files are sent as multipart/form-data",
    "wrong-values": "Values that are not allowed",
    "no-file": "No file was sent",
    "not-tagged": "No file could be tagged",
    "too-long": "The audio is too long",
    "failed": "The service made a mistake",
    "full": "Too many requests at the moment",
    "stopping": "The service is stopping",
    "not-ready": "The service is not ready",
    "timed-out": "Tagging took too long",
    "no-space": "No space to keep the upload",
}
"""Every kind of problem, and its title."""


class Problem(Exception):  # noqa: N818  it is an answer rather than an error
    """Raised to refuse a request.

    Args:
        status: HTTP status.
        kind: a key of :data:`TITLES`; the body's ``type`` is ``urn:earmark:problem:KIND``.
        detail: one sentence: what was sent, what is allowed.
        headers: further headers.
        more: further members of the body.
    """

    def __init__(
        self, status: int, kind: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.headers, self.more = status, kind, detail, headers, more

    def response(self) -> Response:
        """The response."""
        return Response(json_text(self.body()), self.status, self.headers, MEDIA_TYPE)

    def body(self) -> dict[str, Any]:
        """The body of the response."""
        return {
            "type": f"urn:earmark:problem:{self.kind}",
            "title": TITLES[self.kind],
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }

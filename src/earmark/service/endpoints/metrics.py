"""GET /metrics: counts and times for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

router = APIRouter()


@router.get("/metrics", summary="Counts and times for Prometheus", response_class=PlainTextResponse)
async def prometheus(request: Request) -> Response:
    return PlainTextResponse(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")

"""GET /healthz and /readyz, for process managers and load balancers."""

from __future__ import annotations

from fastapi import APIRouter, Request

from earmark.service import schemas
from earmark.service.problems import Problem
from earmark.service.work import RETRY_SECONDS, Work

NEEDS_KEY = False  # load balancers have no key
router = APIRouter()


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Is the process alive?", response_model=schemas.HealthAnswer)
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get(
    "/readyz",
    summary="Should requests be sent here?",
    response_model=schemas.HealthAnswer,
    responses={503: schemas.problem(503, "stopping", "not-ready")},
)
async def readyz(request: Request) -> dict[str, str]:
    work: Work | None = request.app.state.work
    if work is None or work.draining:
        kind = "not-ready" if work is None else "stopping"
        raise Problem(503, kind, "send requests elsewhere", headers={"Retry-After": str(RETRY_SECONDS)})
    return {"status": "ok"}

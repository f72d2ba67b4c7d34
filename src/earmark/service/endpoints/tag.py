"""POST /v1/tag: the files of one request, answered as JSON or as events. They are deleted afterwards in any case."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from earmark.core.errors import AudioError
from earmark.core.json_records import failed_record, json_text
from earmark.service import schemas
from earmark.service.events import EventStream, event, follow, wants_events
from earmark.service.middleware import CLIENT_GONE
from earmark.service.problems import Problem
from earmark.service.tag_query import TagQuery
from earmark.service.uploads import Receiver, Upload, boundary_of, check_size, declared_bytes
from earmark.service.work import Job, Result, TooLongError, Work
from earmark.tagging.segments import MIN_SECONDS
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger

router = APIRouter()
logger = logging.getLogger("earmark.service")


@router.post(
    "/v1/tag",
    summary="Tag audio files",
    response_model=schemas.TagsAnswer,
    responses=schemas.TAG_RESPONSES,
)
async def tag(request: Request, query: Annotated[TagQuery, Query()]) -> Response:
    # Problems: those that docs/service.md lists. (A docstring would become part of the OpenAPI document.)
    work: Work = request.app.state.work
    notes = request.scope["state"]["notes"]
    if problems := query.contradictions():
        raise Problem(422, "wrong-values", "; ".join(problems), errors=problems)
    tagger = work.tagger(
        query.model,
        damaged=query.damaged,
        windows=query.windows,
        step_seconds=query.step_seconds,
        tempo=query.tempo,
        key=query.key,
    )
    boundary = boundary_of(request.headers.get("content-type"))
    check_size(declared_bytes(request.headers.get("content-length", "")), work.settings)
    job = work.admit()
    stream: EventStream | None = None

    def ended(complete: bool) -> None:
        notes["gone"] = not complete
        work.end_soon(job)

    try:
        uploads = await _receive(request, boundary, job, work, notes)
        tagging = job.start(tagger, uploads)

        async def answer() -> str:
            results = tagging.result()
            _count(results, work, notes)
            return await asyncio.to_thread(
                _text, uploads, results, query, tagger
            )  # taggrams of hours are slow to write

        if wants_events(request.headers.get("accept", "")):
            stream = EventStream(_events(request, job, tagging, answer, work.settings.timeout_seconds), ended)
            return stream
        await _wait(request, tagging, work.settings.timeout_seconds)
        return Response(await answer(), media_type="application/json")
    except ClientDisconnect:
        notes["gone"] = True
        return Response(status_code=CLIENT_GONE)
    finally:
        if stream is None:
            work.end_soon(job)


def _text(uploads: list[Upload], results: list[Result], query: TagQuery, tagger: Tagger) -> str:
    records = [record(upload, result, query, tagger) for upload, result in zip(uploads, results, strict=True)]
    if all(isinstance(result, AudioError) for result in results):
        raise _none_tagged(results, records)
    return json_text({"results": records})


async def _receive(request: Request, boundary: bytes, job: Job, work: Work, notes: dict[str, Any]) -> list[Upload]:
    receiver = Receiver(boundary, job.folder, work.settings)
    limit = work.settings.timeout_seconds
    try:
        async with asyncio.timeout(limit):
            uploads = await receiver.receive(request.stream())
    except TimeoutError as error:
        notes["slow"] = True
        raise Problem(408, "upload-too-slow", f"not complete after {limit:g} s") from error
    finally:
        work.metrics.upload_bytes.inc(receiver.n_bytes)
        notes["upload_bytes"] = receiver.n_bytes
        notes["n_files"] = len(receiver.uploads)
        if work.settings.log_file_names:
            notes["files"] = [upload.name for upload in receiver.uploads]
    return uploads


async def _events(
    request: Request,
    job: Job,
    tagging: asyncio.Future[list[Result]],
    answer: Callable[[], Awaitable[str]],
    limit: float,
) -> AsyncIterator[bytes]:
    """Progress, and then the answer or the problem. It is too late for a status: each error is an event."""
    try:
        async for progress in follow(job, tagging, limit):
            yield progress
        if not tagging.done():
            raise _timed_out(limit)
        last = event("result", await answer())
    except Exception as error:
        state = request.scope["state"]
        problem = error
        if not isinstance(problem, Problem):
            logger.error("failed", exc_info=error, extra={"fields": {"request_id": state["request_id"]}})
            problem = Problem(500, "failed", "the log of the service says more", request_id=state["request_id"])
        state["notes"]["problem"] = problem.kind
        last = event("error", problem.body())
    yield last


async def _wait(request: Request, tagging: asyncio.Future[list[Result]], limit: float) -> None:
    """Raises ClientDisconnect if the client has gone, Problem 504 if it takes too long."""
    gone = asyncio.ensure_future(_gone(request))
    first: set[asyncio.Future[Any]] = {tagging, gone}
    try:
        done, _ = await asyncio.wait(first, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if tagging in done:
            return
        if gone in done:
            raise ClientDisconnect
        raise _timed_out(limit)
    finally:
        gone.cancel()


def _timed_out(limit: float) -> Problem:
    detail = f"not done after {limit:g} s: send fewer or shorter files, or try again later"
    return Problem(504, "timed-out", detail)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def record(upload: Upload, result: Result, query: TagQuery, tagger: Tagger) -> dict[str, Any]:
    """The record of one file, as on the command line, with the client's file name."""
    if isinstance(result, AudioError):
        return failed_record(upload.name, result.reason, tagger.card.name)
    answer = {**result.to_record(query.top, query.threshold), "path": upload.name}
    if query.segments:
        parts = result.segments(
            min_seconds=query.min_segment or MIN_SECONDS,
            smoothing=query.smoothing or 1.0,
            threshold="auto" if query.threshold == "none" else query.threshold,
        )
        answer["segments"] = [part.to_record(query.top) for part in parts]
    if query.taggram:
        answer["taggram"] = taggram(result)
    return answer


def taggram(scores: TagScores) -> dict[str, Any]:
    """Scores over time as plain values, to 4 places."""
    return {
        "tags": list(scores.tags),
        "window_starts_seconds": [round(start, 3) for start in scores.window_starts_seconds.tolist()],
        "window_seconds": round(scores.window_seconds, 3),
        "scores": [[round(score, 4) for score in row] for row in scores.taggram.tolist()],
    }


def _count(results: list[Result], work: Work, notes: dict[str, Any]) -> None:
    seconds = [result.duration_seconds for result in results if isinstance(result, TagScores)]
    work.metrics.files.labels("ok").inc(len(seconds))
    work.metrics.files.labels("error").inc(len(results) - len(seconds))
    work.metrics.audio_seconds.inc(sum(seconds))
    notes["n_tagged"] = len(seconds)
    notes["audio_seconds"] = round(sum(seconds), 3)


def _none_tagged(results: list[Result], records: list[dict[str, Any]]) -> Problem:
    kind = "too-long" if all(isinstance(result, TooLongError) for result in results) else "not-tagged"
    detail = records[0]["error"] if len(records) == 1 else "see the error of each file in results"
    return Problem(422, kind, detail, results=records)

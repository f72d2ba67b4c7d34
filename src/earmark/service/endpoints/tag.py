"""POST /v1/tag: the files of one request. They are deleted afterwards in any case."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from earmark.core.errors import AudioError
from earmark.core.json_records import failed_record, json_text
from earmark.service import schemas
from earmark.service.middleware import CLIENT_GONE
from earmark.service.problems import Problem
from earmark.service.uploads import Receiver, Upload, boundary_of, check_size, declared_bytes
from earmark.service.work import Job, Result, TooLongError, Work
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger

router = APIRouter()


@router.post(
    "/v1/tag",
    summary="Tag audio files",
    response_model=schemas.TagsAnswer,
    responses=schemas.TAG_RESPONSES,
)
async def tag(request: Request, query: Annotated[schemas.TagQuery, Query()]) -> Response:
    # Problems: those that docs/service.md lists. (A docstring would become part of the OpenAPI document.)
    work: Work = request.app.state.work
    notes = request.scope["state"]["notes"]
    tagger = work.tagger(query.model, query.damaged)
    boundary = boundary_of(request.headers.get("content-type"))
    check_size(declared_bytes(request.headers.get("content-length", "")), work.settings)
    job = work.admit()
    try:
        uploads = await _receive(request, boundary, job, work, notes)
        results = await _tag(request, tagger, uploads, job, work)
    except ClientDisconnect:
        notes["gone"] = True
        return Response(status_code=CLIENT_GONE)
    finally:
        work.end_soon(job)
    _count(results, work, notes)

    def answer() -> Response:
        records = [record(upload, result, query, tagger) for upload, result in zip(uploads, results, strict=True)]
        if all(isinstance(result, AudioError) for result in results):
            raise _none_tagged(results, records)
        return Response(json_text({"results": records}), media_type="application/json")

    return await asyncio.to_thread(answer)  # taggrams of hours are slow to write


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


async def _tag(request: Request, tagger: Tagger, uploads: list[Upload], job: Job, work: Work) -> list[Result]:
    """Raises ClientDisconnect if the client has gone, Problem 504 if it takes too long."""
    limit = work.settings.timeout_seconds
    tagging = job.start(tagger, uploads)
    gone = asyncio.ensure_future(_gone(request))
    first: set[asyncio.Future[Any]] = {tagging, gone}
    try:
        done, _ = await asyncio.wait(first, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if tagging in done:
            return tagging.result()
        if gone in done:
            raise ClientDisconnect
        raise Problem(504, "timed-out", f"not done after {limit:g} s: send fewer or shorter files, or try again later")
    finally:
        gone.cancel()
        if not tagging.done():
            tagging.add_done_callback(_ignore)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _ignore(future: asyncio.Future[list[Result]]) -> None:
    """Retrieve the exception of a result that is not needed, so that it is not logged."""
    if not future.cancelled():
        future.exception()


def record(upload: Upload, result: Result, query: schemas.TagQuery, tagger: Tagger) -> dict[str, Any]:
    """The record of one file, as on the command line, with the client's file name."""
    if isinstance(result, AudioError):
        return failed_record(upload.name, result.reason, tagger.card.name)
    answer = {**result.to_record(query.top, query.threshold), "path": upload.name}
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

"""The pool of threads that tags the files of all requests, in the order of their arrival."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Unpack

from earmark.audio import declared_seconds
from earmark.core.errors import AudioError, ModelError
from earmark.service.metrics import Metrics
from earmark.service.problems import Problem
from earmark.service.scratch import Scratch
from earmark.service.settings import Settings
from earmark.service.uploads import Upload
from earmark.tagging.options import TaggerOptions
from earmark.tagging.progress import TagProgress
from earmark.tagging.runtime import OnnxModel, find_model
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger

Result = TagScores | AudioError

RETRY_SECONDS = 2
"""Value of Retry-After for clients that are refused."""


class TooLongError(AudioError):
    """A file is longer than the service accepts."""


class _GivenUpError(Exception):
    """The result of this file is no longer needed."""


def load_models(settings: Settings) -> dict[str, OnnxModel]:
    """Name -> model, in the order of the settings. Raises ModelError for a missing one, or two of one name.

    Raises ConfigError for a device that cannot be used.
    """
    models: dict[str, OnnxModel] = {}
    for wanted in settings.models or (None,):
        model = OnnxModel(find_model(wanted), device=settings.device)
        if model.card.name in models:
            raise ModelError(f"{wanted}: a model named {model.card.name!r} is served already")
        models[model.card.name] = model
    return models


class Job:
    """One request that uploads and tags. It counts as in flight until all of it is cleaned up."""

    def __init__(self, work: Work) -> None:
        self.folder: Path = work.scratch.request_folder()
        self._work = work
        self._given_up = threading.Event()
        self._futures: list[Future[Result]] = []
        self._names: list[str | None] = []
        self._progress: dict[int, TagProgress] = {}

    def start(self, tagger: Tagger, uploads: list[Upload]) -> asyncio.Future[list[Result]]:
        """Queue the files. Returns a future of their results, in order."""
        self._names = [upload.name for upload in uploads]
        for index, upload in enumerate(uploads):
            self._futures.append(self._work.pool.submit(self._tag, tagger, index, upload.path))
            self._work.metrics.files_waiting.inc()
        tagging = asyncio.gather(*map(asyncio.wrap_future, self._futures))
        tagging.add_done_callback(_ignore)
        return tagging

    def news(self) -> dict[int, dict[str, Any]]:
        """What each file that has been begun has come to, by its position in the request."""
        now = dict(sorted(self._progress.items()))
        n_done = sum(progress.finished for progress in now.values())
        return {
            index: {
                "index": index,
                "path": self._names[index],
                "seconds": round(progress.seconds, 3),
                "duration_seconds": None if progress.duration_seconds is None else round(progress.duration_seconds, 3),
                "windows": progress.windows,
                "finished": progress.finished,
                "error": None if progress.error is None else progress.error.reason,
                "done": n_done,
                "total": len(self._names),
            }
            for index, progress in now.items()
        }

    def _tag(self, tagger: Tagger, index: int, path: Path) -> Result:
        limit = self._work.settings.max_seconds

        def watch(path: Path, seconds: float) -> None:
            if self._given_up.is_set():
                raise _GivenUpError
            if seconds > limit:
                raise TooLongError(f"longer than {limit / 60:g} minutes, the most that this service takes", path)

        def on_progress(progress: TagProgress) -> None:
            self._progress[index] = progress
            if self._given_up.is_set():  # while the network is at many windows of one block
                raise _GivenUpError

        self._work.metrics.files_waiting.dec()
        try:
            watch(path, declared_seconds(path) or 0.0)
        except TooLongError as error:
            return error
        (result,) = tagger.tag_many([path], jobs=1, errors="return", on_progress=on_progress, watch=watch)
        return result

    async def end(self) -> None:
        """Cancel what is not done, wait until no thread reads the files, and remove them."""
        self._given_up.set()
        for future in self._futures:
            if future.cancel():
                self._work.metrics.files_waiting.dec()
        running = [asyncio.wrap_future(future) for future in self._futures if not future.done()]
        if running:
            await asyncio.wait(running)
            for done in running:
                done.exception()  # retrieved, so that it is not logged
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
        self._work.job_ended()


def _ignore(future: asyncio.Future[list[Result]]) -> None:
    """Retrieve the exception of a result that is perhaps not needed, so that it is not logged."""
    if not future.cancelled():
        future.exception()


class Work:
    """Models, thread pool and requests in flight, for the lifetime of the service."""

    def __init__(self, settings: Settings, models: Mapping[str, OnnxModel], metrics: Metrics) -> None:
        self.settings, self.models, self.metrics = settings, models, metrics
        self.default_model = next(iter(models))
        self.draining = False
        self.n_in_flight = 0
        self._endings: set[asyncio.Task[None]] = set()
        self.scratch = Scratch(settings.temporary_folder)
        self.pool = ThreadPoolExecutor(settings.n_workers, thread_name_prefix="earmark-serve")

    def tagger(self, model: str | None, **options: Unpack[TaggerOptions]) -> Tagger:
        """A tagger with one of the models, which stay loaded. Raises Problem 422 for a model that is not served."""
        name = model or self.default_model
        if name not in self.models:
            raise Problem(422, "wrong-values", f"model {model!r}: served are {', '.join(self.models)}")
        return Tagger(self.models[name], **options)

    def admit(self) -> Job:
        """Accept a request. Raises Problem 503 if too many are in flight, or the service is stopping."""
        wait = {"Retry-After": str(RETRY_SECONDS)}
        if self.draining:
            raise Problem(503, "stopping", "try again elsewhere, or later", headers={**wait, "Connection": "close"})
        if self.n_in_flight >= self.settings.max_in_flight:
            raise Problem(
                503,
                "full",
                f"{self.n_in_flight} requests are in flight, the most there may be: try again",
                headers=wait,
            )
        job = Job(self)
        self.n_in_flight += 1
        self.metrics.in_flight.set(self.n_in_flight)
        return job

    def end_soon(self, job: Job) -> None:
        """End a job in the background, so that the response need not wait for its threads."""
        task = asyncio.ensure_future(job.end())
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    def job_ended(self) -> None:
        """A job is cleaned up."""
        self.n_in_flight -= 1
        self.metrics.in_flight.set(self.n_in_flight)

    async def close(self) -> None:
        """Wait until all jobs have ended, then remove the temporary folder."""
        if self._endings:
            await asyncio.wait(self._endings)
        await asyncio.to_thread(self.pool.shutdown, cancel_futures=True)
        self.scratch.close()

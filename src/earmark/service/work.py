"""The pool of threads that tags the files of all requests, in the order of their arrival."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from earmark.core.errors import AudioError, ModelError
from earmark.service.metrics import Metrics
from earmark.service.problems import Problem
from earmark.service.scratch import Scratch
from earmark.service.settings import Settings
from earmark.service.uploads import Upload
from earmark.tagging.runtime import OnnxModel, find_model
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger

Damaged = Literal["error", "tag"]
Result = TagScores | AudioError

RETRY_SECONDS = 2
"""Value of Retry-After for clients that are refused."""


class TooLongError(AudioError):
    """A file is longer than the service accepts."""


class _GivenUpError(Exception):
    """The result of this file is no longer needed."""


def load_models(settings: Settings) -> dict[str, OnnxModel]:
    """Name -> model, in the order of the settings. Raises ModelError for a missing one, or two of one name."""
    models: dict[str, OnnxModel] = {}
    for wanted in settings.models or (None,):
        model = OnnxModel(find_model(wanted))
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

    def start(self, tagger: Tagger, uploads: list[Upload]) -> asyncio.Future[list[Result]]:
        """Queue the files. Returns a future of their results, in order."""
        for upload in uploads:
            self._futures.append(self._work.pool.submit(self._tag, tagger, upload.path))
            self._work.metrics.files_waiting.inc()
        return asyncio.gather(*map(asyncio.wrap_future, self._futures))

    def _tag(self, tagger: Tagger, path: Path) -> Result:
        limit = self._work.settings.max_seconds

        def watch(path: Path, seconds: float) -> None:
            if self._given_up.is_set():
                raise _GivenUpError
            if seconds > limit:
                raise TooLongError(f"longer than {limit / 60:g} minutes, the most that this service takes", path)

        self._work.metrics.files_waiting.dec()
        (result,) = tagger.tag_many([path], jobs=1, errors="return", watch=watch)
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


class Work:
    """Models, thread pool and requests in flight, for the lifetime of the service."""

    def __init__(self, settings: Settings, models: Mapping[str, OnnxModel], metrics: Metrics) -> None:
        self.settings, self.models, self.metrics = settings, models, metrics
        self.default_model = next(iter(models))
        self.draining = False
        self.n_in_flight = 0
        self._taggers = {
            (name, damaged): Tagger(model, damaged=damaged)
            for name, model in models.items()
            for damaged in ("error", "tag")
        }
        self._endings: set[asyncio.Task[None]] = set()
        self.scratch = Scratch(settings.temporary_folder)
        self.pool = ThreadPoolExecutor(settings.n_workers, thread_name_prefix="earmark-serve")

    def tagger(self, model: str | None, damaged: Damaged) -> Tagger:
        """Raises Problem 422 for a model that is not served."""
        tagger = self._taggers.get((model or self.default_model, damaged))
        if tagger is None:
            raise Problem(422, "wrong-values", f"model {model!r}: served are {', '.join(self.models)}")
        return tagger

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

"""Server-Sent Events: progress, the answer as the last event, and every end of a stream, over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from earmark import ModelCard
from earmark.service import events
from earmark.service.events import KEEP_ALIVE
from tests.helpers import sounds
from tests.helpers.served import Served, serving
from tests.helpers.waiting import wait_until

Event = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.write(tmp_path_factory.mktemp("song") / "a.flac", sounds.music(3, 44_100), 44_100)


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a small step, the network takes seconds to minutes."""
    return sounds.write(tmp_path_factory.mktemp("long") / "long.flac", sounds.hum(600, 8000), 8000)


@contextmanager
def streamed(served: Served, *files: Path | tuple[str, bytes], **query: Any) -> Iterator[httpx.Response]:
    pairs = [(file.name, file.read_bytes()) if isinstance(file, Path) else file for file in files]
    with served.client.stream(
        "POST",
        "/v1/tag",
        params=query,
        files=[("files", pair) for pair in pairs],
        headers={"Accept": "text/event-stream"},
    ) as answer:
        yield answer


def parsed(blocks: str) -> list[Event]:
    """As a client reads them: fields by line, comments left out."""
    found = []
    for block in blocks.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def all_events(served: Served, *files: Path | tuple[str, bytes], **query: Any) -> list[Event]:
    with streamed(served, *files, **query) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return parsed(answer.read().decode())


@pytest.mark.slow
def test_progress_of_a_long_file(tmp_path: Path, ten_minutes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVERY_SECONDS", 0.05)
    with serving(tmp_path, timeout_seconds=2000) as served:
        *progress, (last, result) = all_events(served, ten_minutes, step=2)
        assert (last, {name for name, _ in progress}) == ("result", {"progress"})
        for name in ("seconds", "windows"):
            values = [data[name] for _, data in progress]
            assert values == sorted(values)
        on_the_way = [data for _, data in progress if data["seconds"] and not data["finished"]]
        assert {(data["path"], data["duration_seconds"], data["done"]) for data in on_the_way} == {
            ("long.flac", 600, 0)
        }
        end = progress[-1][1]
        assert (end["finished"], end["done"], end["total"], end["seconds"]) == (True, 1, 1, 600)
        assert end["windows"] > result["results"][0]["windows"] > 0
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_the_last_event_is_the_plain_answer(tmp_path: Path, song: Path) -> None:
    with serving(tmp_path) as served:
        query = {"top": 2, "taggram": "true", "segments": "true"}
        assert all_events(served, song, **query)[-1] == ("result", served.tag(song, **query).json())
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_files_are_distinguished_and_faults_are_reported(tmp_path: Path, song: Path) -> None:
    with serving(tmp_path) as served:
        *progress, (last, result) = all_events(served, song, ("a.flac", b"no audio"), song)
        ends = {data["index"]: data for _, data in progress if data["finished"]}
        assert (last, sorted(ends)) == ("result", [0, 1, 2])
        assert ends[1]["error"] == result["results"][1]["error"]
        assert (ends[0]["error"], ends[2]["error"]) == (None, None)
        assert max(data["done"] for data in ends.values()) == 3
        last, problem = all_events(served, ("a.mp3", b"no audio"))[-1]
        plain = served.tag(("a.mp3", b"no audio"))
        assert (last, problem) == ("error", plain.json())
        assert problem["status"] == plain.status_code == 422
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_what_is_refused_before_tagging_has_its_status(tmp_path: Path, song: Path) -> None:
    with serving(tmp_path, max_files=1) as served:
        for files, query, status in (([song], {"top": -1}, 422), ([song, song], {}, 413), ([], {}, 415)):
            with streamed(served, *files, **query) as answer:
                assert answer.status_code == status
                assert answer.headers["content-type"] == "application/problem+json"
        served.work.draining = True
        with streamed(served, song) as answer:
            assert (answer.status_code, answer.read() != b"") == (503, True)
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_too_much_time_is_an_event_and_the_work_is_cancelled(tmp_path: Path, song: Path, ten_minutes: Path) -> None:
    with serving(tmp_path, timeout_seconds=2, workers=1) as served:
        last, problem = all_events(served, ten_minutes, ten_minutes, step=0.1)[-1]
        assert (last, problem["status"], problem["type"]) == ("error", 504, "urn:earmark:problem:timed-out")
        wait_until(lambda: not served.kept and served.work.n_in_flight == 0)
        assert "earmark_files_waiting 0.0" in served.client.get("/metrics").text


class Broken:
    """A model that fails."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def __call__(self, batch: Any) -> Any:
        raise KeyError(len(batch))


@pytest.mark.slow
def test_a_mistake_of_the_service_is_an_event(tmp_path: Path, song: Path) -> None:
    with serving(tmp_path) as served:
        served.work.pool.shutdown()  # as one that runs out of threads
        with streamed(served, song) as answer:
            assert answer.status_code == 500
    (tmp_path / "second").mkdir()
    with serving(tmp_path / "second") as served:
        card = served.work.models[served.work.default_model].card
        served.work.models = {card.name: Broken(card)}  # type: ignore[dict-item]
        with streamed(served, song) as answer:
            ((last, problem),) = [event for event in parsed(answer.read().decode()) if event[0] != "progress"]
            assert (last, problem["status"], problem["request_id"]) == ("error", 500, answer.headers["x-request-id"])
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_who_leaves_ends_the_work(tmp_path: Path, song: Path, ten_minutes: Path) -> None:
    with serving(tmp_path, workers=1) as served:
        with streamed(served, ten_minutes, step=0.1) as answer:  # a network that takes minutes
            for text in answer.iter_text():
                if "progress" in text:
                    break
        wait_until(lambda: not served.kept and served.work.n_in_flight == 0)
        assert 'status="499"' in served.client.get("/metrics").text
        assert all_events(served, song)[-1][0] == "result"  # the one worker is free again
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_who_waits_in_the_queue_is_kept_alive(tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.1)
    with serving(tmp_path, workers=1) as served:
        free = threading.Event()
        served.work.pool.submit(free.wait)
        with streamed(served, song) as answer:
            parts = answer.iter_bytes()
            assert next(parts).startswith(KEEP_ALIVE)
            free.set()
            assert parsed(b"".join(parts).decode())[-1][0] == "result"
        wait_until(lambda: not served.kept)


@pytest.mark.slow
def test_a_service_that_stops_finishes_a_stream(tmp_path: Path, ten_minutes: Path) -> None:
    with serving(tmp_path) as served:
        with streamed(served, ten_minutes) as answer:
            served.work.draining = True
            assert served.client.get("/readyz").status_code == 503
            assert parsed(answer.read().decode())[-1][0] == "result"
        wait_until(lambda: served.work.n_in_flight == 0)

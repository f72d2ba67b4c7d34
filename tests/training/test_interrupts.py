"""Ctrl-C while Lightning runs: never lost, however it comes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from earmark.training.lightning_setup import fit
from earmark.training.loading import ReadAhead


class Sampler:
    """Four places; Ctrl-C comes while batches are made, at the third."""

    def __iter__(self) -> Iterator[int]:
        for place in range(4):
            if place == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield place

    def __len__(self) -> int:
        return 4


class Trainer:
    """Stands in for Lightning's: what it runs is given."""

    interrupted = False

    def __init__(self, run: Any) -> None:
        self.run = run

    def fit(self, *_: Any, **__: Any) -> None:
        self.run()


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_where_batches_are_made_comes_behind_them(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[int] = []

    def run() -> None:
        done.extend(ReadAhead(list(range(4)), batch_size=None, sampler=Sampler()))
        threading.Event().wait(60)  # until Ctrl-C
        done.append(-1)

    with pytest.raises(KeyboardInterrupt):
        fit(Trainer(run), None, None, None)  # type: ignore[arg-type]
    assert done == [0, 1, 2, 3]
    assert "Traceback" not in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_same_interrupt_twice_is_one() -> None:
    caught = []

    def run() -> None:
        for _ in range(2):
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                caught.append(1)

    fit(Trainer(run), None, None, None)  # type: ignore[arg-type]
    assert caught == [1]


def test_another_process_that_ended_by_the_same_interrupt_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.training.lightning_setup._another_has_ended", lambda *_: True)

    def run() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("Connection closed by peer") from None

    with pytest.raises(KeyboardInterrupt):
        fit(Trainer(run), None, None, None)  # type: ignore[arg-type]

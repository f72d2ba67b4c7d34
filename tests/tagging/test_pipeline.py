"""The pipeline with a network whose answers are known: order, batches, failures, stopping."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from earmark.core.errors import AudioError
from earmark.core.input_spec import InputSpec
from earmark.tagging.file_scores import WindowScores
from earmark.tagging.pipeline import run_pipeline
from tests.helpers import sounds

SPEC = InputSpec(8_000, 8_000, 8_000, "pad")


def means(batch: np.ndarray) -> np.ndarray:
    """A network that tells level: (n, 2)."""
    return np.stack([batch.mean(axis=1), np.abs(batch).max(axis=1)], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Forty files of 0.5 to 6 seconds, each at a level of its own."""
    folder = tmp_path_factory.mktemp("levels")
    rng = np.random.default_rng(0)
    out = []
    for i in range(40):
        samples = np.full(int(rng.uniform(4_000, 48_000)), (i + 1) / 50)
        out.append(sounds.write_int_wav(folder / f"{i:02d}.wav", samples, 8_000))
    return out


def run(paths: object, network: object = means, jobs: int = 2, batch: int = 4) -> Iterator:
    return run_pipeline(paths, network, SPEC, jobs=jobs, batch_windows=batch, damaged="error")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "batch"), [(1, 1), (1, 4), (2, 4), (5, 3), (4, 64)])
def test_results_come_in_order_and_do_not_depend_on_jobs_or_batch(files: list[Path], jobs: int, batch: int) -> None:
    results = list(run(files, jobs=jobs, batch=batch))
    assert [item.path for item in results] == files
    for i, item in enumerate(results):
        assert len(item.taggram) == -(-item.audio.n_samples // 8_000)
        np.testing.assert_allclose(item.taggram[:, 1], (i + 1) / 50, atol=1e-4)


@pytest.mark.slow
def test_batches_hold_windows_of_several_files(files: list[Path]) -> None:
    sizes: list[int] = []
    levels: list[int] = []

    def network(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        levels.append(len(np.unique(np.abs(batch).max(axis=1).round(4))))
        return means(batch)

    n_windows = sum(len(item.taggram) for item in run(files, network, jobs=1, batch=8))
    assert sum(sizes) == n_windows
    assert max(sizes) == 8
    assert max(levels) > 1


def test_an_error_takes_the_place_of_a_bad_file(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no")
    mixed = [files[0], tmp_path / "bad.wav", files[1], tmp_path / "none.wav", files[2]]
    kinds = [type(item) for item in run(mixed)]
    assert kinds == [WindowScores, AudioError, WindowScores, AudioError, WindowScores]


def test_a_failing_network_is_raised_not_swallowed(files: list[Path]) -> None:
    def network(batch: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError("broken network")

    with pytest.raises(ZeroDivisionError, match="broken network"):
        list(run(files, network))


def test_a_failing_list_of_paths_is_raised_after_what_came_before(files: list[Path]) -> None:
    def paths() -> Iterator[Path]:
        yield files[0]
        raise KeyError("list broken")

    results = run(paths())
    assert next(results).path == files[0]
    with pytest.raises(KeyError):
        next(results)


@pytest.mark.slow
def test_paths_are_read_only_as_far_as_needed_and_leaving_early_stops_all_threads(files: list[Path]) -> None:
    n_before = threading.active_count()
    too_many = threading.Event()

    def endless() -> Iterator[Path]:
        for n_taken, path in enumerate(itertools.cycle(files)):
            if n_taken >= 200:
                too_many.set()
            yield path

    results = run(endless())
    for _ in range(3):
        next(results)
    assert not too_many.wait(0.5), "it reads ahead without bounds"
    results.close()
    assert not too_many.is_set()
    assert threading.active_count() == n_before

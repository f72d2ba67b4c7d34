"""The process that runs inputs. It may die of any of them: the supervisor then reads which one it was."""

from __future__ import annotations

import faulthandler
import os
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.mutation import minimize, mutate
from fuzzing.target import Case, Target, WrongResultError, signature

SLOW_CPU_SECONDS = 10.0
EXAMPLES_PER_BATCH = 200
_REPORT_SECONDS = 1.0
_NOT_MADE_SMALLER = {"slow", "memory"}
_SENT_PER_FINDING = 5  # of a known one: it may have another cause now
_MINIMIZE_TRIES = 400
_KEPT_SHARE = 0.03
_MINIMIZE_SECONDS = 20.0

CURRENT_NAME, CURRENT_CONTENT, STACK = "current-name", "current-content", "stack"


@dataclass(frozen=True)
class Limits:
    """When a process ends.

    Attributes:
        minutes: of wall time.
        cpu_seconds: of CPU time; infinite for none.
        inputs: or batches of Hypothesis; None for any number.
    """

    minutes: float
    cpu_seconds: float
    inputs: int | None


class _NewFindingError(Exception):
    """Ends a batch of Hypothesis; it then makes the input smaller."""


class Worker:
    """Runs inputs of one target one after the other.

    Args:
        target: prepared.
        desk: folder where the current input is kept.
        clock: shared with the supervisor: inputs so far, index of the current one, CPU seconds at its start, time at
            its start.
        pipe: for messages to the supervisor.
        known: signatures of findings that are not made smaller again.
        kept: inputs that failed once; some of the inputs are mutations of these.
    """

    def __init__(
        self, target: Target, desk: Path, clock: Any, pipe: Connection, known: set[str], kept: list[Case]
    ) -> None:
        self.target, self.desk, self.clock, self.pipe, self.known, self.kept = target, desk, clock, pipe, known, kept
        self.outcomes: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self._sent: Counter[str] = Counter()
        self._peak_megabytes = peak_megabytes()
        self._reported, self._cpu_seconds = time.monotonic(), time.process_time()
        self._failure: tuple[Case, BaseException] | None = None

    def run(self, seed: int, first: int, limits: Limits) -> None:
        """From an index until a limit is reached."""
        strategy = self.target.strategy()
        index = first
        deadline, cpu_deadline = time.monotonic() + 60 * limits.minutes, time.process_time() + limits.cpu_seconds
        while (
            time.monotonic() < deadline
            and time.process_time() < cpu_deadline
            and (limits.inputs is None or index < first + limits.inputs)
        ):
            self.clock[1] = index
            if strategy is None:
                self._run_one(self._generate(Random(f"{self.target.name} {seed} {index}")), index)
            else:
                self._run_batch(strategy, seed, index)
            index += 1
            if time.monotonic() - self._reported > _REPORT_SECONDS:
                self._report(index)
        self._report(index)

    def _generate(self, rng: Random) -> Case:
        if self.kept and rng.random() < _KEPT_SHARE:
            kept = rng.choice(self.kept)
            return Case(kept.name, mutate(kept.content, rng))
        return self.target.generate(rng)

    def _report(self, index: int) -> None:
        before, self._cpu_seconds = self._cpu_seconds, time.process_time()
        self._reported = time.monotonic()
        spent = self._cpu_seconds - before
        self.pipe.send(("progress", index, spent, dict(self.outcomes), dict(self.repeated)))
        self.outcomes.clear()
        self.repeated.clear()

    def execute(self, case: Case) -> None:
        """Run an input. Raises for an unexpected exception, a wrong result, and too much time or memory."""
        (self.desk / CURRENT_NAME).write_text(case.name)
        (self.desk / CURRENT_CONTENT).write_bytes(case.content)
        started = time.process_time()
        self.clock[2], self.clock[3] = started, time.monotonic()
        try:
            outcome = self.target.check(case)
        finally:
            self.clock[0] += 1
            spent = time.process_time() - started
            before, self._peak_megabytes = self._peak_megabytes, peak_megabytes()
        if spent > SLOW_CPU_SECONDS:
            raise WrongResultError("slow", f"{spent:.1f} s of CPU time")
        if self._peak_megabytes - before > self.target.memory_megabytes:
            raise WrongResultError("memory", f"{self._peak_megabytes - before:.0f} MB more than any input before")
        self.outcomes[outcome] += 1

    def _run_one(self, case: Case, index: int) -> None:
        try:
            self.execute(case)
        except Exception as error:  # noqa: BLE001  findings are of every kind
            name = signature(error)
            if name in self.known:
                self._repeat(case, error, index)
                return
            self._send(self._smaller(case, name), error, index)

    def _smaller(self, case: Case, name: str) -> Case:
        end = time.process_time() + _MINIMIZE_SECONDS

        def fails(content: bytes) -> bool:
            if time.process_time() > end:
                return False
            try:
                self.execute(Case(case.name, content))
            except Exception as error:  # noqa: BLE001
                return signature(error) == name
            return False

        return case if name in _NOT_MADE_SMALLER else Case(case.name, minimize(case.content, fails, _MINIMIZE_TRIES))

    def _run_batch(self, strategy: Any, seed: int, index: int) -> None:
        import hypothesis
        from hypothesis import HealthCheck, Phase

        @hypothesis.seed(seed * 1_000_003 + index)
        @hypothesis.settings(
            max_examples=EXAMPLES_PER_BATCH,
            database=None,
            deadline=None,
            print_blob=False,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        @hypothesis.given(strategy)
        def examples(case: Case) -> None:
            try:
                self.execute(case)
            except Exception as error:
                name = signature(error)
                if name in self.known:
                    self._repeat(case, error, index)
                    return
                self._failure = (case, error)
                raise _NewFindingError(name) from error

        self._failure = None
        try:
            examples()
        except (_NewFindingError, hypothesis.errors.Flaky):
            assert self._failure is not None
            self._send(*self._failure, index)  # Hypothesis runs the smallest one last

    def _repeat(self, case: Case, error: BaseException, index: int) -> None:
        """A known finding: the first inputs of a run are kept as they are, others only counted."""
        if self._sent[name := signature(error)] < _SENT_PER_FINDING:
            self._send(case, error, index)
        else:
            self.repeated[name] += 1

    def _send(self, case: Case, error: BaseException, index: int) -> None:
        name = signature(error)
        self.known.add(name)
        self._sent[name] += 1
        shown = "".join(traceback.format_exception(error))
        self.pipe.send(("finding", name, case, f"{type(error).__name__}: {error}"[:500], shown[-20_000:], index))


def peak_megabytes() -> float:
    """Most memory that this process has used so far; 0 on Windows."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux counts what the parent used into ru_maxrss
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1e3
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main(
    name: str,
    desk: str,
    scratch: str,
    clock: Any,
    pipe: Connection,
    known: set[str],
    kept: list[Case],
    seed: int,
    first: int,
    limits: Limits,
) -> None:
    """Entry point of the process."""
    from fuzzing.targets import load_target

    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    stack = (Path(desk) / STACK).open("w")
    faulthandler.enable(stack)
    warnings.simplefilter("ignore")
    target = load_target(name)
    target.prepare(Path(scratch))
    worker = Worker(target, Path(desk), clock, pipe, known, kept)
    clock[2], clock[3] = time.process_time(), time.monotonic()
    pipe.send(("ready",))
    worker.run(seed, first, limits)
    pipe.send(("end",))
    stack.close()

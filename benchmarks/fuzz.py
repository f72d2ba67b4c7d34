"""Fuzz what reads data from others: files, queries, weights, pickles, uploads, tables.

    python benchmarks/fuzz.py TARGET|all --minutes N [--cpu-minutes N] [--seed S] [--work FOLDER] [--out docs/results/fuzz.md]
    python benchmarks/fuzz.py TARGET --replay FILE

Byte formats are mutated from valid files made here; queries, tables and pickles come from Hypothesis. Every input runs in
a process of its own kind that is started again where an input kills it, so a crash of a native library is a finding, too.
Failing inputs are made smaller and kept in FOLDER/findings; some of the inputs are mutations of these. A run continues
where the last one of its seed ended, and FOLDER/TARGET.json adds up executions, CPU time and findings of all runs; --out
writes the report from these.
"""

from __future__ import annotations

import argparse
import math
import sys
import traceback
import warnings
from pathlib import Path

from fuzzing.report import report
from fuzzing.state import State
from fuzzing.supervisor import fuzz
from fuzzing.target import Case, WrongResultError, make_scratch, signature
from fuzzing.targets import TARGETS, load_target
from fuzzing.worker import peak_megabytes

WORK = Path(__file__).parent / "fuzzing" / "results"


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 1 where the report has open findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--minutes", type=float, default=0.0, help="for each target; none only writes the report")
    parser.add_argument("--cpu-minutes", type=float, help="end once all runs of the target have so much CPU time")
    parser.add_argument("--executions", type=int, help="end after so many inputs, or batches of 200 from Hypothesis")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--work", type=Path, default=WORK, help="folder of state and findings (default: benchmarks/fuzzing/results)"
    )
    parser.add_argument("--out", type=Path, help="write the report here, in Markdown")
    parser.add_argument("--note", default="", help="a sentence for the report, such as what else the machine did")
    parser.add_argument("--replay", type=Path, help="run this input once, and nothing else")
    given = parser.parse_args(arguments)
    if given.replay is not None:
        if given.target == "all":
            parser.error("--replay: name the target")
        return replay(given.target, given.replay)
    minutes = given.minutes if given.cpu_minutes is None else given.minutes or math.inf
    for name in TARGETS if given.target == "all" else [given.target]:
        if minutes > 0:
            state = State(given.work, name)
            rate = fuzz(minutes, given.seed, state, given.executions, given.cpu_minutes)
            print(f"{name}: {state.executions} executions so far, {rate:.1f} per second", flush=True)
    if given.out is None:
        return 0
    text, n_open = report(given.work, given.note)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(text, encoding="utf-8")
    return 1 if n_open else 0


def replay(target: str, path: Path) -> int:
    """Run one input, and print what happens. Returns 1 where it fails."""
    warnings.simplefilter("ignore")
    loaded = load_target(target)
    with make_scratch() as scratch:
        loaded.prepare(Path(scratch))
        name = path.name.partition("-")[2] or path.name
        before = peak_megabytes()
        try:
            outcome = loaded.check(Case(name, path.read_bytes()))
            if (used := peak_megabytes() - before) > loaded.memory_megabytes:
                raise WrongResultError("memory", f"{used:.0f} MB")
            print(outcome)
        except Exception as error:  # noqa: BLE001  findings are of every kind
            traceback.print_exc()
            print(signature(error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Start of the command line, and tagging many short files: time and memory of several checkouts, in turns.

    python benchmarks/start.py OLD/src src

Each command is run as a process of this interpreter; what is printed is the best of the runs, which other work on the
machine disturbs least. Not on Windows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import cpu_name

CLIPS = Path(__file__).parent.parent / "examples" / "clips"
COPIES = 25


def run(src: Path, *words: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory in MB of `earmark WORDS`."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "earmark.cli.main", *words],
        env={**os.environ, "PYTHONPATH": str(src.resolve())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{src}: earmark {' '.join(words[:2])} ended with status {status}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("src", nargs="+", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(f"{cpu_name()}, {os.cpu_count()} cores; best of {options.runs}")
    with tempfile.TemporaryDirectory() as folder:
        for clip in ("03-rock.mp3", "05-jazz.m4a", "06-folk.mp3"):
            for number in range(COPIES):
                (Path(folder) / f"{number}-{clip}").symlink_to(CLIPS / clip)
        commands = {
            "--help": ["--help"],
            "tag --help": ["tag", "--help"],
            "tag, one clip": ["tag", str(CLIPS / "03-rock.mp3")],
            f"tag, {3 * COPIES} clips": ["tag", folder, "--quiet"],
        }
        for name, words in commands.items():
            rounds = [[run(src, *words) for src in options.src] for _ in range(options.runs)]
            for k, src in enumerate(options.src):
                wall, cpu, memory = (min(values) for values in zip(*(one[k] for one in rounds), strict=True))
                print(f"{name:16} {wall:6.2f} s {cpu:6.2f} s of CPU {memory:4.0f} MB  {src}")


if __name__ == "__main__":
    main()

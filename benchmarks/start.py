"""Start of the command line, and tagging many short files: time and memory of several checkouts, in turns.

    python benchmarks/start.py OLD/src src

Each command is run as a process of this interpreter; what is printed is the best of the runs, which other work on the
machine disturbs least. "Libraries alone" is what a clip costs without earmark: the same decoder, resampler and network called
from a few lines of Python. Not on Windows.
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

ROOT = Path(__file__).parent.parent
CLIPS = ROOT / "examples" / "clips"
BUNDLED = ROOT / "src" / "earmark" / "tagging" / "bundled" / "earmark-2.onnx"
COPIES = 25
LIBRARIES_ALONE = """
import sys, av, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[2])
resampler = av.AudioResampler("flt", "mono", 16_000)
with av.open(sys.argv[1]) as file:
    parts = [part.to_ndarray()[0] for frame in file.decode(audio=0) for part in resampler.resample(frame)]
samples, n = numpy.concatenate(parts), session.get_inputs()[0].shape[1]
print(session.run(["probabilities"], {"waveform": samples[: len(samples) // n * n].reshape(-1, n)})[0].mean(axis=0))
"""


def run(src: Path, *words: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory in MB of `python WORDS`."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(src.resolve())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{src}: python {' '.join(words[:4])} ended with status {status}")
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
        earmark = ["-m", "earmark.cli.main"]
        clip = str(CLIPS / "03-rock.mp3")
        commands = {
            "--help": [*earmark, "--help"],
            "tag --help": [*earmark, "tag", "--help"],
            "tag, one clip": [*earmark, "tag", clip],
            f"tag, {3 * COPIES} clips": [*earmark, "tag", folder, "--quiet"],
        }
        for name, words in commands.items():
            rounds = [[run(src, *words) for src in options.src] for _ in range(options.runs)]
            for k, src in enumerate(options.src):
                wall, cpu, memory = (min(values) for values in zip(*(one[k] for one in rounds), strict=True))
                print(f"{name:16} {wall:6.2f} s {cpu:6.2f} s of CPU {memory:4.0f} MB  {src}")
        model = str(BUNDLED)
        alone = [run(options.src[-1], "-c", LIBRARIES_ALONE, clip, model) for _ in range(options.runs)]
        wall, cpu, memory = (min(values) for values in zip(*alone, strict=True))
        print(f"{'libraries alone':16} {wall:6.2f} s {cpu:6.2f} s of CPU {memory:4.0f} MB")


if __name__ == "__main__":
    main()

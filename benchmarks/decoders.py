"""Which decoder: libsndfile (soundfile) or FFmpeg (PyAV)? CPU time of each, and how threads get along.

    python benchmarks/decoders.py [--music DIR] [--seconds 180]

Makes one stereo file of each format at 44.1 kHz from the example clips (or the audio under --music), decodes it in one
thread with each library, with and without downmix and resampling to 16 kHz, and prints x real time of CPU. A second
table is of earmark's own two ways (earmark/audio/frames.py), by wall clock, with one thread and with two in parallel.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from earmark import audio
from earmark.audio.file_discovery import find_audio

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from tests.helpers import sounds  # noqa: E402

RATE_HZ = 44_100


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def sndfile_alone(path: Path) -> int:
    with soundfile.SoundFile(path) as file:
        return sum(len(block) for block in file.blocks(65_536, dtype="float32", always_2d=True))


def sndfile_to_windows_rate(path: Path) -> int:
    n_samples = 0
    with soundfile.SoundFile(path) as file:
        resampler = soxr.ResampleStream(file.samplerate, 16_000, 1, dtype="float32", quality="HQ")
        for block in file.blocks(65_536, dtype="float32", always_2d=True):
            mono = block @ np.full(block.shape[1], 1 / block.shape[1], np.float32)
            n_samples += len(resampler.resample_chunk(mono))
    return n_samples


def pyav_alone(path: Path) -> int:
    n_samples = 0
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.audio[0]):
            n_samples += frame.samples
            frame.to_ndarray()
    return n_samples


def ours(path: Path) -> int:
    return sum(len(block) for block in audio.stream(path, 16_000))


def speed(decode: Callable[[Path], int], path: Path, seconds: float, repeats: int = 5) -> str:
    try:
        decode(path)
    except soundfile.LibsndfileError:
        return "cannot"
    started = cpu_seconds()
    for _ in range(repeats):
        decode(path)
    return f"{repeats * seconds / (cpu_seconds() - started):,.0f}"


def side_by_side(source: Path | audio.AudioBytes, n_threads: int, seconds: float, repeats: int = 5) -> str:
    """x real time by wall clock, of all threads together."""

    def decode() -> None:
        for _ in range(repeats):
            for _ in audio.stream(source, 16_000):
                pass

    threads = [threading.Thread(target=decode) for _ in range(n_threads)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{n_threads * repeats * seconds / (time.perf_counter() - started):,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, default=ROOT / "examples" / "clips")
    parser.add_argument("--seconds", type=int, default=180)
    options = parser.parse_args()
    mono = np.concatenate([audio.load(item.path, RATE_HZ) for item in find_audio([options.music])])
    mono = np.resize(mono, options.seconds * RATE_HZ)
    stereo = np.stack([mono, np.roll(mono, 441) * np.float32(0.8)])
    print(f"soundfile {soundfile.__version__}, PyAV {av.__version__}; x real time of CPU, one thread\n")
    print("| format | soundfile, decoding | PyAV, decoding | soundfile + soxr | earmark.audio |")
    print("|---|---|---|---|---|")
    beside = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"):
            path = sounds.write(Path(folder) / f"a{suffix}", stereo, 48_000 if suffix == ".opus" else RATE_HZ)
            seconds = options.seconds * (RATE_HZ / 48_000 if suffix == ".opus" else 1)
            cells = [speed(f, path, seconds) for f in (sndfile_alone, pyav_alone, sndfile_to_windows_rate, ours)]
            print(f"| {suffix[1:]} | {' | '.join(cells)} |")
            in_memory = audio.AudioBytes.read(path)
            cells = [side_by_side(source, n, seconds) for source in (in_memory, path) for n in (1, 2)]
            beside.append(f"| {suffix[1:]} | {' | '.join(cells)} |")
    print("\nBy the clock, decoded, mixed and resampled:\n")
    print("| format | in memory, 1 thread | in memory, 2 threads | on disk, 1 thread | on disk, 2 threads |")
    print("|---|---|---|---|---|")
    print("\n".join(beside))


if __name__ == "__main__":
    main()

"""What training costs: windows per second, waits for data, and a step of the trainer against one of a bare loop.

    python benchmarks/training.py --out docs/results/training.md
    python benchmarks/training.py --root ~/emotify --models dieleman2014_raw bristol_raw

Music: the files under --root, or the example clips, over and over; tags are made up, they cost as much as true ones.
Each architecture, in the sizes of its paper, is trained by `earmark.training.run.train` in four ways: from loose files,
from shards as they come (decoded into memory where they are small), and from shards read window by window, without
workers and with two. In between the epochs from shards as they come, a bare PyTorch loop makes as many steps: the same
network, optimiser and loss (PyTorch's cross-entropy), windows cut out of audio in memory, and nothing else. Both take turns,
so that a machine that slows down slows both. The first epoch of each training is not counted: workers start in it.

A step's time is reported as wall time, and as processor time of the training process, which other work on the machine
disturbs less; a worker's is not in it. Waiting, as in log.csv (wait_share), is wall time: run it on a machine that
does nothing else.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
import wave
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import lightning
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from machine import cpu_name

from earmark import audio
from earmark.audio.file_discovery import find_audio
from earmark.core.errors import AudioError
from earmark.datasets import load_dataset
from earmark.models import TaggingModel, create_model, list_models
from earmark.shards.prepare import prepare
from earmark.training.callbacks import LogRow
from earmark.training.config import recipe_from
from earmark.training.run import train
from earmark.training.schedule import make_optimiser
from earmark.training.sections import Recipe

ROOT = Path(__file__).parent.parent
PAPER_BATCH = {"bristol": 100, "dieleman2014": 10, "ensemble": 32, "pons2017": 16, "samplecnn": 23}
"""Windows in a batch by the beginning of a model's name, as the recipes have it; bristol: ten clips of ten."""
OTHER_BATCH = 16
N_TAGS = 50
N_TRAIN, N_VALIDATION = 6, 2
SONG_SECONDS = 60
MOST_STEPS = 300
WORKERS = 2
MAIN = "shards"
WAYS = ("files", MAIN, "shards, 0 workers", f"shards, {WORKERS} workers")


@dataclass
class Timing:
    """Epochs of one way of training an architecture, and the bare loop's beside; times of a step in seconds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wait: list[float] = field(default_factory=list)
    bare_wall: list[float] = field(default_factory=list)
    bare_cpu: list[float] = field(default_factory=list)

    def ratio(self, clock: str) -> float:
        """The trainer's step over the bare loop's: the median over pairs."""
        bare: list[float] = getattr(self, f"bare_{clock}")
        own: list[float] = getattr(self, clock)
        return statistics.median(a / b for a, b in zip(own, bare, strict=True))


@dataclass
class Row:
    """What was measured for one architecture."""

    name: str
    window_seconds: float
    batch: int
    steps: int
    ways: dict[str, Timing]


class BareLoop:
    """Steps of plain PyTorch. Windows are cut out of float32 audio in memory, which is the least that training takes."""

    def __init__(self, model: TaggingModel, recipe: Recipe, batch: int) -> None:
        rng = torch.Generator().manual_seed(0)
        self.model = model.train()
        self.optimiser = make_optimiser(model, recipe.optimiser)
        self.batch, self.length = batch, model.window_samples
        self.audio = torch.randn(N_TRAIN, SONG_SECONDS * model.sample_rate_hz, generator=rng) * 0.1
        self.rng = rng
        self.labels = (torch.rand(batch, N_TAGS, generator=rng) < 0.1).float()

    def run(self, steps: int) -> tuple[float, float]:
        """Seconds of a step, on the clock and of processor time."""
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            starts = torch.randint(self.audio.shape[1] - self.length, (self.batch,), generator=self.rng).tolist()
            windows = torch.stack(
                [self.audio[i % N_TRAIN, start : start + self.length] for i, start in enumerate(starts)]
            )
            self.optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(self.model(windows), self.labels).backward()
            self.optimiser.step()
        return (time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps


class Pairs:
    """A watcher that times the trainer's steps, and lets the bare loop run between its epochs."""

    def __init__(self, bare: BareLoop | None) -> None:
        self.bare = bare  # None: the trainer alone
        self.timing = Timing()
        self.marks: list[tuple[float, float]] = []

    def decoding(self, done: int, total: int) -> None:
        """Not counted."""

    def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None:  # noqa: ARG002
        """A step is over."""
        self.marks.append((time.perf_counter(), time.process_time()))

    def epoch(self, row: LogRow) -> None:
        """The bare loop's turn, for as many steps."""
        steps = len(self.marks) - 1  # the end of the first is the first mark
        (wall, cpu), (last_wall, last_cpu) = self.marks[0], self.marks[-1]
        self.marks = []
        if row["epoch"] == 1:
            return
        self.timing.wall.append((last_wall - wall) / steps)
        self.timing.cpu.append((last_cpu - cpu) / steps)
        self.timing.wait.append(float(row["wait_share"] or 0.0))
        if self.bare is not None:
            self.bare.run(1)
            bare_wall, bare_cpu = self.bare.run(steps)
            self.timing.bare_wall.append(bare_wall)
            self.timing.bare_cpu.append(bare_cpu)


def make_music(source: Path, folder: Path, rate_hz: int = 44_100) -> Path:
    """Songs of a minute from the files under source, in turn and over and over, and a manifest with made-up tags."""
    found = [item.path for item in islice(find_audio([source]), N_TRAIN + N_VALIDATION)]
    rng = np.random.default_rng(0)
    tags = [f"tag {i} [classification]" for i in range(N_TAGS)]
    lines = [",".join(["path", "split", "artist", *tags])]
    labels = (rng.random((N_TRAIN + N_VALIDATION, N_TAGS)) < 0.5).astype(int)
    labels[0], labels[1] = 1, 0  # every tag holds for a clip of each split, and not for another
    labels[N_TRAIN], labels[N_TRAIN + 1] = 1, 0
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(N_TRAIN + N_VALIDATION):
        try:
            samples = audio.load(found[i % len(found)], rate_hz)
        except (AudioError, ZeroDivisionError) as error:
            raise SystemExit(f"{source}: no music there, or it cannot be decoded ({error})") from error
        samples = np.resize(np.roll(samples, i * rate_hz), SONG_SECONDS * rate_hz)
        path = folder / f"{i}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, rate_hz, 0, "NONE", ""))
            file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
        split = "train" if i < N_TRAIN else "validation"
        lines.append(",".join([path.name, split, str(i), *map(str, labels[i])]))
    table = folder / "music.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def choose_size(name: str, seconds: float, most_step_seconds: float) -> tuple[int, int]:
    """Windows in a batch, those of the paper unless a step would take too long here; and steps in an epoch."""
    model = create_model(name, N_TAGS)
    recipe = recipe_for(name, Path(), 2, 1, 1)
    bare = BareLoop(model, recipe, 2)
    bare.run(1)
    window_seconds = bare.run(2)[1] / 2 / torch.get_num_threads()  # processor time: the same on a busy machine
    paper = next((size for start, size in PAPER_BATCH.items() if name.startswith(start)), OTHER_BATCH)
    batch = max(2, min(paper, round(most_step_seconds / window_seconds)))
    return batch, max(3, min(MOST_STEPS, round(seconds / (batch * window_seconds))))


def recipe_for(name: str, table: Path, batch: int, steps: int, epochs: int) -> Recipe:
    """SGD with Nesterov momentum, so many steps per epoch, one validation at the end."""
    return recipe_from(
        {
            "name": "benchmark",
            "data": {"dataset": "manifest", "root": str(table)},
            "model": {"name": name},
            "training": {
                "epochs": epochs,
                "batch_size": batch,
                "windows_per_clip": -(-steps * batch // N_TRAIN),
                "validate_every": epochs,
            },
            "optimiser": {"name": "sgd", "learning_rate": 1e-4, "momentum": 0.9, "nesterov": True},
        },
        "benchmark",
    )


def measure(
    name: str, table: Path, shards: Path, folder: Path, *, seconds: float, repeats: int, most_step_seconds: float
) -> Row:
    """Everything for one architecture; shards of its rate are made where there are none."""
    batch, steps = choose_size(name, seconds, most_step_seconds)
    recipe = recipe_for(name, table, batch, steps, 1 + repeats)
    torch.manual_seed(0)
    model = create_model(name, N_TAGS)
    of_rate = shards / str(model.sample_rate_hz)
    prepare(
        load_dataset("manifest", table), of_rate, sample_rate_hz=model.sample_rate_hz
    )  # once: it sees what is there
    bare = BareLoop(model, recipe, batch)
    ways = {}
    sources: tuple[tuple[Path | None, int | None], ...] = (
        (None, None),
        (of_rate, None),
        (of_rate, 0),
        (of_rate, WORKERS),
    )
    for number, (way, (source, workers)) in enumerate(zip(WAYS, sources, strict=True)):
        pairs = Pairs(bare if way == MAIN else None)
        out = folder / f"{name}-{number}"
        train(recipe, out, device="cpu", keep_audio=folder / "decoded", shards=source, workers=workers, progress=pairs)
        ways[way] = pairs.timing
    return Row(name, model.window_samples / model.sample_rate_hz, batch, steps, ways)


def page(rows: list[Row], repeats: int, load: float) -> str:
    """The table in Markdown."""
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    lines = [
        "# Speed of training",
        "",
        f"Written by `python {' '.join(['benchmarks/training.py', *sys.argv[1:]])}`. {threads} thread(s) of PyTorch on "
        f"{cores} cores; medians of {repeats} epochs.",
        f"Load of the machine before the run: {load:.1f} processes for {cores} cores"
        + (": other work disturbs the times by the clock." if load > cores / 2 else "."),
        f"Machine: {cpu_name()}, {platform.system()}, Python {platform.python_version()}, "
        f"PyTorch {torch.__version__.split('+')[0]}, Lightning {lightning.__version__}.",
        "",
        "| architecture | window | batch | windows/s | step, trainer | step, bare | ratio, processor time | ratio, clock "
        "| " + " | ".join(f"waits: {way}" for way in WAYS) + " |",
        "|---" + "|---:" * (7 + len(WAYS)) + "|",
    ]
    for row in rows:
        main = row.ways[MAIN]
        wall, bare = statistics.median(main.wall), statistics.median(main.bare_wall)
        waits = [f"{100 * statistics.median(row.ways[way].wait):.1f} %" for way in WAYS]
        lines.append(
            f"| {row.name} | {row.window_seconds:.2f} s | {row.batch} | {row.batch / wall:,.1f} | {1000 * wall:,.1f} ms "
            f"| {1000 * bare:,.1f} ms | {main.ratio('cpu'):.2f} | {main.ratio('wall'):.2f} | {' | '.join(waits)} |"
        )
    lines += [
        "",
        "- Windows/s, steps and ratios: from shards as they come. Those of less than 2 GB when decoded, as here, are",
        "  decoded into memory before the first step; larger ones are read window by window, one worker per core.",
        f"- Waits: share of the training time in which the trainer waits for data. With 0 and {WORKERS} workers shards are",
        "  read window by window.",
        "- Bare: a PyTorch loop of the same network, optimiser and size of batch, whose windows are cut out of float32",
        "  audio that is in memory already.",
        "- Ratios below 1: the bare loop cuts its windows between its steps, the trainer in a thread beside them.",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--root", type=Path, default=ROOT / "examples" / "clips", help="music (default: the example clips)"
    )
    parser.add_argument("--shards", type=Path, help="keep the shards in this folder (default: a temporary one)")
    parser.add_argument("--models", nargs="+", metavar="NAME", choices=list_models(), help="these architectures")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of an epoch, about (default: 1)")
    parser.add_argument("--repeats", type=int, default=3, help="counted epochs of each (default: 3)")
    parser.add_argument(
        "--step-seconds",
        type=float,
        default=0.5,
        help="batches are made smaller where a step takes longer (default: 0.5)",
    )
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: 1)")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    if min(options.seconds, options.step_seconds) <= 0 or min(options.repeats, options.threads) < 1:
        parser.error("--seconds and --step-seconds must be above 0, --repeats and --threads at least 1")
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = make_music(options.root, folder / "music")
        for model in options.models or list_models():
            started = time.perf_counter()
            shards = options.shards or folder / "shards"
            sizes = {"seconds": options.seconds, "repeats": options.repeats, "most_step_seconds": options.step_seconds}
            rows.append(measure(model, table, shards, folder, **sizes))
            print(f"{model}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    text = page(rows, options.repeats, load)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

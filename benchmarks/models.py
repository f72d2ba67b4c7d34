"""Speed of every architecture on one core, and what a training step costs.

    python benchmarks/models.py --out docs/results/models.md
    python benchmarks/models.py --only samplecnn_basic samplecnn_se --repeats 9

Forward: one window at a time, fresh weights (they cost as much as trained ones), PyTorch in inference mode and ONNX
Runtime on the exported file, one thread each, in turns, so that a machine that slows down slows both.
Training: forward, backward and a step of SGD with Nesterov momentum on batches of about --batch-seconds of audio, as
many windows as come nearest to it and at least two; times are per second of audio, relative to samplecnn_basic,
which is measured again with each architecture, in turns. Run it on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from machine import cpu_name

from earmark.core.vocabulary import Vocabulary
from earmark.export import check_signals, export_onnx
from earmark.models import TaggingModel, create_model, list_models
from earmark.models.checkpoint import make_card
from earmark.models.summary import N_TAGS, count_macs

REFERENCE = "samplecnn_basic"
PAPER = {"samplecnn_se": "1.08", "samplecnn_rese2": "1.8"}
"""Training time relative to samplecnn_basic as Kim, Lee and Nam 2018 report it."""
LEAST_SECONDS = 0.2
"""A measurement repeats what it measures until this much time has gone by."""
BATCH_SECONDS = 61.6
"""Audio in a training batch: 23 windows of samplecnn_basic, as in its paper."""

Work = Callable[[], object]


@dataclass
class Row:
    """What was measured for one architecture; times in seconds."""

    name: str
    window_seconds: float
    macs: int
    torch_seconds: float
    onnx_seconds: float
    n_windows: int
    step_seconds: float
    relative: list[float]


def clock(work: Work) -> float:
    """Seconds for one call, a mean over as many as fill the time."""
    calls, started = 0, time.perf_counter()
    while True:
        work()
        calls += 1
        if (gone := time.perf_counter() - started) >= LEAST_SECONDS:
            return gone / calls


def in_turns(works: list[Work], repeats: int) -> list[list[float]]:
    """Times of each, measured one after the other, again and again, after an uncounted call of each."""
    for work in works:
        work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, own in zip(works, times, strict=True):
            own.append(clock(work))
    return times


def onnx_forward(model: TaggingModel, waveform: np.ndarray, folder: Path) -> Work:
    """A forward pass of the exported model on ONNX Runtime, one thread."""
    tags = Vocabulary.of([f"tag {i}" for i in range(model.n_tags)])
    card = make_card(model, name=model.architecture, vocabulary=tags)
    report = export_onnx(model, card, folder / f"{model.architecture}.onnx", check_signals(card.input)[:1])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(report.path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(["probabilities"], {"waveform": waveform})


def torch_forward(model: TaggingModel, waveform: np.ndarray) -> Work:
    tensor = torch.from_numpy(waveform)

    def work() -> None:
        with torch.inference_mode():
            model(tensor).sigmoid()

    return work


def batch_size(model: TaggingModel, batch_seconds: float) -> int:
    """Windows in a training batch: as near to the time as whole windows come, two at least (batch norm)."""
    return max(2, round(batch_seconds * model.sample_rate_hz / model.window_samples))


def training_step(name: str, batch_seconds: float) -> tuple[Work, int]:
    """Forward, backward, SGD; and the number of windows."""
    torch.manual_seed(0)
    model = create_model(name, N_TAGS).train()
    n_windows = batch_size(model, batch_seconds)
    waveforms = torch.randn(n_windows, model.window_samples) * 0.1
    labels = (torch.rand(n_windows, N_TAGS) < 0.05).float()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.001, momentum=0.9, nesterov=True)

    def work() -> None:
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(waveforms), labels).backward()
        optimiser.step()

    return work, n_windows


def measure(name: str, repeats: int, batch_seconds: float, folder: Path) -> Row:
    """Everything for one architecture."""
    torch.manual_seed(0)
    model = create_model(name, N_TAGS).eval()
    waveform = (np.random.default_rng(0).standard_normal((1, model.window_samples)) * 0.1).astype(np.float32)
    works = [torch_forward(model, waveform), onnx_forward(model, waveform, folder)]
    forward = [statistics.median(times) for times in in_turns(works, repeats)]
    work, n_windows = training_step(name, batch_seconds)
    seconds = n_windows * model.window_samples / model.sample_rate_hz
    if name == REFERENCE:
        (steps,) = in_turns([work], repeats)
        relative = [1.0]
    else:
        reference_work, n_reference = training_step(REFERENCE, batch_seconds)
        reference = create_model(REFERENCE, N_TAGS)
        reference_seconds = n_reference * reference.window_samples / reference.sample_rate_hz
        steps, reference_steps = in_turns([work, reference_work], repeats)
        relative = [
            (own / seconds) / (other / reference_seconds) for own, other in zip(steps, reference_steps, strict=True)
        ]
    return Row(
        name=name,
        window_seconds=model.window_samples / model.sample_rate_hz,
        macs=count_macs(model),
        torch_seconds=forward[0],
        onnx_seconds=forward[1],
        n_windows=n_windows,
        step_seconds=statistics.median(steps),
        relative=relative,
    )


def table(rows: list[Row], repeats: int, batch_seconds: float) -> str:
    lines = [
        "# Speed of the architectures",
        "",
        f"Written by `python {' '.join(['benchmarks/models.py', *sys.argv[1:]])}`. One core; medians of {repeats}.",
        "Forward: one window at a time, front-end included. Training: forward, backward and SGD on about "
        f"{batch_seconds:g} s of audio.",
        f"Machine: {cpu_name()}, {platform.system()}, Python {platform.python_version()}, "
        f"PyTorch {torch.__version__.split('+')[0]}, ONNX Runtime {onnxruntime.__version__}.",
        "",
        "| architecture | window | GMAC/s of audio | PyTorch windows/s | x real time | ONNX Runtime windows/s | x real time "
        f"| batch | step | step, per s of audio, relative to {REFERENCE} | in the paper |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        low, high = min(row.relative), max(row.relative)
        spread = f" ({number(low)} to {number(high)})" if len(row.relative) > 1 else ""
        lines.append(
            f"| {row.name} | {row.window_seconds:.2f} s | {row.macs / row.window_seconds / 1e9:.3f} "
            f"| {number(1 / row.torch_seconds)} | {number(row.window_seconds / row.torch_seconds)} "
            f"| {number(1 / row.onnx_seconds)} | {number(row.window_seconds / row.onnx_seconds)} "
            f"| {row.n_windows} | {number(1000 * row.step_seconds)} ms | {number(statistics.median(row.relative))}{spread} "
            f"| {PAPER.get(row.name, '')} |"
        )
    lines += [
        "",
        "- Relative steps: median, smallest and largest of the pairs measured in turns. Networks with long windows get",
        "  fewer of them in a batch, so that all process the same audio; a batch has two windows at least.",
        "- In the paper: Kim, Lee and Nam 2018, on a GPU.",
    ]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list_models(), help="these architectures")
    parser.add_argument("--repeats", type=int, default=5, help="counted measurements of each (default: 5)")
    parser.add_argument(
        "--batch-seconds",
        type=float,
        default=BATCH_SECONDS,
        help=f"audio in a training batch (default: {BATCH_SECONDS})",
    )
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    if options.repeats < 1 or options.batch_seconds <= 0:
        parser.error("--repeats must be at least 1 and --batch-seconds above 0")
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or list_models():
            started = time.perf_counter()
            rows.append(measure(name, options.repeats, options.batch_seconds, Path(folder)))
            print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    text = table(rows, options.repeats, options.batch_seconds)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

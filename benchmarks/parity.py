"""Published weights against the programs they come from: differences between our outputs and the stored ones.

    python benchmarks/parity.py --shared ../shared --out docs/results/parity.md

Writes the table; without --out it is printed only. Ends with 1 where a difference is 1e-4 or more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from earmark.audio import cut
from earmark.core.published_weights import KERAS, PublishedWeights, all_published
from earmark.core.spectrum import LogMelConfig, hann_window, mel_filterbank
from earmark.export import export_onnx
from earmark.importers.detect_format import import_weights

CLIPS = ("joram", "fishin", "sugarplum")
TOLERANCE = 1e-4
STORED = tuple(published for published in all_published() if published.vocabulary.endswith("-50"))
"""Those whose files and answers are in the shared folder; tests/importers/test_mn04.py has mn04's."""
Array = NDArray[np.float32]


@dataclass
class Row:
    """Largest absolute differences over all clips, windows and tags; None where there is nothing to compare."""

    published: PublishedWeights
    window_seconds: float
    n_windows: list[int]
    domain: str
    torch: float
    onnx: float
    spectrogram: float | None
    double: float

    def passed(self) -> bool:
        return all(x is None or x < TOLERANCE for x in (self.torch, self.onnx, self.spectrogram))


def double_log_mel(windows: Array, config: LogMelConfig) -> Array:
    """Log-mel (B, n_mels, T) in double precision all the way: what the spectrogram would be without rounding."""
    half = config.n_fft // 2
    samples = windows.astype(np.float64)
    if config.centred:
        samples = np.pad(samples, ((0, 0), (half, half)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(samples, config.n_fft, axis=1)[:, :: config.hop_samples]
    power = np.abs(np.fft.rfft(frames * hann_window(config), axis=-1)) ** 2
    mel = np.swapaxes(power @ mel_filterbank(config).T, 1, 2)
    if config.compression == "db":
        return (10 * np.log10(np.maximum(mel, 1e-10))).astype(np.float32)
    return np.log10(1 + config.compression_c * mel).astype(np.float32)


def sigmoid(logits: Array) -> Array:
    return 1 / (1 + np.exp(-logits))


def measure(published: PublishedWeights, folder: Path, references: dict[str, Array], scratch: Path) -> Row:
    path = folder / published.file_name
    model, card = import_weights(path)
    assert model.frontend is not None
    logits_stored = published.architecture == "musicnn_vgg"
    stored, windows, patches = [], [], []
    for clip in CLIPS:
        answers, audio = references[f"{clip}_{path.stem}"], references[f"{clip}_audio"]
        if published.file_format == KERAS:
            frames = references[f"{clip}_logmel"][: len(answers) * 187].reshape(len(answers), 187, 96)
            patches.append(np.swapaxes(frames, 1, 2))
        stored.append(answers)
        windows.append(cut(audio, card.input)[: len(answers)])
    n_windows = [len(answers) for answers in stored]
    expected, waveform = np.concatenate(stored), np.concatenate(windows)

    def difference(logits: torch.Tensor) -> float:
        ours = logits.numpy() if logits_stored else logits.sigmoid().numpy()
        return float(np.abs(ours - expected).max())

    with torch.inference_mode():
        from_waveform = difference(model(torch.from_numpy(waveform)))
        from_double = difference(model.network(torch.from_numpy(double_log_mel(waveform, model.frontend.config))))
        spectrogram = difference(model.network(torch.from_numpy(np.concatenate(patches)))) if patches else None
    report = export_onnx(model, card, scratch / f"{card.name}.onnx", waveform[:2])
    session = onnxruntime.InferenceSession(report.path, providers=["CPUExecutionProvider"])
    answers = np.concatenate([session.run(["probabilities"], {"waveform": part})[0] for part in windows])
    onnx = float(np.abs(answers - (sigmoid(expected) if logits_stored else expected)).max())
    domain = "logits" if logits_stored else "probabilities"
    return Row(published, card.input.window_seconds, n_windows, domain, from_waveform, onnx, spectrogram, from_double)


def table(rows: list[Row]) -> str:
    lines = [
        "# Published weights: parity",
        "",
        "Written by `python benchmarks/parity.py`. Three real clips (joram, fishin, sugarplum; at most 30 s, 16 kHz), cut",
        "into the windows of the original programs; largest absolute difference between our answers and those that the",
        "original programs gave, over all clips, windows and 50 tags. Allowed is less than 1e-4.",
        "",
        "| file | imported as | network | window | windows | compared | PyTorch | ONNX Runtime | from their log-mel | exact log-mel |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name, published = row.published.architecture, row.published
        spectrogram = "–" if row.spectrogram is None else f"{row.spectrogram:.1e}"
        lines.append(
            f"| {published.file_name} | {published.name} | {name} | {row.window_seconds:g} s "
            f"| {' + '.join(map(str, row.n_windows))} | {row.domain} | {row.torch:.1e} | {row.onnx:.1e} "
            f"| {spectrogram} | {row.double:.1e} |"
        )
    worst = max(max(row.torch, row.onnx, row.spectrogram or 0.0) for row in rows)
    lines += [
        "",
        f"Largest of all: {worst:.1e}. {sum(row.passed() for row in rows)} of {len(rows)} files are within 1e-4.",
        "",
        "- **PyTorch**, **ONNX Runtime**: from the stored waveform on, our front-end included. ONNX files answer",
        "  probabilities; where the original answers logits, its sigmoid is compared.",
        "- **from their log-mel**: our network on the spectrogram that the original program computed (stored for the",
        "  musicnn files only).",
        "- **exact log-mel**: our network on a spectrogram computed in double precision. Where this is as large as the",
        "  columns before it, the difference is the original's own rounding, not ours: in bands that are nearly empty",
        "  little is left but the rounding of 32-bit numbers, and decibels show it.",
        "- musicnn's original program frames a whole clip and then cuts patches of 187 frames, its first frame centred on",
        "  the first sample. Its cards say so (`lead_samples`): windows begin on 256 mirrored samples, also in",
        "  `earmark tag`.",
        "- mn04 is not in the table: tests/importers/test_mn04.py compares it with its authors' program. Over the 29 windows of",
        "  10 s of the whole clips, at 32 kHz, the largest difference was 2.4e-06 (PyTorch) and 1.6e-06 (ONNX Runtime).",
        "",
        f"torch {torch.__version__.split('+')[0]}, onnxruntime {onnxruntime.__version__}, numpy {np.__version__}; CPU.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/peers")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    folder = arguments.shared / "data" / "peers"
    with np.load(folder / "musicnn_reference.npz") as keras, np.load(folder / "sota_reference.npz") as pytorch:
        references = {**keras, **pytorch}
    with tempfile.TemporaryDirectory() as scratch:
        rows = [measure(published, folder, references, Path(scratch)) for published in STORED]
    text = table(rows)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text, encoding="utf-8")
    return 0 if all(row.passed() for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""One model with its weights in 32, 16 and 8 bits, and computed in 8 bits: accuracy and speed.

    python benchmarks/variants.py --checkpoint default/model/checkpoint --sets default/sets --out docs/results/variants.md

Scores of each file against those in single precision, and agreement with the averaged teachers, on the held-out sources that
`earmark distill label` has labelled; speed of the network alone, on one thread, the variants in turn. Computed in 8 bits: ONNX
Runtime's static quantisation of convolutions and dense layers, with scales from Emotify's validation songs.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from machine import cpu_name
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import earmark
from earmark.audio import cut
from earmark.datasets.labelled_set import LabelledSet, LabelledSets
from earmark.datasets.labelled_set.shards import RATE_HZ
from earmark.distillation.agreement import (
    compare,
    fused_labels,
    fusion_of_all_teachers,
    known_label_auc,
    network_scores,
)
from earmark.distillation.windows import to_float
from earmark.export import check_signals, export_onnx
from earmark.models.checkpoint import load_checkpoint
from earmark.tagging.runtime import OnnxModel
from earmark.tagging.tagger import Tagger

COMPUTED = "int8, computed"


class Windows(CalibrationDataReader):  # type: ignore[misc]
    """Windows of real music, from which the scales of what flows through the network are taken."""

    def __init__(self, labelled: LabelledSet, most: int = 64) -> None:
        found = [np.asarray(samples) for part in labelled.audio for samples in part][:most]
        self.left: Iterator[dict[str, np.ndarray]] = iter(
            [{"waveform": to_float(samples[:155_200])[None]} for samples in found]
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next window, None behind the last."""
        return next(self.left, None)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    model, card = load_checkpoint(options.checkpoint)
    sets = LabelledSets.open(options.sets)
    held_out, validation = sets["heldout"], sets["validation"]
    teachers = fused_labels(held_out, fusion_of_all_teachers(sets), sets.union)
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        for weights in ("float32", "float16", "int8"):
            files[weights] = Path(folder) / f"{weights}.onnx"
            export_onnx(model, card, files[weights], check_signals(card.input), weights)
        files[COMPUTED] = computed(files["float32"], Path(folder), validation)
        seconds = speeds(files, card.input, options.rounds)
        names = card.vocabulary.names
        first = None
        rows = []
        for title, path in files.items():
            tagger = Tagger(OnnxModel(path))
            scores = network_scores(tagger, held_out)
            first = scores if first is None else first
            agreement = compare(scores, names, held_out, teachers, sets.union)
            genres = known_label_auc(network_scores(tagger, validation), names, validation, sets)[0]
            rows.append(
                f"| {title} | {path.stat().st_size / 1e6:.2f} | {10 / seconds[title]:,.0f} "
                f"| {np.abs(scores - first).max():.4f} | {agreement.mean_correlation:.4f} | {agreement.mean_shared:.3f} | {genres.mean():.4f} |"
            )
    page = "\n".join(
        [
            "# One model, kept and computed in fewer bits",
            "",
            f"Written by `python benchmarks/variants.py`, model {card.name}. Machine: {cpu_name()}, one thread, ONNX Runtime "
            f"{onnxruntime.__version__}, earmark {earmark.__version__}. Agreement is with all teachers averaged, on "
            f"{len(held_out)} parts of 29.1 s of held-out sources; genres: mean ROC-AUC on Emotify's validation songs. Scores "
            "before calibration.",
            "",
            "| weights | MB | network alone, x real time | largest difference of a score | rank correlation | top 5 shared | genres |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "The first three compute in single precision: their weights are widened when the file is loaded.",
            "",
        ]
    )
    print(page)
    if options.out:
        options.out.write_text(page, encoding="utf-8")


def computed(path: Path, folder: Path, labelled: LabelledSet) -> Path:
    """The same network with convolutions and dense layers in eight bits."""
    prepared, out = folder / "prepared.onnx", folder / "computed.onnx"
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(out),
        Windows(labelled),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "Gemm"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    # The card goes along.
    whole, source = onnx.load(out), onnx.load(path)
    del whole.metadata_props[:]
    whole.metadata_props.extend(source.metadata_props)
    onnx.save(whole, out)
    return out


def speeds(files: dict[str, Path], spec: object, rounds: int) -> dict[str, float]:
    """CPU seconds for ten seconds of audio, the median over rounds."""
    noise = (np.random.default_rng(0).standard_normal(4 * 155_200) * 0.1).astype(np.float32)
    windows = cut(noise, spec)  # type: ignore[arg-type]
    models = {title: OnnxModel(path) for title, path in files.items()}
    taken: dict[str, list[float]] = {title: [] for title in files}
    for _ in range(rounds + 1):
        for title, model in models.items():
            started = time.process_time()
            model(windows)
            taken[title].append((time.process_time() - started) * 10 * RATE_HZ / len(noise))
    return {title: float(np.median(values[1:])) for title, values in taken.items()}


if __name__ == "__main__":
    main()

"""Runs other ways to musicnn's tags on files, for `benchmarks/peers.py`; an interpreter of their own runs this, without earmark.

    /path/to/environment/bin/python benchmarks/peer_pipelines.py essentia --network msd-musicnn-1.pb --report report.json song.mp3 ...

- essentia: `MonoLoader` and `TensorflowPredictMusiCNN` of essentia-tensorflow, as its models' pages show them, with patches side by
  side, since earmark's windows do not overlap either.
- librosa: `librosa.load`, its mel-spectrogram, and the network in ONNX Runtime on all cores, eight patches at a time: the way of
  AudioMuse-AI 3.3 (tasks/analysis/song.py). The network takes spectrograms: what follows the front-end in a musicnn that earmark
  exported (:func:`without_frontend`).

Either makes its network once and takes one file after another; with --workers in processes of one thread, files divided among them.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

RATE_HZ, PATCH_FRAMES, BATCH = 16_000, 187, 8
FRONTEND_END = "log10"


class Essentia:
    """Decoder and network of essentia-tensorflow."""

    def __init__(self, network):
        import essentia
        from essentia.standard import MonoLoader, TensorflowPredictMusiCNN

        essentia.log.infoActive = essentia.log.warningActive = False
        self.loader = MonoLoader
        self.network = TensorflowPredictMusiCNN(graphFilename=network, patchHopSize=PATCH_FRAMES)

    def read(self, path):
        return self.loader(filename=path, sampleRate=RATE_HZ, resampleQuality=4)()

    def scores(self, audio):
        return self.network(audio)


class Librosa:
    """librosa, and the network in ONNX Runtime."""

    def __init__(self, network, threads=0):
        import librosa
        import onnxruntime

        self.librosa = librosa
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

    def read(self, path):
        return self.librosa.load(path, sr=RATE_HZ, mono=True)[0]

    def scores(self, audio):
        import numpy as np

        power = self.librosa.feature.melspectrogram(
            y=audio, sr=RATE_HZ, n_fft=512, hop_length=256, n_mels=96, center=False
        )
        log_mel = np.log10(1 + 10_000 * power)
        n = log_mel.shape[1] // PATCH_FRAMES
        patches = log_mel[:, : n * PATCH_FRAMES].reshape(96, n, PATCH_FRAMES).transpose(1, 0, 2).astype(np.float32)
        (name,) = (item.name for item in self.session.get_inputs())
        return np.concatenate(
            [self.session.run(None, {name: patches[i : i + BATCH]})[0] for i in range(0, n, BATCH)], axis=0
        )


PIPELINES = {"essentia": Essentia, "librosa": Librosa}
PACKAGES = {
    "essentia": ("essentia-tensorflow", "numpy"),
    "librosa": ("librosa", "onnxruntime", "soundfile", "soxr", "numpy"),
}
state = {}
"""What a process keeps: the pipeline, and how long it took to make."""


def without_frontend(model, out):
    """The part of an exported musicnn that takes log-mel-spectrograms, as a file of its own. Needs the package onnx."""
    import onnx.utils

    onnx.utils.extract_model(str(model), str(out), [FRONTEND_END], ["probabilities"])


def start(name, network, alone):
    began = time.perf_counter()
    pipeline = PIPELINES[name]
    state["pipeline"] = pipeline(network) if alone or name == "essentia" else pipeline(network, threads=1)
    state["importing"] = time.perf_counter() - began


def tag(path):
    """One file: its scores, or the error, and where the time went."""
    began = time.perf_counter()
    record = {"path": path}
    try:
        audio = state["pipeline"].read(path)
        read = time.perf_counter()
        mean = state["pipeline"].scores(audio).mean(axis=0)
        record["seconds"] = {"loading": 0.0, "reading": read - began, "network": time.perf_counter() - read}
        record["scores"] = [round(float(score), 4) for score in mean]
    except Exception as error:  # noqa: BLE001 - whatever it cannot do is for the report
        record["error"] = f"{type(error).__name__}: {error}"
    return record, state["importing"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", choices=PIPELINES)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--network", required=True)
    parser.add_argument("--report", required=True, help="JSON file to write")
    parser.add_argument("--workers", type=int, default=0, help="processes of one thread; 0: this process alone")
    options = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if options.workers:
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            os.environ[name] = "1"
        with ProcessPoolExecutor(
            options.workers, get_context("spawn"), start, (options.pipeline, options.network, False)
        ) as pool:
            answers = list(pool.map(tag, options.paths))
    else:
        start(options.pipeline, options.network, True)
        answers = [tag(path) for path in options.paths]
    report = {"importing": max(seconds for _, seconds in answers), "files": [record for record, _ in answers]}
    report["versions"] = {"Python": sys.version.split()[0]}
    for name in PACKAGES[options.pipeline]:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            report["versions"][name] = importlib.metadata.version(name)
    Path(options.report).write_text(json.dumps(report))


if __name__ == "__main__":
    main()

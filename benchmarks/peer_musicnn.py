"""Runs musicnn on files, for `benchmarks/peers.py`; its own interpreter runs this, which has no earmark.

    /path/to/environment/bin/python benchmarks/peer_musicnn.py api --report report.json song.mp3 ...

The ways in which it can be used, from the one its documentation shows to the fastest that we found:

- api: one process calls `musicnn.tagger.top_tags` for one file after another.
- batched: the same, with its own constant BATCH_SIZE (1 as it comes) raised.
- workers: as batched, in one process per core with one thread each, files divided among them.
- kept: as workers, but the network is built and its weights are read once per process, not once per file. musicnn has no
  function for that: this is its own `batch_data` and `define_model` with a loop of ours around them.
- scores: one process, mean scores of all tags, nothing timed. To check that the weights are the right ones.

The report, JSON: seconds until musicnn could be called (importing), and for each file its tags and the seconds
that went into preparing the network (loading), reading audio and computing the spectrogram (reading), and the
network itself (network).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

WAYS = ("api", "batched", "workers", "kept", "scores")
MODEL = "MTT_musicnn"
TOP = 5


class Clock:
    """Seconds between the marks of one file."""

    def __init__(self):
        self.marks = [time.perf_counter()]

    def mark(self):
        self.marks.append(time.perf_counter())

    def parts(self):
        """Loading, reading and network, of one file."""
        self.mark()
        # musicnn prepares its network, then calls batch_data, then asks the network.
        spans = [after - before for before, after in zip(self.marks, self.marks[1:], strict=False)]
        return dict(zip(("loading", "reading", "network"), spans, strict=False))


def import_musicnn(batch):
    """musicnn with BATCH_SIZE set (0: as it comes), and `batch_data` made to say when it begins and ends."""
    from musicnn import configuration, extractor, tagger

    if batch:
        configuration.BATCH_SIZE = batch
    original = extractor.batch_data

    def batch_data(*arguments):
        state["clock"].mark()
        try:
            return original(*arguments)
        finally:
            state["clock"].mark()

    extractor.batch_data = batch_data
    return extractor, tagger


state = {}
"""What a process keeps: the functions of musicnn, the clock of the file in work, the kept network."""


def start(way, batch):
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        state["extractor"], state["tagger"] = import_musicnn(batch)
        state["importing"] = time.perf_counter() - started
        if way == "kept":
            state["network"] = KeptNetwork(batch)


class KeptNetwork:
    """The network of musicnn, built once: what `musicnn.extractor.extractor` does again for every file."""

    def __init__(self, batch):
        import tensorflow as tf
        from musicnn import configuration, models

        self.labels = configuration.MTT_LABELS
        self.batch = batch
        self.n_frames = 187
        self.x = tf.compat.v1.placeholder(tf.float32, [None, self.n_frames, configuration.N_MELS])
        self.is_training = tf.compat.v1.placeholder(tf.bool)
        with tf.name_scope("model"):
            logits = models.define_model(self.x, self.is_training, MODEL, len(self.labels))[0]
            self.scores = tf.nn.sigmoid(logits)
        self.session = tf.compat.v1.Session()
        self.session.run(tf.compat.v1.global_variables_initializer())
        folder = Path(state["extractor"].__file__).parent / MODEL
        tf.compat.v1.train.Saver().restore(self.session, f"{folder}/")

    def top_tags(self, path):
        import numpy as np

        patches, _ = state["extractor"].batch_data(path, self.n_frames, self.n_frames)
        parts = [patches[i : i + self.batch] for i in range(0, len(patches), self.batch)]
        asked = [self.session.run(self.scores, {self.x: part, self.is_training: False}) for part in parts]
        mean = np.concatenate(asked).mean(axis=0)
        return [self.labels[i] for i in mean.argsort()[::-1][:TOP]]


def tag(path):
    """One file: its tags, or the error, and where the time went."""
    state["clock"] = Clock()
    record = {"path": path}
    with contextlib.redirect_stdout(io.StringIO()):  # musicnn prints as it goes
        try:
            if "network" in state:
                record["tags"] = state["network"].top_tags(path)
            else:
                record["tags"] = state["tagger"].top_tags(path, model=MODEL, topN=TOP, print_tags=False)
        except Exception as error:  # noqa: BLE001 - whatever it cannot do is for the report
            record["error"] = f"{type(error).__name__}: {error}"
    record["seconds"] = state["clock"].parts()
    return record, state["importing"]


def scores(path):
    state["clock"] = Clock()
    with contextlib.redirect_stdout(io.StringIO()):
        taggram, labels = state["extractor"].extractor(path, model=MODEL, extract_features=False)[:2]
    record = {"path": path, "scores": dict(zip(labels, map(float, taggram.mean(axis=0)), strict=True))}
    return record, state["importing"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--report", required=True, help="JSON file to write")
    parser.add_argument("--batch", type=int, default=0, help="patches a call of the network; 0: as musicnn comes")
    parser.add_argument("--workers", type=int, default=1, help="processes, for workers and kept")
    options = parser.parse_args()
    if options.way in ("workers", "kept"):
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            os.environ[name] = "1"  # the processes share the cores: more threads would stand in each other's way
        with ProcessPoolExecutor(
            options.workers, get_context("spawn"), initializer=start, initargs=(options.way, options.batch or 1)
        ) as pool:
            answers = list(pool.map(tag, options.paths))
    else:
        start(options.way, options.batch)
        answers = [scores(path) if options.way == "scores" else tag(path) for path in options.paths]
    report = {"importing": max(seconds for _, seconds in answers), "files": [record for record, _ in answers]}
    names = ("musicnn", "tensorflow", "tensorflow-cpu", "librosa", "numpy", "soundfile")
    report["versions"] = {"Python": sys.version.split()[0]}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            report["versions"][name] = importlib.metadata.version(name)
    Path(options.report).write_text(json.dumps(report))


if __name__ == "__main__":
    main()

"""The reader: mutated files of every container, from disk and from memory, with conditioning as earmark-2 has it and without."""

from __future__ import annotations

import zlib
from pathlib import Path
from random import Random

import numpy as np

from earmark import audio
from earmark.core.errors import AudioError
from earmark.core.input_spec import Conditioning
from fuzzing.audio_files import SIGNATURES, dsdiff, dsf, encoded_files
from fuzzing.mutation import mutate
from fuzzing.target import Case, Target, WrongResultError

RATE_HZ = 16_000
SECONDS = 0.4


class Reader(Target):
    """``audio.stream`` of a mutated file."""

    name = "reader"
    title = "Reader (`earmark.audio`)"
    expected = "samples, all finite, or AudioError"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        self.files = [*encoded_files(SECONDS), (".dsf", dsf(0.05)), (".dff", dsdiff(0.05))]
        oggs = [content for suffix, content in self.files if suffix in (".ogg", ".opus", ".oga")]
        self.files += [(".ogg", oggs[0] + other) for other in oggs[1:]]  # chained streams
        self.contents = [content for _, content in self.files]

    def generate(self, rng: Random) -> Case:
        if rng.random() < 0.05:
            suffix, start = rng.choice(SIGNATURES)
            return Case(f"sound{suffix}", mutate(start + rng.randbytes(rng.choice((100, 4000))), rng, self.contents))
        suffix, content = rng.choice(self.files)
        if rng.random() < 0.02:
            suffix = rng.choice(self.files)[0]  # the ending only decides which format is tried first
        return Case(f"sound{suffix}", mutate(content, rng, self.contents))

    def check(self, case: Case) -> str:
        source: audio.AudioSource = audio.AudioBytes(case.content, case.name)
        way = zlib.crc32(case.content)
        if way % 4:
            source = self.folder / case.name
            source.write_bytes(case.content)
        try:
            for block in audio.AudioStream(source, RATE_HZ, Conditioning() if way % 3 else None):
                if block.dtype != np.float32 or block.ndim != 1 or not np.isfinite(block).all():
                    raise WrongResultError("samples are no finite float32", f"{block.dtype} {block.shape}")
        except AudioError as error:
            if not error.reason or "\n" in error.reason:
                raise WrongResultError("an AudioError without a reason of one line", repr(error.reason)) from error
            return "refused"
        return "read"

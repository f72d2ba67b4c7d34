"""The sparse reader: windows read by seeking equal those of a full read."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.audio.chunker import sparse_starts, sparse_windows
from earmark.audio.seeking import CannotSeekError
from earmark.core.errors import AudioError
from earmark.core.input_spec import InputSpec
from fuzzing.audio_files import encoded_files
from fuzzing.mutation import mutate, repair_ogg_checksums
from fuzzing.target import Case, Target, WrongResultError

Floats = npt.NDArray[np.float32]

SPEC = InputSpec(sample_rate_hz=16_000, window_samples=6_000, hop_samples=6_000)
N_WINDOWS = 3
SECONDS = 4.0
TOLERANCE = 1e-4
AAC_SUFFIXES = (".m4a", ".mov")
AAC_FRAME_SAMPLES = -(-1024 * SPEC.sample_rate_hz // 44_100)
SUFFIXES = (".mp3", ".wav", ".rf64", ".flac", ".ogg", ".opus", ".oga", ".m4a", ".mov", ".aiff", ".aifc")


def pages_intact(content: bytes) -> bool:
    """Whether the pages of an Ogg file have right checksums and are numbered without a gap (RFC 3533)."""
    repaired = bytearray(content)
    repair_ogg_checksums(repaired)
    if repaired != content:
        return False
    following: dict[bytes, int] = {}
    for match in re.finditer(rb"OggS\0", content):
        page = content[match.start() : match.start() + 27]
        serial, number = page[14:18], int.from_bytes(page[18:22], "little")
        if number != following.get(serial, number):
            return False
        following[serial] = number + 1
    return True


def layouts(path: Path) -> set[str]:
    """Channel layouts of a file's frames."""
    with audio.AudioStream(path, SPEC.sample_rate_hz).open_container() as container:
        return {frame.layout.name for frame in container.decode(audio=0)}


class SparseReader(Target):
    """``sparse_windows`` of a mutated file, compared with a full read."""

    name = "sparse"
    title = "Sparse reader (`earmark.audio.seeking`)"
    expected = "the windows of a full read, or CannotSeekError"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        self.files = encoded_files(SECONDS, SUFFIXES)
        self.contents = [content for _, content in self.files]

    def generate(self, rng: Random) -> Case:
        suffix, content = rng.choice(self.files)
        return Case(f"sound{suffix}", content if rng.random() < 0.01 else mutate(content, rng, self.contents))

    def check(self, case: Case) -> str:
        path = self.folder / case.name
        path.write_bytes(case.content)
        try:
            found = sparse_windows(path, SPEC, N_WINDOWS)
        except CannotSeekError:
            return "cannot seek"
        stream = audio.AudioStream(path, SPEC.sample_rate_hz)
        try:
            blocks = list(stream)
        except AudioError:
            return "damage outside of the windows"  # as documented: found only in the parts that are read
        if any(text.startswith("damaged") for text in stream.warnings):
            return "damage outside of the windows"
        samples = np.concatenate(blocks)
        starts = tuple(sparse_starts(len(samples), SPEC, N_WINDOWS).tolist())
        if found is None:
            if starts:
                raise WrongResultError("no windows, though the file is long enough", f"{len(samples)} samples")
            return "too short"
        if abs(found.duration_seconds - stream.duration_seconds) > 1e-6:
            # Parts are missing, or time stamps are wrong, between the windows: nobody can know who does not read them.
            return "damage outside of the windows"
        if found.starts != starts:
            raise WrongResultError(f"other windows than of a full read ({path.suffix})", f"{found.starts} and {starts}")
        if case.content.startswith(b"OggS") and not pages_intact(case.content):
            return "damage outside of the windows"
        if len(layouts(path)) > 1:  # from a damaged packet on, other channels
            return "damage outside of the windows"
        for start, part in zip(starts, found.samples, strict=True):
            whole = samples[start : start + SPEC.window_samples]
            if part.shape != whole.shape or not np.allclose(
                part, whole, rtol=0, atol=TOLERANCE * max(1.0, stream.peak)
            ):
                if part.shape == whole.shape and path.suffix in AAC_SUFFIXES and _in_one_frame(part, whole):
                    return "one damaged AAC frame"
                apart = float(np.abs(part - whole).max()) if part.shape == whole.shape else float("nan")
                raise WrongResultError(f"other samples than of a full read ({path.suffix})", f"apart by {apart:.3g}")
        return "equal"


def _in_one_frame(part: Floats, whole: Floats) -> bool:
    """Whether two windows differ within one frame of AAC and its overlap with the next alone.

    FFmpeg answers some damaged frames in one way in a filter graph, as in most of a file on disk, and in another packet by
    packet, as in memory and at the beginning of a file whose parts are read: each always the same. Why is not known.
    """
    apart = np.flatnonzero(np.abs(part - whole) > TOLERANCE)
    return bool(np.ptp(apart) < 2 * AAC_FRAME_SAMPLES)

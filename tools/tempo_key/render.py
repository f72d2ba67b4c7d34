"""Notes to sound, by FluidSynth's library and a sound font."""

from __future__ import annotations

import ctypes
import ctypes.util
import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from tools.tempo_key.parts import DRUM_CHANNEL
from tools.tempo_key.pieces import Piece

RATE_HZ = 22_050
_BLOCK = 64
_FLUSH = 64
_LINEAR = 1  # the cheaper interpolation: rendering takes most of the time


class Synthesizer:
    """FluidSynth with one sound font (GM): a piece in, mono samples at 16 kHz out.

    Args:
        font: an .sf2 or .sf3 file.

    Raises:
        OSError: no libfluidsynth (Debian: libfluidsynth3), or the font cannot be read.
    """

    def __init__(self, font: Path) -> None:
        name = ctypes.util.find_library("fluidsynth")
        if name is None:
            raise OSError("no libfluidsynth; Debian has it in libfluidsynth3")
        lib = self._lib = ctypes.CDLL(name)
        for function in ("new_fluid_settings", "new_fluid_synth"):
            getattr(lib, function).restype = ctypes.c_void_p
        self._settings = ctypes.c_void_p(lib.new_fluid_settings())
        lib.fluid_settings_setnum(self._settings, b"synth.sample-rate", ctypes.c_double(RATE_HZ))
        lib.fluid_settings_setnum(self._settings, b"synth.gain", ctypes.c_double(0.35))
        lib.fluid_settings_setint(self._settings, b"synth.chorus.active", 0)
        lib.fluid_settings_setint(self._settings, b"synth.polyphony", 64)
        self._synth = ctypes.c_void_p(lib.new_fluid_synth(self._settings))
        lib.fluid_synth_set_interp_method(self._synth, -1, _LINEAR)
        if lib.fluid_synth_sfload(self._synth, str(font).encode(), 1) < 0:
            raise OSError(f"{font}: not a sound font that FluidSynth can read")

    def render(self, piece: Piece, seconds: float, seed: int) -> npt.NDArray[np.float32]:
        """The first seconds of a piece, with reverberation, detuning and levels by chance; the detuning is in ``self.cents``."""
        rng = random.Random(seed)
        lib, synth = self._lib, self._synth
        lib.fluid_synth_system_reset(synth)
        lib.fluid_synth_reverb_on(synth, -1, int(rng.random() < 0.4))
        self.cents = rng.gauss(0, 15) if rng.random() < 0.5 else 0.0
        for channel, program in piece.programs.items():
            lib.fluid_synth_program_change(synth, channel, program)
            lib.fluid_synth_pitch_bend(synth, channel, round(8192 * (1 + max(-99, min(99, self.cents)) / 200)))
            lib.fluid_synth_cc(synth, channel, 7, rng.randint(70, 120))
        lib.fluid_synth_cc(synth, DRUM_CHANNEL, 7, rng.randint(70, 125))
        lib.fluid_synth_program_change(synth, DRUM_CHANNEL, rng.choice([0, 0, 8, 16, 24, 25, 32]))
        n_blocks = int(seconds * RATE_HZ) // _BLOCK + 1
        events = sorted(
            event
            for note in piece.notes
            for event in (
                (int(note.begin_s * RATE_HZ) // _BLOCK, 1, note.channel, note.pitch, note.velocity),
                (int(note.end_s * RATE_HZ) // _BLOCK, 0, note.channel, note.pitch, 0),
            )
        )
        left, right = (np.zeros(n_blocks * _BLOCK, np.float32) for _ in range(2))
        self._write(left[: _FLUSH * _BLOCK].copy(), right[: _FLUSH * _BLOCK].copy(), 0, _FLUSH)  # what was sounding
        done = 0
        for block, is_on, channel, pitch, velocity in [*events, (n_blocks, 0, 0, 0, 0)]:
            if (until := min(block, n_blocks)) > done:
                self._write(left, right, done, until)
                done = until
            if done >= n_blocks:
                break
            if is_on:
                lib.fluid_synth_noteon(synth, channel, pitch, velocity)
            else:
                lib.fluid_synth_noteoff(synth, channel, pitch)
        mono: npt.NDArray[np.float32] = soxr.resample((left + right) / 2, RATE_HZ, 16_000)
        return mono[: round(seconds * 16_000)]

    def _write(self, left: npt.NDArray[np.float32], right: npt.NDArray[np.float32], begin: int, end: int) -> None:
        n = (end - begin) * _BLOCK
        pointers = [ctypes.c_void_p(channel[begin * _BLOCK :].ctypes.data) for channel in (left, right)]
        self._lib.fluid_synth_write_float(self._synth, n, pointers[0], 0, 1, pointers[1], 0, 1)

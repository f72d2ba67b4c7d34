"""Renders the pieces in notes/ to the clips in clips/: notes -> MIDI -> fluidsynth -> level -> encoder.

    python examples/render.py                    all pieces
    python examples/render.py 05-jazz            one piece
Needs Python with numpy and av, the program fluidsynth, and a General MIDI SoundFont
(on Debian and Ubuntu: apt install fluidsynth fluid-soundfont-gm).
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from midi import to_midi
from score import Clip, Piece, read_piece

HERE = Path(__file__).parent
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
ARTIST, ALBUM, LICENCE = "earmark examples", "earmark examples", "CC0 1.0"
MAX_CLIP_BYTES = 300_000
PEAK_DBFS = -1.0
LOUDNESS_DBFS = -17.0  # RMS; reached only as far as the piece's limiting_db allows
_CODECS = {"flac": "flac", "m4a": "aac", "mp3": "libmp3lame", "ogg": "vorbis", "opus": "libopus"}
_SAMPLE_FORMATS = {"flac": "s16", "m4a": "fltp", "mp3": "fltp", "ogg": "fltp", "opus": "flt"}
_LAYOUTS = {1: "mono", 2: "stereo"}


def synthesise(piece: Piece, soundfont: Path, sample_rate_hz: int) -> np.ndarray:
    """The piece as (2, n_samples) float32, at the level fluidsynth gives, with the ring after the last note."""
    with tempfile.TemporaryDirectory() as folder:
        midi_path, raw_path = Path(folder, "piece.mid"), Path(folder, "piece.raw")
        midi_path.write_bytes(to_midi(piece))
        command = ["fluidsynth", "-ni", "-q", "-g", "0.3", "-r", str(sample_rate_hz), "-O", "float", "-E", "little"]
        command += ["-T", "raw", "-F", str(raw_path), str(soundfont), str(midi_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not raw_path.is_file() or not raw_path.stat().st_size:
            raise SystemExit(f"fluidsynth failed for {piece.name} (exit {done.returncode}): {done.stderr.strip()}")
        return np.fromfile(raw_path, dtype="<f4").reshape(-1, 2).T


def finish(samples: np.ndarray, piece: Piece, sample_rate_hz: int) -> np.ndarray:
    """Cuts after the tail, fades, and limits: (channels, n_samples) float32 with its peak at PEAK_DBFS."""
    loud = np.abs(samples).max(axis=0) > 1e-3 * np.abs(samples).max()
    last = np.flatnonzero(loud)[-1] + 1
    end = min(last, int((piece.length_seconds + piece.tail_seconds) * sample_rate_hz))
    samples = samples[:, :end].astype(np.float64)
    fade = min(end, int(max(piece.fade_seconds, 0.4) * sample_rate_hz))
    samples[:, -fade:] *= 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, fade))
    peak_gain_db = PEAK_DBFS - decibels(np.abs(samples).max())
    loudness_gain_db = LOUDNESS_DBFS - decibels(np.sqrt(np.mean(samples**2)))
    gain_db = float(np.clip(loudness_gain_db, peak_gain_db, peak_gain_db + piece.limiting_db))
    return limited(samples * 10 ** (gain_db / 20), 10 ** (PEAK_DBFS / 20), sample_rate_hz).astype(np.float32)


def limited(samples: np.ndarray, ceiling: float, sample_rate_hz: int) -> np.ndarray:
    """The samples turned down around each peak over the ceiling, smoothly, looking 5 ms ahead and behind."""
    gain = np.minimum(1.0, ceiling / np.maximum(np.abs(samples).max(axis=0), ceiling))
    reach = int(0.005 * sample_rate_hz)
    held = np.lib.stride_tricks.sliding_window_view(np.pad(gain, 2 * reach, mode="edge"), 2 * reach + 1).min(axis=1)
    window = np.hanning(2 * reach + 3)[1:-1]
    return samples * np.convolve(held, window / window.sum(), mode="valid")


def dithered(samples: np.ndarray, bits_per_sample: int, seed: int) -> np.ndarray:
    """The samples rounded to so many bits, with triangular dither, so that what is soft fades into hiss, not grit.

    FLAC leaves out low bits that are always zero: this is what makes a lossless clip small enough.
    """
    steps = 2 ** (bits_per_sample - 1)
    random = np.random.default_rng(seed)
    noise = random.uniform(-0.5, 0.5, samples.shape) + random.uniform(-0.5, 0.5, samples.shape)
    return (np.clip(np.round(samples * steps + noise), -steps, steps - 1) / steps).astype(np.float32)


def resampled(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """(channels, n_samples) float32 at another rate."""
    if from_hz == to_hz:
        return samples
    resampler = av.AudioResampler(format="fltp", rate=to_hz)
    frames = [*resampler.resample(_frame(samples, from_hz, "fltp")), *resampler.resample(None)]
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


def decibels(amplitude: float) -> float:
    return 20 * math.log10(max(float(amplitude), 1e-12))


def encode(samples: np.ndarray, clip: Clip, path: Path, title: str) -> None:
    """Writes (channels, n_samples) float32, at the clip's rate, with title, artist, album and licence beside it."""
    metadata = {"title": title, "artist": ARTIST, "album": ALBUM, "copyright": LICENCE}
    if clip.suffix == "flac":
        samples = dithered(samples, clip.detail, seed=0)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        container.metadata.update(metadata)
        stream = container.add_stream(_CODECS[clip.suffix], rate=clip.sample_rate_hz, layout=_LAYOUTS[clip.channels])
        if clip.suffix == "flac":
            stream.options = {"compression_level": "12"}
        elif clip.suffix == "ogg":  # FFmpeg's own Vorbis encoder: knows a quality, no bit rate
            stream.options = {"strict": "experimental", "flags": "+qscale", "global_quality": str(clip.detail)}
        else:
            stream.bit_rate = clip.detail
        container.mux(stream.encode(_frame(samples, clip.sample_rate_hz, _SAMPLE_FORMATS[clip.suffix])))
        container.mux(stream.encode(None))


def _frame(samples: np.ndarray, sample_rate_hz: int, sample_format: str) -> av.AudioFrame:
    """(channels, n_samples) float32 as one frame; 'fltp' keeps channels apart, 'flt' and 's16' interleave them."""
    if sample_format == "s16":
        samples = np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)
    array = samples if sample_format == "fltp" else samples.T.reshape(1, -1)
    array = np.ascontiguousarray(array)
    frame = av.AudioFrame.from_ndarray(array, format=sample_format, layout=_LAYOUTS[len(samples)])
    frame.sample_rate = sample_rate_hz
    frame.pts, frame.time_base = 0, Fraction(1, sample_rate_hz)  # without a time, Ogg Vorbis comes out mislabelled
    return frame


def decode(path: Path) -> tuple[np.ndarray, int]:
    """A file as ((channels, n_samples) float32, sample rate in Hz)."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp")
        frames = [out.to_ndarray() for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        return np.concatenate(frames, axis=1), container.streams.audio[0].rate


def render(piece: Piece, soundfont: Path, folder: Path) -> Path:
    """Writes the clip of a piece. A lossy encoder overshoots, so the level is set on what the clip decodes to."""
    clip = piece.clip
    synthesis_rate_hz = clip.sample_rate_hz if clip.sample_rate_hz >= 44_100 else 3 * clip.sample_rate_hz
    samples = synthesise(piece, soundfont, synthesis_rate_hz)
    if clip.channels == 1:
        samples = samples.mean(axis=0, keepdims=True)
    samples = resampled(finish(samples, piece, synthesis_rate_hz), synthesis_rate_hz, clip.sample_rate_hz)
    path = folder / f"{piece.name}.{clip.suffix}"
    for _ in range(6):
        encode(samples, clip, path, piece.title)
        excess_db = decibels(np.abs(decode(path)[0]).max()) - PEAK_DBFS
        if abs(excess_db) < 0.3:
            break
        samples = samples * np.float32(10 ** (-excess_db / 20))
    size_bytes = path.stat().st_size
    if size_bytes >= MAX_CLIP_BYTES:
        path.unlink()
        advice = "lower the last number of its clip line, or shorten the piece"
        raise SystemExit(f"{path.name}: {size_bytes} bytes, allowed are fewer than {MAX_CLIP_BYTES}; {advice}")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pieces", nargs="*", help="names of pieces in notes/, such as 05-jazz; all when none is given")
    parser.add_argument("--soundfont", type=Path, default=SOUNDFONT, help=f"a General MIDI .sf2 file ({SOUNDFONT})")
    parser.add_argument("--out", type=Path, default=HERE / "clips", help="folder for the clips (examples/clips)")
    parser.add_argument("--midi", type=Path, help="folder to keep the Standard MIDI Files in, too")
    arguments = parser.parse_args()
    known = {path.stem: path for path in sorted((HERE / "notes").glob("*.txt"))}
    if unknown := set(arguments.pieces) - known.keys():
        parser.error(f"no piece {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if shutil.which("fluidsynth") is None:
        parser.error("the program fluidsynth is not installed; on Debian: apt install fluidsynth")
    if not arguments.soundfont.is_file():
        parser.error(f"no SoundFont at {arguments.soundfont}; on Debian: apt install fluid-soundfont-gm")
    for folder in filter(None, (arguments.out, arguments.midi)):
        folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.pieces or known:
        piece = read_piece(known[name])
        if arguments.midi:
            (arguments.midi / f"{name}.mid").write_bytes(to_midi(piece))
        path = render(piece, arguments.soundfont, arguments.out)
        samples, rate_hz = decode(path)
        rms, peak = decibels(np.sqrt(np.mean(samples**2))), decibels(np.abs(samples).max())
        seconds = samples.shape[1] / rate_hz
        print(f"{path.name:18} {seconds:5.1f} s  {path.stat().st_size:7} bytes  peak {peak:5.1f}  RMS {rms:5.1f} dBFS")


if __name__ == "__main__":
    main()

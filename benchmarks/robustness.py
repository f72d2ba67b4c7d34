"""Do tags depend on the music, or on how the file was made? The same songs in many forms, compared with themselves.

    python benchmarks/robustness.py --emotify ../shared/data/emotify --model BEFORE.onnx --model earmark-2 \
        --model musicnn-mtt --out docs/results/robustness.md

Songs are the example clips and 60 of Emotify, their first 30 s at 44.1 kHz. Every form is a file in memory that is decoded
as any other. A form's scores are compared with those of the song as 32-bit float WAV.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from machine import cpu_name

from earmark import audio, load_tagger
from earmark.audio.file_discovery import find_audio
from earmark.core.errors import AudioError
from earmark.tagging.runtime import DEFAULT_MODEL

ROOT = Path(__file__).parent.parent
RATE_HZ = 44_100
SONG_SECONDS = 30.0
N_EMOTIFY = 60
LAYOUTS = {1: "mono", 2: "stereo", 4: "4.0", 6: "5.1", 8: "7.1"}
Results = dict[str, dict[str, dict[str, tuple[float, bool]]]]
"""Model -> song -> row of the table -> largest change of a score, and whether the highest tag stayed."""
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Form:
    """One way to make a file of a song.

    Attributes:
        group, name: how it is called in the table.
        change: song ``(n_channels, n_samples)`` at 44.1 kHz -> samples.
        codec, container, options, sample_format: of the file.
        rate_hz: of the file.
    """

    group: str
    name: str
    change: Callable[[Samples], Samples] = lambda song: song
    container: str = "wav"
    codec: str = "pcm_f32le"
    kbps: int = 0
    rate_hz: int = RATE_HZ


def _gain(db: float) -> Callable[[Samples], Samples]:
    return lambda song: song * np.float32(10 ** (db / 20))


def _offset(level: float) -> Callable[[Samples], Samples]:
    return lambda song: song * np.float32(0.8) + np.float32(level)


def _rumble(hz: float) -> Callable[[Samples], Samples]:
    return lambda song: song + (0.14 * np.sin(2 * np.pi * hz / RATE_HZ * np.arange(song.shape[1]))).astype(np.float32)


def _both(first: Callable[[Samples], Samples], second: Callable[[Samples], Samples]) -> Callable[[Samples], Samples]:
    return lambda song: second(first(song))


def _live(n_channels: int, live: int) -> Callable[[Samples], Samples]:
    def change(song: Samples) -> Samples:
        out = np.zeros((n_channels, song.shape[1]), np.float32)
        out[live] = song.mean(axis=0)
        return out

    return change


def _against(factor: float, delay_seconds: float = 0.0) -> Callable[[Samples], Samples]:
    def change(song: Samples) -> Samples:
        mono = song.mean(axis=0)
        return np.stack([mono, np.float32(factor) * np.roll(mono, round(delay_seconds * RATE_HZ))])

    return change


def _silence(before: float, within: float, after: float) -> Callable[[Samples], Samples]:
    def change(song: Samples) -> Samples:
        zeros = [np.zeros((len(song), round(seconds * RATE_HZ)), np.float32) for seconds in (before, within, after)]
        middle = song.shape[1] // 2
        return np.concatenate([zeros[0], song[:, :middle], zeros[1], song[:, middle:], zeros[2]], axis=1)

    return change


def _from(seconds: float) -> Callable[[Samples], Samples]:
    return lambda song: song[:, round(seconds * RATE_HZ) :]


def _first(seconds: float) -> Callable[[Samples], Samples]:
    return lambda song: song[:, : round(seconds * RATE_HZ)]


FORMS = [
    *[Form("gain", f"{db:+d} dB", _gain(db)) for db in (-40, -30, -18, -8, 6, 12)],
    Form("gain", "-40 dB in 16 bits", _gain(-40), codec="pcm_s16le"),
    *[Form("offset of the waveform", f"{level:.0%}", _offset(level)) for level in (0.0, 0.02, 0.05, 0.1)],
    *[Form("rumble at -20 dBFS", f"{hz} Hz", _rumble(hz)) for hz in (2, 5, 10, 15)],
    *[
        Form("rumble at -20 dBFS", f"5 Hz, and 10 s of silence {name}", _both(_silence(*parts), _rumble(5)))
        for name, parts in (("before", (10, 0, 0)), ("within", (0, 10, 0)), ("after", (0, 0, 10)))
    ],
    Form("channels", "inverted polarity", lambda song: -song),
    *[Form("channels", f"one live of {n}", _live(n, n // 2 if n != 6 else 2)) for n in (2, 4, 6, 8)],
    Form("channels", "right = -left", _against(-1.0)),
    Form("channels", "right = -0.97 left", _against(-0.97)),
    Form("channels", "right = left", _against(1.0)),
    Form("channels", "right 0.1 ms late", _against(1.0, 0.0001)),
    Form("channels", "right 0.5 ms late", _against(1.0, 0.0005)),
    Form("channels", "right 3 ms late", _against(1.0, 0.003)),
    Form("channels", "right 15 ms late", _against(1.0, 0.015)),
    *[Form("silence", f"{seconds} s after", _silence(0, 0, seconds)) for seconds in (10, 60, 600)],
    *[Form("silence", f"{seconds} s before", _silence(seconds, 0, 0)) for seconds in (10, 60, 600)],
    *[Form("silence", f"{seconds} s within", _silence(0, seconds, 0)) for seconds in (10, 60, 600)],
    *[Form("MP3", f"{kbps} kbit/s", container="mp3", codec="libmp3lame", kbps=kbps) for kbps in (64, 128, 192, 320)],
    *[Form("AAC", f"{kbps} kbit/s", container="mp4", codec="aac", kbps=kbps) for kbps in (64, 128, 256)],
    *[
        Form("Opus", f"{kbps} kbit/s", container="ogg", codec="libopus", kbps=kbps, rate_hz=48_000)
        for kbps in (24, 64, 128)
    ],
    Form("samples", "8 bits", codec="pcm_u8"),
    Form("samples", "16 bits", codec="pcm_s16le"),
    *[
        Form("sample rate", f"{rate / 1000:g} kHz", codec="pcm_s16le", rate_hz=rate)
        for rate in (8_000, 11_025, 16_000, 22_050, 48_000, 96_000, 192_000)
    ],
    *[Form("begins later by", f"{ms} ms", _from(ms / 1000)) for ms in (1, 10, 25, 100, 500)],
    Form("begins later by", "25 ms of silence", _silence(0.025, 0, 0)),
    *[Form("length", f"{seconds:g} s", _first(seconds)) for seconds in (1, 3, 6, 15)],
]
REFERENCE = Form("", "reference")
SHORT_LATER = Form("6 s, and 25 ms later", "", lambda song: _silence(0.025, 0, 0)(_first(6)(song)))
SHORT = Form("", "", _first(6))


def encode(song: Samples, form: Form) -> bytes:
    """The file of a song, in a form."""
    samples = np.ascontiguousarray(form.change(song), np.float32)
    layout = LAYOUTS[len(samples)]
    file = io.BytesIO()
    with av.open(file, "w", format=form.container) as container:
        stream = container.add_stream(form.codec, rate=form.rate_hz, layout=layout)
        if form.kbps:
            stream.bit_rate = 1000 * form.kbps
        resampler = av.AudioResampler(stream.format, layout, form.rate_hz, stream.frame_size or None)
        for i in range(0, samples.shape[1], RATE_HZ):
            part = np.ascontiguousarray(samples[:, i : i + RATE_HZ].T).reshape(
                1, -1
            )  # planes of 8 channels fail in PyAV
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = RATE_HZ, i
            for ready in resampler.resample(frame):
                container.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    return file.getvalue()


def decode(path: Path) -> Samples:
    """The first 30 s of a file, ``(2, n_samples)`` at 44.1 kHz, no louder than full scale."""
    parts = []
    resampler = av.AudioResampler("fltp", "stereo", RATE_HZ)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            parts += [ready.to_ndarray() for ready in resampler.resample(frame)]
    song: Samples = np.concatenate(parts, axis=1)[:, : round(SONG_SECONDS * RATE_HZ)]
    return song / max(1.0, float(np.abs(song).max()))


def songs(emotify: Path, n: int) -> Iterator[tuple[str, Samples]]:
    """The songs by name."""
    for item in find_audio([ROOT / "examples" / "clips"]):
        yield item.path.name, decode(item.path)
    with (emotify / "tracks.csv").open(encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file) if row["split"] != "test"]
    for i in range(n):
        path = paths[i * len(paths) // n]
        yield path, decode(emotify / path)


def measure(options: argparse.Namespace, kept: Results) -> None:
    """Adds the songs that are missing to the results of every model; saves them after each song."""
    taggers = {model: load_tagger(model) for model in options.model}
    pairs = [(REFERENCE, form) for form in FORMS] + [(SHORT, SHORT_LATER)]
    pairs = [pair for pair in pairs if not options.only or pair[1].group in options.only]
    for name, song in songs(options.emotify, options.songs):
        missing = [model for model in taggers if name not in kept.setdefault(model, {})]
        if not missing:
            continue
        files = [audio.AudioBytes(encode(song, form), f"{name} {form.name}") for _, form in pairs]
        bases = {one: audio.AudioBytes(encode(song, one), name) for one in dict.fromkeys(a for a, _ in pairs)}
        for model in missing:
            tagger, rows = taggers[model], {}
            references = {one: tagger.tag(file).scores for one, file in bases.items()}
            for (a, b), result in zip(pairs, tagger.tag_many(files, errors="return"), strict=True):
                if isinstance(result, AudioError):
                    print(f"{name} {b.group} {b.name}: {result.reason}")
                    rows[key(b)] = (1.0, False)
                    continue
                change = np.abs(result.scores - references[a])
                rows[key(b)] = (float(change.max()), bool(result.scores.argmax() == references[a].argmax()))
            kept[model][name] = rows
        if options.results:
            options.results.write_text(json.dumps(kept))


def key(form: Form) -> str:
    """Name of a row of the table."""
    return f"{form.group} | {form.name}"


def _cells(values: list[tuple[float, bool]]) -> str:
    changes, same = zip(*values, strict=True)
    return f"{max(changes):.3f} | {np.mean(changes):.3f} | {np.mean(same):.0%}"


def page(results: Results, options: argparse.Namespace) -> str:
    """docs/results/robustness.md."""
    models = list(results)
    n_songs = len(next(iter(results.values())))
    names = {model: Path(model).stem if model.endswith(".onnx") else model for model in models}
    lines = [
        "# Tags of the same music in other files",
        "",
        f"`python benchmarks/robustness.py --emotify FOLDER {' '.join(f'--model {names[m]}' for m in models)}`  ",
        f"{cpu_name()}; {time.strftime('%Y-%m-%d')}. The {options.n_clips} example clips and {n_songs - options.n_clips} songs of",
        "Emotify (train and validation), 30 s of each. Every row is a form of these files, compared with the same song as",
        "32-bit float WAV; the last row compares two short files. Change: largest change of a score over all songs and tags,",
        "mean over songs of the largest change, and share of the songs whose highest tag stays.",
        "",
        "| | | " + " | ".join(f"{names[m]} largest | mean | highest tag kept" for m in models) + " |",
        "|---|---|" + "---:|---:|---:|" * len(models),
    ]
    for row in next(iter(next(iter(results.values())).values())):
        lines.append(
            f"| {row} | " + " | ".join(_cells([song[row] for song in results[m].values()]) for m in models) + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emotify", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--songs", type=int, default=N_EMOTIFY, help="how many of Emotify")
    parser.add_argument("--only", action="append", default=[], help="only this group of forms; repeatable")
    parser.add_argument(
        "--results", type=Path, help="JSON file in which results are kept; a run that was stopped goes on"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    options.n_clips = len(list(find_audio([ROOT / "examples" / "clips"])))
    options.model = options.model or [DEFAULT_MODEL]
    kept: Results = {}
    if options.results and options.results.is_file():
        kept = json.loads(options.results.read_text())
    measure(options, kept)
    text = page(kept, options)
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()

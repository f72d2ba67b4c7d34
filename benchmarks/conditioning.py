"""What levelling windows does to accuracy, how short clips depend on where they begin, and what mixing channels loses.

    git show 22d2c59:src/earmark/tagging/bundled/earmark-1.onnx > version-1.onnx
    python benchmarks/conditioning.py --emotify ../shared/data/emotify --plain version-1.onnx

The plain model has no level of its own, so that each way of levelling can be tried in front of it. Songs: Emotify's train and
validation splits. docs/design.md has the numbers.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from robustness import ROOT, decode
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from earmark import Tagger, audio, load_tagger
from earmark.audio import chunker
from earmark.audio.file_discovery import find_audio
from earmark.audio.mixer import downmix_shares
from earmark.audio.phase_loss import lost_share
from earmark.core.calibration import calibrated
from earmark.tagging.aggregation import aggregate
from earmark.tagging.runtime import OnnxModel

Floats = npt.NDArray[np.float32]
RATE_HZ = 16_000
GENRES = ("classical", "electronic", "pop", "rock")
MOODS = {"sadness": "sad", "joyful_activation": "happy", "power": "energetic", "tenderness": "soft"}
FRAME_SAMPLES = 65_536


def rms(samples: Floats) -> npt.NDArray[np.float64]:
    return np.sqrt((samples.astype(np.float64) ** 2).mean(axis=-1) + 1e-20)


def levels(dbfs: float) -> dict[str, Callable[[Floats, Floats], npt.NDArray[np.float64]]]:
    """Ways to level windows ``(n, window_samples)`` of a song: gains ``(n,)``."""
    goal = 10 ** (dbfs / 20)
    return {
        f"every window to {dbfs:g} dBFS": lambda cuts, _song: goal / rms(cuts),
        f"the whole file to {dbfs:g} dBFS": lambda cuts, song: np.full(len(cuts), goal / rms(song)),
        f"the file so far to {dbfs:g} dBFS": lambda cuts, _song: (
            goal / np.sqrt(np.cumsum(rms(cuts) ** 2) / np.arange(1, len(cuts) + 1))
        ),
    }


def accuracy(scores: Floats, rows: list[dict[str, str]], names: tuple[str, ...]) -> str:
    genres = [roc_auc_score([row["genre"] == g for row in rows], scores[:, names.index(g)]) for g in GENRES]
    moods = [spearmanr([float(row[k]) for row in rows], scores[:, names.index(v)])[0] for k, v in MOODS.items()]
    return f"genres {np.mean(genres):.3f}, moods {np.mean(moods):.3f}"


def compare_levels(plain: OnnxModel, built: Tagger, rows: list[dict[str, str]], songs: list[Floats]) -> None:
    names, maps = plain.card.vocabulary.names, plain.card.calibration
    cuts = [audio.cut(song, plain.card.input) for song in songs]
    ways = {"as it is": lambda windows, _song: np.ones(len(windows))}
    for dbfs in (-14.0, -18.0, -23.0):
        ways |= levels(dbfs)
    first = None
    for name, gain in ways.items():
        scores = np.stack(
            [
                calibrated(aggregate(plain((w * gain(w, song)[:, None]).astype(np.float32))), names, maps)
                for w, song in zip(cuts, songs, strict=True)
            ]
        )
        first = scores if first is None else first
        same = (scores.argmax(axis=1) == first.argmax(axis=1)).mean()
        print(f"{name:32} {accuracy(scores, rows, names)}, highest tag as without {same:.0%}", flush=True)
    scores = np.stack([built.tag_waveform(song, RATE_HZ).scores for song in songs])
    print(f"{built.card.name + ' ' + built.card.version:32} {accuracy(scores, rows, names)}", flush=True)


def short_clips(built: Tagger, songs: list[Floats]) -> None:
    """Excerpts of 6 s, and those that begin 25 ms later: largest change of a score, by the number of windows."""
    usual = chunker.SHORT_WINDOWS
    for chunker.SHORT_WINDOWS in (1, 2, 4, 8):
        changes = []
        for song in songs[::6]:
            early, late = (song[start:][: 6 * RATE_HZ] for start in (160_000, 160_400))
            a, b = (built.tag_waveform(clip, RATE_HZ).scores for clip in (early, late))
            changes.append(np.abs(a - b).max())
        print(f"{chunker.SHORT_WINDOWS} windows: mean {np.mean(changes):.3f}, largest {max(changes):.3f}", flush=True)
    chunker.SHORT_WINDOWS = usual


def lost_in_the_mix() -> None:
    """Median over frames of what mixing loses: of the clips as they are, and with one channel late."""
    shares = downmix_shares(2)
    for item in find_audio([ROOT / "examples" / "clips"]):
        song = decode(item.path)
        mono = song.mean(axis=0)
        late = {f"one channel {n / 44.1:.2f} ms late": np.stack([mono[n:], mono[:-n]]) for n in (4, 11, 132)}
        found = []
        for name, stereo in ({"as it is": song} | late).items():
            frames = range(0, stereo.shape[1] - FRAME_SAMPLES, FRAME_SAMPLES)
            lost = np.median([lost_share(stereo[:, i : i + FRAME_SAMPLES], shares, 44_100) for i in frames])
            found.append(f"{name} {lost:.2f}")
        print(f"{item.path.name:20} lost: {', '.join(found)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emotify", type=Path, required=True)
    parser.add_argument("--plain", type=Path, required=True, help="ONNX file of a model without conditioning")
    options = parser.parse_args()
    with (options.emotify / "tracks.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] != "test"]
    songs = [audio.load(options.emotify / row["path"], RATE_HZ) for row in rows]
    built = load_tagger()
    lost_in_the_mix()
    short_clips(built, songs)
    compare_levels(OnnxModel(options.plain), built, rows, songs)


if __name__ == "__main__":
    main()

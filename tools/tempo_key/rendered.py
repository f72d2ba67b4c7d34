"""Features of rendered pieces, in shards: what is there is not made again.

python -m tools.tempo_key.rendered --out DIR [--fonts /usr/share/sounds] [--only train validation test]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.core.atomic_files import write_together
from earmark.tagging.tempo_key import TempoKeyMeter
from tools.tempo_key.feature_files import FeatureSet, Track, features_of
from tools.tempo_key.pieces import make_piece
from tools.tempo_key.render import Synthesizer

SHARD = 100
SECONDS = 26.0


@dataclass(frozen=True)
class Split:
    """Pieces of one split: seeds from ``first_seed``, fonts of their own."""

    name: str
    first_seed: int
    n_pieces: int
    fonts: tuple[str, ...]


SPLITS = (
    Split("validation", 1_000_000, 600, ("sf3/MuseScore_General.sf3",)),
    Split("train", 0, 6_000, ("sf2/FluidR3_GM.sf2", "sf2/FluidR3_GM.sf2", "sf2/OPL-3_FM_128M.sf2")),
    Split("test", 2_000_000, 600, ("sf2/TimGM6mb.sf2",)),
)


def render_shard(split: Split, number: int, fonts: dict[str, Synthesizer]) -> FeatureSet:
    """Features of the pieces of one shard."""
    tracks = []
    for seed in range(split.first_seed + number * SHARD, split.first_seed + (number + 1) * SHARD):
        piece = make_piece(seed, SECONDS)
        font = split.fonts[seed % len(split.fonts)]
        samples = fonts[font].render(piece, SECONDS, seed)
        rng = np.random.default_rng(seed)
        if rng.random() < 0.3:
            samples += np.float32(np.abs(samples).max() * 10 ** rng.uniform(-3.5, -1.7)) * rng.standard_normal(
                len(samples), np.float32
            )
        meter = TempoKeyMeter(16_000)
        meter.add(samples)
        label = {
            "bpm": piece.bpm or 0.0,
            "tonic": piece.tonic,
            "mode": piece.mode,
            "style": piece.style,
            "font": font,
            "is_clear": piece.is_clear,
        }
        tracks.append(Track(f"{split.name}-{seed}", features_of(meter), label))
    return FeatureSet(tracks)


def main() -> None:
    """Render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/sounds"))
    parser.add_argument("--only", nargs="*", default=[split.name for split in SPLITS])
    parser.add_argument("--every", type=int, default=1, help="of so many processes side by side")
    parser.add_argument("--nth", type=int, default=0, help="this is the nth, from 0")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        if split.name not in args.only:
            continue
        fonts: dict[str, Synthesizer] = {}
        for number in range(args.nth, split.n_pieces // SHARD, args.every):
            path = args.out / f"{split.name}-{number:03d}.npz"
            if path.exists():
                continue
            for font in split.fonts:
                if font not in fonts:
                    fonts[font] = Synthesizer(args.fonts / font)
            write_together({path: render_shard(split, number, fonts).to_bytes()})
            print(path, flush=True)


if __name__ == "__main__":
    main()

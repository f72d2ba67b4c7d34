"""Train the networks for the tempo: one for each fifth of the titles, which is left out and judges it.

python -m tools.tempo_key.tempo_training --features DIR --rendered DIR --out DIR

The model that is shipped is all five together.
"""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from earmark.core.atomic_files import write_together
from earmark.tagging.tempo_key.tempogram import BINS_PER_OCTAVE, LOWEST_BPM, bin_bpm, refine_bpm, tempograms
from tools.default_model.music.kept_apart import hash_share
from tools.tempo_key.feature_files import FeatureSet, Track
from tools.tempo_key.tempo_network import FIRST_BIN, N_TEMPI, TempoNetwork

STRETCHES = (0.84, 0.92, 1.0, 1.09, 1.19)
N_FOLDS = 5
N_SEGMENTS = 2
MOST_SHIFT = 3


@dataclass(frozen=True)
class Example:
    """Tempograms of a recording and its tempo (0: no clear beat)."""

    grams: npt.NDArray[np.float16]
    bpm: float
    fold: int
    is_real: bool


def stretched(onsets: npt.NDArray[np.float32], factor: float) -> npt.NDArray[np.float32]:
    """Onset strength of the same music, ``factor`` times as fast."""
    at = np.arange(0, len(onsets) - 1, factor)
    whole = at.astype(np.int64)
    part = (at - whole).astype(np.float32)[:, None]
    return (1 - part) * onsets[whole] + part * onsets[whole + 1]


def fold_of(track: Track) -> int:
    """The fold of a composer's title, by its group."""
    return int(hash_share(f"fold {track.labels['group']}") * N_FOLDS)


def composer(features: Path, split: str) -> list[Track]:
    """The composer's tracks of a split, sorted by name."""
    tracks = [track for path in sorted(features.glob("music_*.npz")) for track in FeatureSet.read(path).tracks]
    return [track for track in tracks if track.labels.get("split") == split]


def rendered(folder: Path, split: str) -> list[Track]:
    """The rendered pieces of a split."""
    return [track for path in sorted(folder.glob(f"{split}-*.npz")) for track in FeatureSet.read(path).tracks]


def examples(tracks: list[Track], *, is_real: bool) -> list[Example]:
    """Tempograms; of real music at several speeds."""
    found = []
    for track in tracks:
        onsets = track.features.onsets.astype(np.float32)
        for factor in STRETCHES if is_real else (1.0,):
            grams = tempograms(onsets if factor == 1 else stretched(onsets, factor)).astype(np.float16)
            found.append(Example(grams, track.labels["bpm"] * factor, fold_of(track) if is_real else -1, is_real))
    return found


def cached_examples(cache: Path, tracks: list[Track], *, is_real: bool) -> list[Example]:
    """The same, kept in a file beside the results; it is made again when tracks were added."""
    if cache.exists():
        with np.load(cache) as data:
            if int(data["n_tracks"]) == len(tracks):
                grams = np.split(data["grams"], np.cumsum(data["n"])[:-1])
                return [
                    Example(*values, is_real)
                    for values in zip(grams, data["bpm"].tolist(), data["fold"].tolist(), strict=True)
                ]
    found = examples(tracks, is_real=is_real)
    content = io.BytesIO()
    np.savez(
        content, grams=np.concatenate([example.grams for example in found]), n=[len(example.grams) for example in found],
        bpm=[example.bpm for example in found], fold=[example.fold for example in found], n_tracks=len(tracks),
    )  # fmt: skip
    write_together({cache: content.getvalue()})
    return found


def target(bpm: float) -> npt.NDArray[np.float32]:
    """Probabilities ``(81,)``: a bell around the tempo, or no clear beat."""
    out = np.zeros(N_TEMPI + 1, np.float32)
    if bpm <= 0:
        out[-1] = 1
        return out
    place = np.log2(bpm / LOWEST_BPM) * BINS_PER_OCTAVE - FIRST_BIN
    out[:-1] = np.exp(-0.5 * (np.arange(N_TEMPI) - np.clip(place, 0, N_TEMPI - 1)) ** 2)
    out /= out.sum()
    return out


def batch(rng: np.random.Generator, chosen: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """Some segments of each example, moved along the scale of tempo by a little."""
    grams, targets = [], []
    for example in chosen:
        n = len(example.grams)
        begin = rng.integers(0, max(1, n - N_SEGMENTS + 1))
        some = example.grams[(begin + np.arange(N_SEGMENTS)) % n].astype(np.float32)
        shift = int(rng.integers(-MOST_SHIFT, MOST_SHIFT + 1))
        some = np.take(some, np.clip(np.arange(some.shape[-1]) - shift, 0, some.shape[-1] - 1), axis=-1)
        n_bands = some.shape[1] // 2
        gains = np.exp(rng.normal(0, 0.15, (1, n_bands, 1))).astype(np.float32)
        if rng.random() < 0.2:
            gains[:, rng.integers(n_bands)] = 0
        some *= np.concatenate([gains, gains], axis=1)
        grams.append(some)
        targets.append(target(example.bpm * 2 ** (shift / BINS_PER_OCTAVE)))
    return torch.from_numpy(np.stack(grams)), torch.from_numpy(np.stack(targets))


def train(
    real: list[Example],
    made: list[Example],
    *,
    seed: int,
    steps: int,
    real_share: float = 0.5,
    size: int = 32,
    lr: float = 4e-3,
) -> TempoNetwork:
    """A network from examples of real and rendered music."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = TempoNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    n_real = round(size * real_share)
    for step in range(steps):
        chosen = [real[i] for i in rng.integers(len(real), size=n_real)] + [
            made[i] for i in rng.integers(len(made), size=size - n_real)
        ]
        grams, targets = batch(rng, chosen)
        loss = -(targets * torch.log_softmax(network(grams), dim=1)).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 249:
            print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)
    return network.eval()


def trained(path: Path, real: list[Example], made: list[Example], *, seed: int, **options: Any) -> TempoNetwork:
    """The network whose weights are in the file, or else a new one, which is put there."""
    if path.exists():
        network = TempoNetwork()
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    network = train(real, made, seed=seed, **options)
    content = io.BytesIO()
    torch.save(network.state_dict(), content)
    write_together({path: content.getvalue()})
    return network


@torch.no_grad()
def probabilities(networks: list[TempoNetwork], track: Track) -> npt.NDArray[np.float64]:
    """Probabilities ``(81,)`` of a whole track, averaged over the logits of networks."""
    grams = torch.from_numpy(tempograms(track.features.onsets.astype(np.float32)))[None]
    logits = torch.stack([network(grams)[0] for network in networks]).mean(dim=0)
    return torch.softmax(logits, dim=0).numpy().astype(np.float64)


def judge(tracks: list[Track], answers: list[npt.NDArray[np.float64]]) -> dict[str, float]:
    """Shares of right tempi, within 4 %: alone (accuracy 1) and with halves, thirds, doubles, triples (accuracy 2)."""
    bpm = bin_bpm()[FIRST_BIN : FIRST_BIN + N_TEMPI]
    right, near, silent = [], [], []
    for track, answer in zip(tracks, answers, strict=True):
        truth = track.labels["bpm"]
        silent.append((truth == 0, answer[-1] > 0.5))
        if truth:
            found = refine_bpm(track.features.onsets.astype(np.float32), float(bpm[np.argmax(answer[:-1])]))
            ratios = [abs(found / truth / factor - 1) <= 0.04 for factor in (1, 0.5, 2, 1 / 3, 3)]
            right.append(ratios[0])
            near.append(any(ratios))
    return {
        "accuracy 1": float(np.mean(right)), "accuracy 2": float(np.mean(near)), "n": len(right),
        "no beat found": float(np.mean([found for is_none, found in silent if is_none] or [0])),
        "no beat wrongly": float(np.mean([found for is_none, found in silent if not is_none] or [0])),
    }  # fmt: skip


def main() -> None:
    """Train without each fold, and judge on it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--rendered", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--real-share", type=float, default=0.5)
    parser.add_argument("--cache", type=Path, help="folder for tempograms (default: the one of the results)")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(N_FOLDS)), help="only these (default: all)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.cache = args.cache or args.out
    torch.set_num_threads(1)
    tracks = composer(args.features, "train")
    made_tracks = rendered(args.rendered, "train")
    real = cached_examples(args.cache / "real.npz", tracks, is_real=True)
    made = cached_examples(args.cache / "made.npz", made_tracks, is_real=False)
    print(len(tracks), "titles,", len(made), "rendered", flush=True)
    options = {"steps": args.steps, "real_share": args.real_share}
    for fold in args.folds:
        rest = [example for example in real if example.fold != fold]
        networks = [
            trained(args.out / f"tempo-{fold}-{seed}.pt", rest, made, seed=seed, **options) for seed in args.seeds
        ]
        answers = {track.name: probabilities(networks, track).tolist() for track in tracks if fold_of(track) == fold}
        (args.out / f"fold-{fold}.json").write_text(json.dumps(answers))
    files = sorted(args.out.glob("fold-*.json"))
    found = {name: np.array(answer) for file in files for name, answer in json.loads(file.read_text()).items()}
    judged = [track for track in tracks if track.name in found]
    print("left out of training", judge(judged, [found[track.name] for track in judged]), flush=True)
    if rendered_tracks := rendered(args.rendered, "validation"):
        print("rendered", judge(rendered_tracks, [probabilities(networks, track) for track in rendered_tracks]))


if __name__ == "__main__":
    main()

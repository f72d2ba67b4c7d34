"""Train the network for the key on rendered pieces, and judge it on other fonts and on titled pieces.

python -m tools.tempo_key.key_training --features DIR --rendered DIR --out DIR
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from earmark.tagging.tempo_key.pitch_features import N_SEMITONES, tuned_pitches, tuning_cents
from tools.tempo_key.feature_files import Features, FeatureSet, Track
from tools.tempo_key.key_network import KeyNetwork
from tools.tempo_key.tempo_training import rendered

N_STEPS = 12


@dataclass(frozen=True)
class Example:
    """Pitches of the steps of a recording, and its key: 0..11 major, 12..23 minor."""

    pitches: npt.NDArray[np.float32]
    key: int


def pitches_of(features: Features) -> npt.NDArray[np.float32]:
    """Pitches ``(n_steps, 66)``, tuning removed."""
    return tuned_pitches(features.steps, tuning_cents(features.cents))


def key_number(track: Track) -> int:
    """0..11 major, 12..23 minor."""
    tonic: int = track.labels["tonic"]
    return tonic + (12 if track.labels["mode"] == "minor" else 0)


def moved(pitches: npt.NDArray[np.float32], semitones: int) -> npt.NDArray[np.float32]:
    """The pitches of the same music, transposed."""
    out = np.zeros_like(pitches)
    if semitones >= 0:
        out[..., semitones:] = pitches[..., : N_SEMITONES - semitones]
    else:
        out[..., :semitones] = pitches[..., -semitones:]
    return out


def augmented(rng: np.random.Generator, example: Example, strength: float) -> tuple[npt.NDArray[np.float32], int]:
    """Some steps, transposed, with another timbre, tuning and noise; and the key of that."""
    n, semitones = len(example.pitches), int(rng.integers(-6, 7))
    begin = int(rng.integers(0, max(1, n - N_STEPS + 1)))
    x = moved(example.pitches[(begin + np.arange(N_STEPS)) % n], semitones)
    for overtone in (12, 19, 24, 28):
        x = x + np.float32(rng.random() ** 2 * strength * 0.4) * moved(x, overtone)
    leak = np.float32(rng.random() ** 2 * strength * 0.25)
    x = (1 - leak) * x + leak * moved(x, int(rng.choice([-1, 1])))
    gains = np.interp(np.arange(N_SEMITONES), np.linspace(0, N_SEMITONES - 1, 6), rng.normal(0, strength * 0.5, 6))
    x = x * np.exp(gains).astype(np.float32)
    x = x + np.float32(rng.random() ** 2 * strength * 1.5) * x.mean() * rng.random(x.shape, np.float32) ** 2
    return x.astype(np.float32), (example.key + semitones) % 12 + example.key // 12 * 12


def train(
    made: list[Example],
    *,
    seed: int,
    steps: int,
    start: Path | None = None,
    strength: float = 1.0,
    size: int = 48,
    lr: float = 3e-3,
) -> KeyNetwork:
    """A network from examples; ``start`` has the weights to begin with, ``strength`` is that of the augmentation."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = KeyNetwork()
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True))
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        x, keys = zip(*[augmented(rng, made[i], strength) for i in rng.integers(len(made), size=size)], strict=True)
        logits = network(torch.from_numpy(np.stack(x)))
        loss = nn.functional.cross_entropy(logits, torch.tensor(keys), label_smoothing=0.02)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 250 == 249:
            print(f"step {step + 1}: loss {loss.item():.3f}", flush=True)
    return network.eval()


@torch.no_grad()
def probabilities(networks: list[KeyNetwork], track: Track) -> npt.NDArray[np.float64]:
    """Probabilities ``(24,)`` of a whole track, averaged over the logits of networks."""
    pitches = torch.from_numpy(pitches_of(track.features))[None]
    logits = torch.stack([network(pitches)[0] for network in networks]).mean(dim=0)
    return torch.softmax(logits, dim=0).numpy().astype(np.float64)


def relation(found: int, truth: int) -> str:
    """How a key is wrong: "exact", "fifth", "relative", "parallel" or "other", as in MIREX."""
    up, found_minor, truth_minor = (found - truth) % 12, found // 12, truth // 12
    if found_minor == truth_minor:
        return {0: "exact", 7: "fifth", 5: "fifth"}.get(up, "other")
    if up == 0:
        return "parallel"
    return "relative" if up == (9 if found_minor else 3) else "other"


def judge(tracks: list[Track], answers: list[npt.NDArray[np.float64]]) -> dict[str, float]:
    """Shares of exact keys and of each kind of mistake."""
    kinds = Counter(
        relation(int(np.argmax(answer)), key_number(track)) for track, answer in zip(tracks, answers, strict=True)
    )
    return {kind: round(count / len(tracks), 3) for kind, count in kinds.most_common()} | {"n": len(tracks)}


def titled(features: Path, split: str) -> list[Track]:
    """Pieces of Emotify whose titles tell the key."""
    tracks = [track for path in sorted(features.glob("emotify-*.npz")) for track in FeatureSet.read(path).tracks]
    return [track for track in tracks if track.labels.get("split") == split]


def main() -> None:
    """Train, and judge on validation data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--rendered", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--start", type=Path, help="folder of networks of the same seeds to go on from")
    parser.add_argument("--strength", type=float, default=1.0, help="of the augmentation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    made = [
        Example(pitches_of(track.features), key_number(track))
        for track in rendered(args.rendered, "train")
        if track.labels["is_clear"] and len(track.features.steps)
    ]
    rendered_tracks = [track for track in rendered(args.rendered, "validation") if track.labels["is_clear"]]
    pieces = titled(args.features, "validation")
    print(len(made), "rendered", flush=True)
    networks = []
    for seed in args.seeds:
        networks.append(
            train(
                made,
                seed=seed,
                steps=args.steps,
                start=args.start and args.start / f"key-{seed}.pt",
                strength=args.strength,
            )
        )
        torch.save(networks[-1].state_dict(), args.out / f"key-{seed}.pt")
        for name, some, used in (
            ("one", networks[-1:], rendered_tracks),
            ("all", networks, rendered_tracks),
            ("one", networks[-1:], pieces),
            ("all", networks, pieces),
        ):
            print(seed, name, judge(used, [probabilities(some, track) for track in used]), flush=True)


if __name__ == "__main__":
    main()

"""What listeners feel, from embeddings: heads fitted on Emotify's training songs, measured on its validation songs.

    python benchmarks/emotion_heads.py --emotify ../shared/data/emotify earmark-2 mn04.onnx musicnn-mtt.onnx

Prints Spearman's rank correlation with the share of listeners that felt each of nine emotions: of heads
(:mod:`earmark.distillation.heads`) on each model's embedding, and on all embeddings joined. Validation songs are by other
artists. The test songs are not used.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from earmark import load_tagger
from earmark.distillation.heads import fit_heads

EMOTIONS = (
    *("amazement", "solemnity", "tenderness", "nostalgia", "calmness"),
    *("power", "joyful_activation", "tension", "sadness"),
)


def embeddings(model: str, paths: list[Path]) -> npt.NDArray[np.float64]:
    """(n_songs, n_dims), means over each song."""
    tagger = load_tagger(model, embeddings=True)
    return np.stack([result.embedding for result in tagger.tag_many(paths)]).astype(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names or ONNX files")
    parser.add_argument("--emotify", type=Path, required=True)
    options = parser.parse_args()
    with (options.emotify / "tracks.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] != "test"]
    labels = np.array([[float(row[emotion]) for emotion in EMOTIONS] for row in rows])
    train = np.array([row["split"] == "train" for row in rows])
    artists = [row["artist"] for row in rows if row["split"] == "train"]
    print(f"{train.sum()} training and {(~train).sum()} validation songs")
    print(f"{'':24}  train  valid  " + "  ".join(emotion[:6] for emotion in EMOTIONS))
    found = {
        Path(model).stem: embeddings(model, [options.emotify / row["path"] for row in rows]) for model in options.models
    }
    if len(found) > 1:
        found["joined"] = np.concatenate(list(found.values()), axis=1)
    for name, values in found.items():
        heads = fit_heads(values[train], labels[train], artists, EMOTIONS)
        predicted = values[~train] @ heads.weights.T + heads.biases
        each = [spearmanr(predicted[:, k], labels[~train, k]).statistic for k in range(len(EMOTIONS))]
        print(
            f"{name[:24]:24}  {heads.correlations.mean():.3f}  {np.mean(each):.3f}  "
            + "  ".join(f"{value:6.2f}" for value in each)
        )


if __name__ == "__main__":
    main()

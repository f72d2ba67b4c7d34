"""`earmark distill teachers`: the comparison of teachers, and its page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tools.default_model.corpus import read_collections

from earmark.cli.main import app
from earmark.core.tag_lists import load_vocabulary
from earmark.datasets.labelled_set import LabelledSet, LabelledSets
from earmark.distillation.teacher_comparison import song_logits
from tests.helpers import labelled_sets
from tests.helpers.labelled_sets import MADE, default_union, made_outputs


def write_set(folder: Path, songs: list[str], outputs: np.ndarray) -> None:
    """A labelled set of two examples per song, whose audio is short; the second example of each song is silent."""
    shard = folder / "00000"
    shard.mkdir(parents=True)
    teachers = [{"name": f"fcn-{k}", "vocabulary": name, "starts": [0]} for k, name in enumerate(MADE)]
    document = {"format": 1, "teachers": teachers, "teachers_by_window": []}
    (folder / "set.json").write_text(json.dumps(document))
    loud = 1000 * np.ones((len(songs), 1, 100), np.int16)
    np.save(shard / "audio.npy", np.concatenate([loud, np.zeros_like(loud)], axis=1).reshape(-1, 100))
    both = np.stack([outputs, np.random.default_rng(1).uniform(0, 1, outputs.shape)], axis=1)
    np.save(shard / "means.npy", both.reshape(-1, *outputs.shape[1:]).astype(np.float16))
    lines = [json.dumps({"parts": [{"song": song}]}) for song in songs for _ in range(2)]
    (shard / "recipes.jsonl").write_text("\n".join(lines))


@pytest.mark.slow
def test_the_page_on_teachers_tells_a_good_one(folders: tuple[Path, Path], tmp_path: Path) -> None:
    songs = {
        "emotify": [f"emotify-{100 * genre + number:03d}" for genre in range(4) for number in (1, 2, 3)],
        "validation": [f"emotify-{100 * genre + 4:03d}" for genre in range(4)],
        "heldout": [f"c{k}" for k in range(5)],
    }
    place = load_vocabulary("mtat-50").names.index("rock")
    labelled_sets.write_tables(tmp_path, read_collections(*folders))
    sets = LabelledSets.open(tmp_path)
    for k, (name, members) in enumerate(songs.items()):
        outputs, _ = made_outputs(len(members), seed=k)
        if name != "heldout":
            outputs[:, 0, place] = 0.1 + 0.5 * sets.known_labels(members)[:, 1]
        write_set(tmp_path / name, members, outputs)
    arguments = ["distill", "teachers", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = [line.split(" | ") for line in result.output.splitlines() if line.startswith("| fcn-0 |")]
    assert [row[2] for row in rows if len(row) == 6] == ["1.000"] * 3  # both sets, and each of them
    assert "## Known labels: emotify and validation, 16 songs" in result.output
    assert "drawing groups of songs (16)" in result.output
    assert "## Agreement: heldout, 5 songs" in result.output
    names, logits = song_logits([LabelledSet.open(tmp_path / "validation")], default_union())
    assert names == songs["validation"]
    assert logits.shape == (4, 3, len(default_union().tags))

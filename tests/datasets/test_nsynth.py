"""NSynth: what each protocol labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from earmark.core.errors import DataError
from earmark.datasets import load_dataset
from tests.helpers.dataset_folders import write_nsynth


def test_families_sources_and_qualities(tmp_path: Path) -> None:
    root = write_nsynth(tmp_path)
    families, sources, qualities = (load_dataset("nsynth", root, name) for name in ("families", "sources", "qualities"))
    assert families.counts == {"train": 3, "validation": 2, "test": 2}
    lead = families.clips[1]
    assert (lead.clip_id, lead.song) == ("synth_lead_synthetic_000-100-100", "synth_lead_synthetic_000")
    assert families.vocabulary.names[lead.labels.argmax()] == "synth lead"
    assert lead.path == root / "nsynth-train" / "audio" / f"{lead.clip_id}.wav"
    assert sources.vocabulary.names[sources.clips[0].labels.argmax()] == "synthetic"
    names = qualities.vocabulary.names
    assert [name for name, has in zip(names, qualities.clips[0].labels, strict=True) if has] == ["dark", "tempo-synced"]
    assert qualities.clips[2].labels.sum() == 0
    assert [bool(dataset.exclusive) for dataset in (families, sources, qualities)] == [True, True, False]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"instrument_family_str": "kazoo"}, "instrument_family_str 'kazoo' must be of bass"),
        ({"instrument_str": None}, "must be of bass"),
    ],
)
def test_notes_that_are_not_as_published_are_refused(tmp_path: Path, change: dict[str, object], error: str) -> None:
    path = write_nsynth(tmp_path) / "nsynth-test" / "examples.json"
    notes = json.loads(path.read_text())
    next(iter(notes.values())).update(change)
    path.write_text(json.dumps(notes))
    with pytest.raises(DataError, match=error):
        load_dataset("nsynth", tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", "[1"])
def test_lists_that_are_no_objects_are_refused(tmp_path: Path, text: str) -> None:
    (write_nsynth(tmp_path) / "nsynth-valid" / "examples.json").write_text(text)
    with pytest.raises(DataError, match=r"nsynth-valid.examples\.json"):
        load_dataset("nsynth", tmp_path)

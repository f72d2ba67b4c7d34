"""Scores of a model on the clips of a dataset: the file between evaluation and analysis.

``scores.parquet`` has a row for each clip and tag, clips in the order of the dataset, tags in that of the model:

    clip, song, artist      text; song and artist null where the dataset does not say
    tag, kind, category     text
    label                   float32, 0..1; null where the clip is not labelled for the tag
    score                   float32, 0..1: the mean over windows
    split, protocol, dataset, model     text
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from earmark.datasets.base import Dataset, label_matrix, raise_problems
from earmark.errors import AudioError, DataError
from earmark.tagging import Tagger
from earmark.vocabulary import Tag, Vocabulary

COLUMNS = (
    "clip",
    "song",
    "artist",
    "tag",
    "kind",
    "category",
    "label",
    "score",
    "split",
    "protocol",
    "dataset",
    "model",
)
_NUMBERS = ("label", "score")


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Labels and scores of the tags that model and dataset share.

    Attributes:
        vocabulary: these tags, in the order of the model.
        clips: (n_clips,) ids.
        artists, songs: (n_clips,) None where not known.
        labels: (n_clips, n_tags) float32, NaN where not labelled.
        scores: (n_clips, n_tags) float32, 0..1.
        dataset, protocol, split, model: names.
        warnings: what the Tagger said of single files, one line each; not kept in the file.
    """

    vocabulary: Vocabulary
    clips: tuple[str, ...]
    artists: tuple[str | None, ...]
    songs: tuple[str | None, ...]
    labels: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    dataset: str
    protocol: str
    split: str
    model: str
    warnings: tuple[str, ...] = ()

    def groups(self) -> tuple[str, tuple[str, ...]]:
        """What a bootstrap should draw, and the group of each clip: artists where all are known, else songs, else
        single clips."""
        for name, owners in (("artist", self.artists), ("song", self.songs)):
            known = tuple(owner for owner in owners if owner is not None)
            if len(known) == len(owners):
                return name, known
        return "clip", self.clips

    def write(self, path: Path) -> None:
        """Write scores.parquet."""
        n_clips, n_tags = self.scores.shape

        def each_clip(values: Iterable[Any]) -> list[Any]:
            return [value for value in values for _ in range(n_tags)]

        columns: dict[str, Any] = {
            "clip": each_clip(self.clips),
            "song": each_clip(self.songs),
            "artist": each_clip(self.artists),
            "tag": list(self.vocabulary.names) * n_clips,
            "kind": [tag.kind for tag in self.vocabulary] * n_clips,
            "category": [tag.category for tag in self.vocabulary] * n_clips,
            "label": pa.array(self.labels.ravel(), pa.float32(), mask=np.isnan(self.labels.ravel())),
            "score": pa.array(self.scores.ravel(), pa.float32()),
        }
        for name in ("split", "protocol", "dataset", "model"):
            columns[name] = [getattr(self, name)] * (n_clips * n_tags)
        schema = pa.schema([(name, pa.float32() if name in _NUMBERS else pa.string()) for name in COLUMNS])
        beside = path.with_name(f".{path.name}.part")
        pq.write_table(pa.table(columns, schema=schema), beside)
        beside.replace(path)


def read_scores(path: str | Path) -> ScoreTable:
    """Read scores.parquet back. Raises DataError where it is not one, or clips lack tags."""
    path = Path(path)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a scores file that can be read ({str(error).splitlines()[0]})") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing or not len(table):
        raise DataError(f"{path}: no scores file: {'columns missing: ' + ', '.join(missing) if missing else 'no rows'}")
    text = {name: table[name].to_pylist() for name in COLUMNS if name not in _NUMBERS}
    first = text["clip"][0]
    n_tags = text["clip"].count(first)
    names = text["tag"][:n_tags]
    if len(table) % n_tags or text["tag"] != names * (len(table) // n_tags):
        raise DataError(f"{path}: every clip must have the same tags in the same order")
    for name in ("split", "protocol", "dataset", "model"):
        if len(set(text[name])) != 1:
            raise DataError(f"{path}: column {name!r} must be the same in all rows, is {sorted(set(text[name]))}")
    tags = zip(names, text["kind"], text["category"], strict=False)
    numbers = {
        name: table[name].to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, n_tags) for name in _NUMBERS
    }
    return ScoreTable(
        Vocabulary(tuple(Tag(*tag) for tag in tags)),
        tuple(text["clip"][::n_tags]),
        tuple(text["artist"][::n_tags]),
        tuple(text["song"][::n_tags]),
        numbers["label"],
        numbers["score"],
        text["dataset"][0],
        text["protocol"][0],
        text["split"][0],
        text["model"][0],
    )


def shared_tags(model: Vocabulary, dataset: Vocabulary) -> Vocabulary:
    """Tags that both have by name and kind, in the model's order. Raises DataError where there are none."""
    kinds = {tag.name: tag.kind for tag in dataset}
    tags = tuple(tag for tag in model if kinds.get(tag.name) == tag.kind)
    if not tags:
        raise DataError(
            "model and dataset share no tag of the same name and kind: the model knows "
            f"{', '.join(f'{t.name} ({t.kind})' for t in model)}; the dataset "
            f"{', '.join(f'{t.name} ({t.kind})' for t in dataset)}"
        )
    return Vocabulary(tags)


def score_dataset(
    tagger: Tagger,
    dataset: Dataset,
    *,
    split: str = "test",
    jobs: int | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> ScoreTable:
    """Tag all clips of one split.

    Args:
        tagger: the model.
        dataset: labelled clips.
        split: which of them.
        jobs: files side by side; None for one a core.
        on_done: called with how many clips are done and how many there are.

    Raises:
        DataError: no such split, files missing, no shared tags, or files that cannot be listened to: all are named,
            none is left out unseen.
    """
    clips = dataset.split(split)
    dataset.require_files(split)
    vocabulary = shared_tags(tagger.card.vocabulary, dataset.vocabulary)
    of_model = [tagger.card.vocabulary.index(name) for name in vocabulary.names]
    of_dataset = [dataset.vocabulary.index(name) for name in vocabulary.names]
    scores = np.zeros((len(clips), len(vocabulary)), np.float32)
    problems, warnings = [], []
    results = tagger.tag_many([clip.path for clip in clips], jobs=jobs, errors="return")
    for place, result in enumerate(results):
        if isinstance(result, AudioError):
            problems.append(str(result))
        else:
            scores[place] = result.scores[of_model]
            warnings += [f"{clips[place].clip_id}: {warning}" for warning in result.warnings]
        if on_done is not None:
            on_done(place + 1, len(clips))
    raise_problems(f"{len(problems)} of {len(clips)} files cannot be listened to", problems)
    return ScoreTable(
        vocabulary,
        tuple(clip.clip_id for clip in clips),
        tuple(clip.artist for clip in clips),
        tuple(clip.song for clip in clips),
        label_matrix(clips)[:, of_dataset],
        scores,
        dataset.name,
        dataset.protocol,
        split,
        tagger.card.name,
        tuple(warnings),
    )

"""Scores of songs by one model, kept in files so that a run can be stopped and another measurement costs nothing."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.atomic_files import write_atomic
from earmark.core.card import ModelCard
from earmark.core.errors import ModelError
from earmark.core.published_weights import find_published, published_names
from earmark.tagging.runtime import find_model
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger, load_tagger
from tools.default_model.judges.songs import LabelledSong

SONGS_PER_WRITE = 20


def model_file(name: str, onnx: Path | None = None, weights: Path | None = None) -> Path:
    """The ONNX file of a model: an installed one, a file, or a published network that is converted once.

    Args:
        name: a name of `earmark models list`, the path of an ONNX file, or the name of a published network.
        onnx: folder of converted networks, NAME.onnx.
        weights: folder of published weights, from which missing ones are converted.

    Raises:
        ModelError: no such model; or a published network that is not in any of the folders.
    """
    if name not in published_names():
        return find_model(name)
    converted = None if onnx is None else onnx / f"{name}.onnx"
    if converted is not None and converted.is_file():
        return converted
    published = None if weights is None else weights / find_published(name).file_name
    if converted is None or published is None or not published.is_file():
        return find_model(name)
    from earmark.importers.convert import convert_weights

    _, report = convert_weights(published, converted.parent / name, force=True)
    for suffix in (".json", ".onnx"):  # the model last: it is what is looked for
        write_atomic(converted.with_suffix(suffix), report.path.with_suffix(suffix).read_bytes())
    return converted


@dataclass(frozen=True, eq=False)
class SongScores:
    """What a model says of songs.

    Attributes:
        card: of the model.
        scores: (n_songs, n_tags) calibrated, 0..1.
        predicted: (n_songs, n_tags), the tags that `earmark tag` prints; all where the card has no thresholds.
    """

    card: ModelCard
    scores: npt.NDArray[np.float32]
    predicted: npt.NDArray[np.bool_]


class ScoreStore:
    """Scores of one model in a file, by path, size and time of change of every song.

    Args:
        model: an ONNX file.
        folder: of all models' scores; the file is named after the model and its content.
        windows: use only so many windows of a file; None for all.

    Attributes:
        name: of the model, and of how many windows where these are not all.
        sha256: of the file.
    """

    def __init__(self, model: Path, folder: Path, windows: int | None = None) -> None:
        self.tagger: Tagger = load_tagger(model, windows=windows)
        self.name = self.tagger.card.name + ("" if windows is None else f", {windows} windows")
        if not (self.tagger.card.vocabulary.names):
            raise ModelError(f"{model}: no tags")
        self.sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
        suffix = "" if windows is None else f"-{windows}-windows"
        self._file = folder / f"{self.tagger.card.name}-{self.sha256[:16]}{suffix}.npz"
        self._known: dict[str, npt.NDArray[np.float32]] = {}
        if self._file.is_file():
            with np.load(self._file) as stored:
                self._known = dict(zip(stored["keys"].tolist(), stored["scores"], strict=True))

    def scores(
        self,
        songs: Sequence[LabelledSong],
        *,
        jobs: int | None = None,
        on_done: Callable[[int, int], None] | None = None,
    ) -> SongScores:
        """Scores of songs, in their order; those that are not stored are tagged first.

        Raises:
            AudioError: a song that cannot be read.
        """
        keys = [_fingerprint(song.path) for song in songs]
        missing = dict(zip(keys, songs, strict=True))
        missing = {name: song for name, song in missing.items() if name not in self._known}
        results = self.tagger.tag_many([song.path for song in missing.values()], jobs=jobs)
        for place, (name, result) in enumerate(zip(missing, results, strict=True), start=1):
            self._known[name] = result.scores
            if on_done is not None:
                on_done(place, len(missing))
            if place % SONGS_PER_WRITE == 0 or place == len(missing):
                self._write()
        card = self.tagger.card
        scores = np.array([self._known[name] for name in keys], np.float32).reshape(len(songs), len(card.vocabulary))
        return SongScores(card, scores, predicted_tags(card, scores))

    def _write(self) -> None:
        content = io.BytesIO()
        np.savez(content, keys=np.array(list(self._known)), scores=np.array(list(self._known.values())))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._file, content.getvalue())


def predicted_tags(card: ModelCard, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """(n_songs, n_tags): the tags that ``TagScores.top(0, "auto")`` gives for these scores."""
    out = np.zeros(scores.shape, bool)
    for row, values in zip(out, scores, strict=True):
        song = TagScores(
            path=None,
            model=card.name,
            vocabulary=card.vocabulary,
            scores=values,
            taggram=values[None],
            window_starts_seconds=np.zeros(1),
            window_seconds=1.0,
            duration_seconds=1.0,
            thresholds=dict(card.thresholds),
            rules=card.rules,
            silent=not values.any(),
        )
        row[[card.vocabulary.index(tag.tag) for tag in song.top(0, "auto")]] = True
    return out


def _fingerprint(path: Path) -> str:
    found = path.stat()
    return f"{path.resolve()}|{found.st_size}|{found.st_mtime_ns}"

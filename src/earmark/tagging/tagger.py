"""From files to tags: windows -> window scores -> file scores. The only aggregation."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.audio.seeking import SILENT_WHERE_HEARD
from earmark.core.calibration import calibrated
from earmark.core.card import ModelCard
from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError, ConfigError
from earmark.tagging.pipeline import Network, Progress, Watch, WindowScores, run_pipeline
from earmark.tagging.runtime import OnnxModel, find_model
from earmark.tagging.tag_scores import Scores, TagScore, TagScores, Threshold

__all__ = [
    "MOST_SPARSE_WINDOWS",
    "EmbeddingModel",
    "Scores",
    "TagScore",
    "TagScores",
    "Tagger",
    "Threshold",
    "WindowModel",
    "aggregate",
    "load_tagger",
]

MOST_SPARSE_WINDOWS = 64
"""Windows of a sparse listening are all held in memory before the network hears them."""

_SECONDS_A_RUN, _MOST_WINDOWS_A_RUN = 10.0, 4


def aggregate(window_scores: npt.NDArray[np.floating[Any]]) -> Scores:
    """Window scores ``(n_windows, n_tags)`` to a file's scores ``(n_tags,)``: their mean over windows.

    All five papers average (e.g. kim2018, section 3.1; pons2017, section 3).
    """
    if window_scores.ndim != 2 or not len(window_scores):
        raise ConfigError(f"window scores of shape {window_scores.shape}: must be (n_windows >= 1, n_tags)")
    mean: Scores = window_scores.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


class WindowModel(Protocol):
    """What a Tagger needs of a model; :class:`earmark.tagging.runtime.OnnxModel` is one. Called from several threads."""

    @property
    def card(self) -> ModelCard:
        """What it hears and answers."""

    def __call__(self, batch: Scores) -> Scores:
        """Windows ``(n, window_samples)`` -> scores ``(n, n_tags)``, 0..1."""


@runtime_checkable
class EmbeddingModel(WindowModel, Protocol):
    """A model that can give embeddings, too. It may be one that gives none: ``embedding_dims`` is None then."""

    @property
    def embedding_dims(self) -> int | None:
        """Length of the embeddings."""

    def with_embedding(self, batch: Scores) -> tuple[Scores, Scores]:
        """Windows ``(n, window_samples)`` -> scores ``(n, n_tags)``, and embeddings ``(n, embedding_dims)``."""


class Tagger:
    """Tags files and waveforms with one model. Loads it once; safe to use from several threads.

    Args:
        model: the model, see :func:`load_tagger` for finding one by name.
        batch_windows: windows a run of the network takes; they may come from several files. None for as many as make ten
            seconds, four at most: more take memory and save no time.
        damaged: what to do with files that are known to lack audio (cut short, damaged): "error" refuses
            them, "tag" tags what could be decoded and says so in ``warnings``.
        embeddings: give an embedding with the scores of each file, where the model has them.
        windows: hear only so many windows of a file, 1 to 64, spread evenly over it and found by seeking; None for
            all. They are the model's windows, and score as they do in a full reading. Files with no more windows than
            that are read in full, and so are those in which positions are not exact; ``warnings`` says so and why.

    Examples:
        >>> import earmark, numpy as np
        >>> tagger = earmark.load_tagger()
        >>> scores = tagger.tag_waveform(np.zeros(5 * 44_100), 44_100)  # or tagger.tag("song.mp3")
        >>> len(scores.top(3)), scores.taggram.shape == (1, len(scores.tags)), scores.duration_seconds
        (3, True, 5.0)
        >>> scores.warnings[0][:6]
        'silent'
    """

    def __init__(
        self,
        model: WindowModel,
        *,
        batch_windows: int | None = None,
        damaged: Literal["error", "tag"] = "error",
        embeddings: bool = False,
        windows: int | None = None,
    ) -> None:
        if batch_windows is None:
            batch_windows = max(1, min(_MOST_WINDOWS_A_RUN, int(_SECONDS_A_RUN / model.card.input.window_seconds)))
        if batch_windows < 1:
            raise ConfigError(f"batch_windows {batch_windows}: must be at least 1")
        if damaged not in ("error", "tag"):
            raise ConfigError(f"damaged {damaged!r}: must be error or tag")
        if windows is not None and not 1 <= windows <= MOST_SPARSE_WINDOWS:
            raise ConfigError(f"windows {windows}: must be 1 to {MOST_SPARSE_WINDOWS}, or none for all of a file")
        self._windows = windows
        self._model = model
        self._batch_windows = batch_windows
        self._damaged: Literal["error", "tag"] = damaged
        self._network: Network = model
        self._embedding_dims: int | None = None
        if embeddings and isinstance(model, EmbeddingModel) and model.embedding_dims is not None:
            with_embedding = model.with_embedding
            self._network = lambda batch: np.hstack(with_embedding(batch))  # side by side: scores, embedding
            self._embedding_dims = model.embedding_dims

    @classmethod
    def from_file(cls, path: str | Path, **options: Any) -> Tagger:
        """A tagger from an exported ONNX file. Options as for the class. Raises ModelError."""
        return cls(OnnxModel(path), **options)

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self._model.card

    @property
    def embedding_dims(self) -> int | None:
        """Length of the embeddings that come with the scores; None where none do."""
        return self._embedding_dims

    def tag(self, path: str | Path, *, watch: Watch | None = None) -> TagScores:
        """Tag one file. Raises AudioError where it cannot be listened to, and what ``watch`` raises."""
        (result,) = self.tag_many([path], jobs=1, watch=watch)
        if isinstance(result, AudioError):
            raise result
        return result

    def tag_many(
        self,
        paths: Iterable[str | Path],
        *,
        jobs: int | None = None,
        errors: Literal["raise", "return"] = "raise",
        on_progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> Iterator[TagScores | AudioError]:
        """Tag many files, several at a time; results come in the order of the paths, as they get ready.

        Args:
            paths: files; may be an endless stream, it is read only as far as needed.
            jobs: files decoded side by side, and network runs side by side; None for one per core.
            errors: "raise" stops at the first file that cannot be listened to; "return" gives its
                AudioError (which has ``path`` and ``reason``) in its place and goes on.
            on_progress: called, from any thread, with the seconds of audio heard since the last call.
            watch: called, from the thread that decodes a file, with its path and the seconds decoded so far. It
                may give the file up: an AudioError that it raises becomes the file's result.

        Raises:
            AudioError: with ``errors="raise"``.
            ConfigError: jobs below 1, or another word for ``errors``.
        """
        if errors not in ("raise", "return"):
            raise ConfigError(f"errors {errors!r}: must be raise or return")
        if jobs is not None and jobs < 1:
            raise ConfigError(f"jobs {jobs}: must be at least 1")
        results = run_pipeline(
            paths,
            self._network,
            self.card.input,
            jobs=jobs or available_cores(),
            batch_windows=self._batch_windows,
            damaged=self._damaged,
            on_progress=on_progress,
            watch=watch,
            sparse_windows=self._windows,
        )
        return self._judge(results, raising=errors == "raise")

    def _judge(
        self, results: Generator[WindowScores | AudioError, None, None], raising: bool
    ) -> Iterator[TagScores | AudioError]:
        # Closed at once, not when the garbage collector finds it: closing waits for threads, and that within the
        # start of another thread is a deadlock.
        with closing(results):
            for heard in results:
                if isinstance(heard, AudioError):
                    if raising:
                        raise heard
                    yield heard
                else:
                    yield self._scores(heard)

    def tag_waveform(self, samples: npt.ArrayLike, sample_rate_hz: int) -> TagScores:
        """Tag a waveform in memory.

        Args:
            samples: ``(n_samples,)`` or ``(n_channels, n_samples)``, floating point, full scale -1..1.
            sample_rate_hz: its rate; resampled to the model's as a file would be.

        Raises:
            AudioError: integers, wrong shape, no samples, NaN or infinite samples.
        """
        spec = self.card.input
        mono = audio.resample(samples, sample_rate_hz, spec.sample_rate_hz)
        starts: npt.NDArray[np.int64] | None = None
        if self._windows is not None and len(few := audio.sparse_starts(len(mono), spec, self._windows)):
            starts = few
        cuts = audio.cut(mono, spec) if starts is None else mono[starts[:, None] + np.arange(spec.window_samples)]
        steps = range(0, len(cuts), self._batch_windows)
        taggram = np.concatenate([self._network(cuts[i : i + self._batch_windows]) for i in steps])
        silent = float(np.abs(cuts if starts is not None else mono).max()) < audio.SILENCE_PEAK
        warnings = (audio.SILENT if starts is None else SILENT_WHERE_HEARD,) if silent else ()
        return self._scores(WindowScores(None, taggram, len(mono), len(mono) / spec.sample_rate_hz, warnings, starts))

    def _scores(self, heard: WindowScores) -> TagScores:
        spec = self.card.input
        card = self.card
        taggram, embeddings = np.split(heard.taggram, [len(card.vocabulary)], axis=1)
        names, maps = card.vocabulary.names, card.calibration
        starts = audio.window_starts(heard.n_samples, spec) if heard.starts is None else heard.starts
        return TagScores(
            path=heard.path,
            model=card.name,
            vocabulary=card.vocabulary,
            scores=calibrated(aggregate(taggram), names, maps),
            taggram=np.ascontiguousarray(calibrated(taggram, names, maps)),
            window_starts_seconds=starts.clip(0) / spec.sample_rate_hz,
            window_seconds=spec.window_seconds,
            duration_seconds=heard.duration_seconds,
            thresholds=dict(card.thresholds),
            warnings=heard.warnings,
            rules=card.rules,
            sparse=heard.starts is not None,
            embedding=None if self._embedding_dims is None else aggregate(embeddings),
        )


def load_tagger(model: str | Path | None = None, **options: Any) -> Tagger:
    """A tagger for a model by name or file.

    Args:
        model: a name that ``earmark models list`` shows, a path to an .onnx file, or None for the
            bundled default.
        options: as for :class:`Tagger`.

    Raises:
        ModelError: there is no such model, or it cannot be loaded.
    """
    return Tagger.from_file(find_model(model), **options)

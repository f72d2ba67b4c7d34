"""Tag files and waveforms with one model: windows -> window scores -> scores of the file."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Literal, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.audio import AudioBytes, AudioSource
from earmark.audio.mixer import Mixer
from earmark.audio.seeking import SILENT_IN_WINDOWS
from earmark.audio.silence import SilenceMeter
from earmark.core.calibration import calibrated
from earmark.core.card import ModelCard
from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError, ConfigError
from earmark.tagging.aggregation import aggregate
from earmark.tagging.pipeline import (
    Network,
    Progress,
    Watch,
    WindowScores,
    run_pipeline,
)
from earmark.tagging.runtime import EmbeddingModel, OnnxModel, WindowModel, find_model
from earmark.tagging.tag_scores import Scores, TagScore, TagScores, Threshold

__all__ = [
    "MOST_SPARSE_WINDOWS",
    "Scores",
    "TagScore",
    "TagScores",
    "Tagger",
    "Threshold",
    "load_tagger",
]

MOST_SPARSE_WINDOWS = 64
"""With ``windows``, all windows of a file are in memory before the network runs."""

LEAST_STEP_SECONDS = 0.1

_SECONDS_PER_RUN, _MAX_WINDOWS_PER_RUN = 10.0, 4


class TaggerOptions(TypedDict, total=False):
    """Keyword arguments of :class:`Tagger`."""

    batch_windows: int | None
    damaged: Literal["error", "tag"]
    embeddings: bool
    windows: int | None
    step_seconds: float | None


class Tagger:
    """Tags files and waveforms with one model, which is loaded once. Safe to use from several threads.

    A Tagger can be pickled, e.g. for another process, which then loads the model again: a bundled one by its name, any
    other from the same file.

    Args:
        model: the model; :func:`load_tagger` finds one by name.
        batch_windows: windows per run of the network, at least 1; they may come from several files. None for ten
            seconds of audio, but at most four windows: more need memory and save no time.
        damaged: for files that are known to lack audio (truncated, damaged): "error" raises an AudioError, "tag" tags
            what could be decoded and adds a warning.
        embeddings: give an embedding with the scores, if the model has embeddings.
        windows: use only so many windows of a file, 1 to 64, spread evenly over it and found by seeking; None for all.
            They are windows of a full read and get the same scores. Files with no more windows than that, and files
            in which positions are not exact, are read in full; a warning gives the reason for the latter.
        step_seconds: the taggram has a row at least every so many seconds, 0.1 or more, from windows that overlap: the
            network takes that many times longer (2 s with windows of 9.7 s: five times). The file's scores stay those
            of the windows side by side. None for windows side by side. Not together with ``windows``.

    Raises:
        ConfigError: batch_windows, damaged, windows or step_seconds out of range; windows and step_seconds together.

    Examples:
        >>> import earmark, numpy as np
        >>> tagger = earmark.load_tagger()
        >>> scores = tagger.tag_waveform(np.zeros(5 * 44_100), 44_100)  # or tagger.tag("song.mp3")
        >>> scores.top(3), scores.silent, scores.silent_seconds
        ([], True, 5.0)
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
        step_seconds: float | None = None,
    ) -> None:
        self._options: TaggerOptions = {
            "batch_windows": batch_windows,
            "damaged": damaged,
            "embeddings": embeddings,
            "windows": windows,
            "step_seconds": step_seconds,
        }
        if batch_windows is None:
            batch_windows = max(1, min(_MAX_WINDOWS_PER_RUN, int(_SECONDS_PER_RUN / model.card.input.window_seconds)))
        if batch_windows < 1:
            raise ConfigError(f"batch_windows {batch_windows}: must be at least 1")
        if damaged not in ("error", "tag"):
            raise ConfigError(f"damaged {damaged!r}: must be error or tag")
        if windows is not None and not 1 <= windows <= MOST_SPARSE_WINDOWS:
            raise ConfigError(f"windows {windows}: must be 1 to {MOST_SPARSE_WINDOWS}, or none for all of a file")
        if step_seconds is not None and not LEAST_STEP_SECONDS <= step_seconds < np.inf:
            raise ConfigError(f"step_seconds {step_seconds}: must be {LEAST_STEP_SECONDS} or more")
        if step_seconds is not None and windows is not None:
            raise ConfigError(
                f"windows {windows} with step_seconds {step_seconds}: give one of them, steps need all windows of a file"
            )
        self._windows = windows
        self._steps = audio.steps_per_window(model.card.input, step_seconds)
        self._model = model
        self._batch_windows = batch_windows
        self._damaged: Literal["error", "tag"] = damaged
        self._network: Network = model
        self._embedding_dims: int | None = None
        if embeddings and isinstance(model, EmbeddingModel) and model.embedding_dims is not None:
            with_embedding = model.with_embedding
            self._network = lambda batch: np.hstack(with_embedding(batch))  # columns: scores, then embedding
            self._embedding_dims = model.embedding_dims

    @classmethod
    def from_file(cls, path: str | Path, **options: Unpack[TaggerOptions]) -> Tagger:
        """A tagger from an exported ONNX file.

        Args:
            path: the file.
            options: as for the class.

        Raises:
            ModelError: the file is missing, or is not a model with a card.
            ConfigError: options out of range.
        """
        return cls(OnnxModel(path), **options)

    def __reduce__(self) -> tuple[Callable[..., Tagger], tuple[type[Tagger], WindowModel, TaggerOptions]]:
        return _unpickle, (type(self), self._model, self._options)

    def __repr__(self) -> str:
        return f"<Tagger with model {self.card.name}, {len(self.card.vocabulary)} tags>"

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self._model.card

    @property
    def embedding_dims(self) -> int | None:
        """Length of the embeddings that come with the scores; None without embeddings."""
        return self._embedding_dims

    def tag(self, path: AudioSource, *, watch: Watch | None = None) -> TagScores:
        """Tag one file.

        Args:
            path: path of the file, its content as bytes, or a file object opened in binary mode (read into memory from
                its current position).
            watch: called from the decoding thread with the path and the seconds decoded so far; what it raises ends
                the file and is raised here.

        Returns:
            Scores ``(n_tags,)`` in 0..1, and the rest of :class:`TagScores`.

        Raises:
            AudioError: the file is missing, not audio, damaged or truncated; ``reason`` says which.
            ConfigError: not a path, bytes or binary file object.

        Examples:
            >>> import earmark, io, wave
            >>> import numpy as np
            >>> file = io.BytesIO()
            >>> with wave.open(file, "wb") as out:
            ...     out.setnchannels(1)
            ...     out.setsampwidth(2)
            ...     out.setframerate(16_000)
            ...     out.writeframes((8_000 * np.sin(np.arange(32_000) / 6)).astype("<i2").tobytes())
            >>> earmark.load_tagger().tag(file.getvalue()).duration_seconds
            2.0
        """
        (result,) = self.tag_many([path], jobs=1, watch=watch)
        return result

    @overload
    def tag_many(
        self,
        paths: Iterable[AudioSource],
        *,
        jobs: int | None = None,
        errors: Literal["raise"] = "raise",
        on_progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> Iterator[TagScores]: ...

    @overload
    def tag_many(
        self,
        paths: Iterable[AudioSource],
        *,
        jobs: int | None = None,
        errors: Literal["raise", "return"],
        on_progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> Iterator[TagScores | AudioError]: ...

    def tag_many(
        self,
        paths: Iterable[AudioSource],
        *,
        jobs: int | None = None,
        errors: Literal["raise", "return"] = "raise",
        on_progress: Progress | None = None,
        watch: Watch | None = None,
    ) -> Iterator[TagScores] | Iterator[TagScores | AudioError]:
        """Tag many files in parallel. Results come in the order of the paths, as soon as they are ready.

        Args:
            paths: files, each as for :meth:`tag`; taken only as far as needed, so the iterable may be endless.
            jobs: files decoded in parallel, and runs of the network in parallel; None for one per core.
            errors: "raise" stops at the first file that cannot be tagged; "return" gives its AudioError (with ``path``
                and ``reason``) in its place and continues.
            on_progress: called, from any thread, with the seconds of audio tagged since the last call.
            watch: called from the thread that decodes a file, with its path and the seconds decoded so far. An
                AudioError that it raises becomes the file's result.

        Returns:
            Iterator over :class:`TagScores`; with ``errors="return"`` over TagScores and AudioError.

        Raises:
            AudioError: while iterating, with ``errors="raise"``.
            ConfigError: one path instead of several, jobs below 1, or another value of ``errors``.

        Examples:
            >>> import earmark
            >>> tagger = earmark.load_tagger()
            >>> [result.reason for result in tagger.tag_many(["missing.mp3", b""], errors="return")]
            ['no such file', 'the file is empty (0 bytes)']
        """
        if isinstance(paths, str | PathLike | bytes | AudioBytes) or hasattr(paths, "read"):
            shown = repr(paths) if isinstance(paths, str | PathLike) else f"one {type(paths).__name__}"
            raise ConfigError(f"tag_many takes several files, not {shown}: use tag(...), or put it into a list")
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
            steps=self._steps,
        )
        return self._finish(results, raising=errors == "raise")

    def _finish(
        self, results: Generator[WindowScores | AudioError, None, None], raising: bool
    ) -> Iterator[TagScores | AudioError]:
        # Close it now, not in the garbage collector: closing waits for threads, which deadlocks if another thread is
        # just being started.
        with closing(results):
            for result in results:
                if isinstance(result, AudioError):
                    if raising:
                        raise result
                    yield result
                else:
                    yield self._scores(result)

    def tag_waveform(self, samples: npt.ArrayLike, sample_rate_hz: int) -> TagScores:
        """Tag samples in memory. They get the scores that the same audio gets from a file.

        Args:
            samples: ``(n_samples,)`` or ``(n_channels, n_samples)``, floating point, full scale -1..1.
            sample_rate_hz: sample rate in Hz, at least 1.

        Returns:
            Scores ``(n_tags,)`` in 0..1, and the rest of :class:`TagScores`; ``path`` is None.

        Raises:
            AudioError: integers, wrong shape, no samples, NaN or infinite samples, or a rate below 1.

        Examples:
            >>> import earmark, numpy as np
            >>> stereo = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 44_100))
            >>> scores = earmark.load_tagger().tag_waveform(stereo, 44_100)
            >>> scores.scores.shape == (len(scores.tags),), scores.scores.dtype
            (True, dtype('float32'))
        """
        spec = self.card.input
        mixer, meter = Mixer(spec.conditioning), SilenceMeter(spec)
        mono = audio.resample(samples, sample_rate_hz, spec.sample_rate_hz, mixer)
        starts: npt.NDArray[np.int64] | None = None
        if self._windows is not None and len(chosen := audio.sparse_starts(len(mono), spec, self._windows)):
            starts = chosen
        heard, cuts = mono, audio.windows([mono], spec, self._steps)
        if starts is not None:
            heard = mono[starts[:, None] + np.arange(spec.window_samples)]
            cuts = iter(heard)
        batches = iter(lambda: list(islice(cuts, self._batch_windows)), [])
        taggram = np.concatenate([self._network(np.stack(batch)) for batch in batches])
        meter.add(heard.ravel())
        warnings = [*mixer.warnings(), *meter.warnings()]
        if spec.conditioning is None and np.abs(heard).max() < audio.SILENCE_PEAK:
            warnings.append(audio.SILENT if starts is None else SILENT_IN_WINDOWS)
        return self._scores(
            WindowScores(
                path=None,
                taggram=taggram,
                n_samples=len(mono),
                duration_seconds=len(mono) / spec.sample_rate_hz,
                warnings=tuple(warnings),
                starts=starts,
                weights=meter.weights(audio.window_starts(len(mono), spec) if starts is None else None),
                silent_seconds=meter.silent_seconds(),
                silences_seconds=meter.silences_seconds() if starts is None else np.zeros((0, 2)),
            )
        )

    def _scores(self, windows: WindowScores) -> TagScores:
        spec = self.card.input
        card = self.card
        taggram, embeddings = np.split(windows.taggram, [len(card.vocabulary)], axis=1)
        names, maps = card.vocabulary.names, card.calibration
        weights = windows.weights
        side_by_side: slice | npt.NDArray[np.bool_] = slice(None)
        if windows.starts is not None:
            starts = windows.starts
        else:
            starts = audio.window_starts(windows.n_samples, spec, self._steps)
            if self._steps > 1:
                side_by_side = np.isin(starts, audio.window_starts(windows.n_samples, spec))
        scores = calibrated(aggregate(taggram[side_by_side], weights), names, maps)
        window_scores = np.ascontiguousarray(calibrated(taggram, names, maps))
        silent = weights is not None and not weights.any()
        if weights is not None and self._steps == 1:
            window_scores[weights == 0] = 0
        if silent:
            scores = np.zeros_like(scores)
        result = TagScores(
            path=windows.path,
            model=card.name,
            vocabulary=card.vocabulary,
            scores=scores,
            taggram=window_scores,
            window_starts_seconds=starts.clip(0) / spec.sample_rate_hz,
            window_seconds=spec.window_seconds,
            duration_seconds=windows.duration_seconds,
            thresholds=dict(card.thresholds),
            warnings=windows.warnings,
            rules=card.rules,
            sparse=windows.starts is not None,
            embedding=None if self._embedding_dims is None else aggregate(embeddings[side_by_side], weights),
            silent_seconds=windows.silent_seconds,
            silent=silent,
            n_windows=len(taggram[side_by_side]),
            silences_seconds=windows.silences_seconds,
            uncalibrated=np.ascontiguousarray(taggram),
            calibration=dict(maps),
        )
        if self._steps > 1:  # a moment is silent, or not; windows around it may be longer
            window_scores[result.audible_seconds() == 0] = 0
        return result


def _unpickle(kind: type[Tagger], model: WindowModel, options: TaggerOptions) -> Tagger:
    return kind(model, **options)


def load_tagger(model: str | Path | None = None, **options: Unpack[TaggerOptions]) -> Tagger:
    """Load a model by name or from a file.

    Args:
        model: a name that ``earmark models list`` shows, the path of an .onnx file, or None for the bundled model.
        options: keyword arguments of :class:`Tagger`: batch_windows, damaged, embeddings, windows, step_seconds.

    Returns:
        The tagger; loading takes some tenths of a second, so keep it for all files.

    Raises:
        ModelError: there is no such model, or it cannot be loaded.
        ConfigError: options out of range.

    Examples:
        >>> import earmark
        >>> tagger = earmark.load_tagger()
        >>> "rock" in tagger.card.vocabulary.names
        True
    """
    return Tagger.from_file(find_model(model), **options)

"""Tag files and waveforms with one model: windows -> window scores -> scores of the file."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, Unpack, overload

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.audio import AudioSource
from earmark.core.card import ModelCard
from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError, ConfigError
from earmark.tagging.devices import CPU
from earmark.tagging.file_scores import WindowScores, file_scores
from earmark.tagging.file_windows import Measures, Watch, waveform_windows
from earmark.tagging.options import TaggerOptions, check_call, default_batch_windows, option_problems
from earmark.tagging.pipeline import Network, run_pipeline
from earmark.tagging.progress import OnProgress
from earmark.tagging.runtime import EmbeddingModel, OnnxModel, WindowModel, device_of, find_model
from earmark.tagging.tag_scores import TagScores


class Tagger:
    """Tags files and waveforms with one model, which is loaded once. Safe to use from several threads.

    A Tagger can be pickled, e.g. for another process, which then loads the model again: a bundled one by its name, any
    other from the same file.

    Args:
        model: the model; :func:`load_tagger` finds one by name.
        batch_windows: windows per run of the network, at least 1; they may come from several files. None for ten
            seconds of audio, but at most four windows: more need memory and save no time. On a GPU None is for 32.
        damaged: for files that are known to lack audio (truncated, damaged): "error" raises an AudioError, "tag" tags
            what could be decoded and adds a warning.
        embeddings: give an embedding with the scores, if the model has embeddings.
        windows: use only so many windows of a file, 1 to 64, spread evenly over it and found by seeking; None for all.
            They are windows of a full read and get the same scores. Files with no more windows than that, and files
            in which positions are not exact, are read in full; a warning gives the reason for the latter.
        step_seconds: the taggram has a row at least every so many seconds, 0.1 or more, from windows that overlap: the
            network takes that many times longer (2 s with windows of 9.7 s: five times). The file's scores stay those
            of the windows side by side. None for windows side by side. Not together with ``windows``.
        tempo, key: also estimate the tempo, and the key; see :attr:`TagScores.tempo`. Not together with ``windows``.

    Raises:
        ConfigError: a value out of range; windows together with step_seconds, tempo or key.

    Examples:
        >>> import earmark, numpy as np
        >>> tagger = earmark.load_tagger()
        >>> scores = tagger.tag_waveform(np.zeros(5 * 44_100), 44_100)  # or tagger.tag("song.mp3")
        >>> scores.top(3), scores.silent, scores.silent_seconds
        ([], True, 5.0)
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
        tempo: bool = False,
        key: bool = False,
    ) -> None:
        self._options: TaggerOptions = {
            "batch_windows": batch_windows,
            "damaged": damaged,
            "embeddings": embeddings,
            "windows": windows,
            "step_seconds": step_seconds,
            "tempo": tempo,
            "key": key,
        }
        if problems := option_problems(self._options):
            raise ConfigError(problems)
        self._model, self._windows, self._measures = model, windows, Measures(tempo, key)
        self._steps, self._on_gpu = audio.steps_per_window(model.card.input, step_seconds), device_of(model) != CPU
        self._batch_windows = batch_windows or default_batch_windows(model.card.input, on_gpu=self._on_gpu)
        self._damaged: Literal["error", "tag"] = damaged
        self._network: Network = model
        self._embedding_dims: int | None = None
        if embeddings and isinstance(model, EmbeddingModel) and model.embedding_dims is not None:
            with_embedding = model.with_embedding
            self._network = lambda batch: np.hstack(with_embedding(batch))  # columns: scores, then embedding
            self._embedding_dims = model.embedding_dims

    @classmethod
    def from_file(cls, path: str | Path, *, device: str = CPU, **options: Unpack[TaggerOptions]) -> Tagger:
        """A tagger from an exported ONNX file.

        Args:
            path: the file.
            device: as for :func:`load_tagger`.
            options: as for the class.

        Returns:
            The tagger.

        Raises:
            ModelError: the file is missing, or is not a model with a card.
            ConfigError: options out of range, or a device that cannot be used.
        """
        return cls(OnnxModel(path, device=device), **options)

    def __reduce__(self) -> tuple[partial[Tagger], tuple[WindowModel]]:
        return partial(type(self), **self._options), (self._model,)

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

    def tag(self, path: AudioSource, *, on_progress: OnProgress | None = None, watch: Watch | None = None) -> TagScores:
        """Tag one file.

        Args:
            path: path of the file, its content as bytes, or a file object opened in binary mode (read into memory from
                its current position).
            on_progress: as for :meth:`tag_many`; says how much of a long file is decoded.
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
        (result,) = self.tag_many([path], jobs=1, on_progress=on_progress, watch=watch)
        return result

    @overload
    def tag_many(
        self,
        paths: Iterable[AudioSource],
        *,
        jobs: int | None = None,
        errors: Literal["raise"] = "raise",
        on_progress: OnProgress | None = None,
        watch: Watch | None = None,
    ) -> Iterator[TagScores]: ...

    @overload
    def tag_many(
        self,
        paths: Iterable[AudioSource],
        *,
        jobs: int | None = None,
        errors: Literal["raise", "return"],
        on_progress: OnProgress | None = None,
        watch: Watch | None = None,
    ) -> Iterator[TagScores | AudioError]: ...

    def tag_many(
        self,
        paths: Iterable[AudioSource],
        *,
        jobs: int | None = None,
        errors: Literal["raise", "return"] = "raise",
        on_progress: OnProgress | None = None,
        watch: Watch | None = None,
    ) -> Iterator[TagScores] | Iterator[TagScores | AudioError]:
        """Tag many files in parallel. Results come in the order of the paths, as soon as they are ready.

        Args:
            paths: files, each as for :meth:`tag`; taken only as far as needed, so the iterable may be endless.
            jobs: files decoded in parallel, and (on CPUs) runs of the network in parallel; None for one per core.
            errors: "raise" stops at the first file that cannot be tagged; "return" gives its AudioError (with ``path``
                and ``reason``) in its place and continues.
            on_progress: called with a :class:`earmark.TagProgress` in the thread that iterates: for each file before
                its result, and while it waits for that up to ten times a second. What it raises ends the tagging.
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
        check_call(paths, jobs, errors)
        results = run_pipeline(
            paths,
            self._network,
            self.card.input,
            jobs=jobs or available_cores(),
            one_run_at_a_time=self._on_gpu,
            batch_windows=self._batch_windows,
            damaged=self._damaged,
            on_progress=on_progress,
            watch=watch,
            sparse_windows=self._windows,
            steps=self._steps,
            measures=self._measures,
        )
        return self._finish(results, raising=errors == "raise")

    def _finish(
        self, results: Generator[WindowScores | AudioError, None, None], raising: bool
    ) -> Iterator[TagScores | AudioError]:
        # Not in the garbage collector: closing waits for threads, which deadlocks if one is just being started.
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
            samples: ``(n_samples,)`` or ``(n_channels, n_samples)``, floating point, full scale -1..1. Three to eight
                channels are taken in the order of FLAC files (:func:`earmark.audio.mixer.usual_channels`).
            sample_rate_hz: sample rate in Hz, a whole number, at least 1.

        Returns:
            Scores ``(n_tags,)`` in 0..1, and the rest of :class:`TagScores`; ``path`` is None.

        Raises:
            AudioError: integers, wrong shape, no samples, NaN or infinite samples, samples beyond 8, or a rate that is no whole number of 1 or more.

        Examples:
            >>> import earmark, numpy as np
            >>> stereo = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 44_100))
            >>> scores = earmark.load_tagger().tag_waveform(stereo, 44_100)
            >>> scores.scores.shape == (len(scores.tags),), scores.scores.dtype
            (True, dtype('float32'))
        """
        windows, summary = waveform_windows(
            samples, sample_rate_hz, self.card.input, self._windows, self._steps, self._measures
        )
        batches = iter(lambda: list(islice(windows, self._batch_windows)), [])
        taggram = np.concatenate([self._network(np.stack(batch)) for batch in batches])
        return self._scores(WindowScores(None, taggram, summary))

    def _scores(self, windows: WindowScores) -> TagScores:
        return file_scores(windows, self.card, steps=self._steps, embedding=self._embedding_dims is not None)


def load_tagger(model: str | Path | None = None, *, device: str = CPU, **options: Unpack[TaggerOptions]) -> Tagger:
    """Load a model by name or from a file.

    Args:
        model: a name that ``earmark models list`` shows, the path of an .onnx file, or None for the bundled model.
        device: of the network: "cpu", or a GPU by "cuda", "directml" or "coreml" (docs/gpu.md). Decoding stays on CPUs.
        options: keyword arguments of :class:`Tagger`.

    Returns:
        The tagger; loading takes some tenths of a second, so keep it for all files.

    Raises:
        ModelError: there is no such model, or it cannot be loaded.
        ConfigError: options out of range, or a device that cannot be used.

    Examples:
        >>> import earmark
        >>> "rock" in earmark.load_tagger().card.vocabulary.names
        True
    """
    return Tagger.from_file(find_model(model), device=device, **options)

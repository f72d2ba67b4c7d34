"""Embeddings of files: the values of one layer of a network, for each window or frame, or pooled over time."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Unpack, get_args

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.audio import AudioSource
from earmark.core.card import ModelCard
from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError, ConfigError
from earmark.core.version import __version__
from earmark.tagging.devices import CPU, GPU_BATCH_WINDOWS
from earmark.tagging.file_scores import WindowScores
from earmark.tagging.file_windows import waveform_windows
from earmark.tagging.layer_pooling import Pool, Unit, Within, channels_last, pool_frames, pooled
from earmark.tagging.options import EmbedderOptions, option_problems
from earmark.tagging.pipeline import run_pipeline
from earmark.tagging.progress import OnProgress
from earmark.tagging.runtime import LayerModel, OnnxModel, device_of, find_model

Floats = npt.NDArray[np.float32]

_WINDOWS_PER_RUN = 4


@dataclass(frozen=True, eq=False)
class Embedding:
    """Embedding of one file.

    Attributes:
        path: the file, or the name of one in memory; None without a name.
        values: ``(n_rows, n_dims)`` float32; one row where they are pooled over time.
        starts_seconds: ``(n_rows,)``, where each row's window or frame begins in the file; 0 for the row of a whole file.
        weights: ``(n_rows,)``, what each row counts for in the pooled ones, 0 to 1: its share that is not silent or, in the last
            window of a file, in no other.
        duration_seconds: length of the file.
        warnings: one line each.
    """

    path: Path | None
    values: Floats
    starts_seconds: npt.NDArray[np.float64]
    weights: Floats
    duration_seconds: float
    warnings: tuple[str, ...] = ()


class Embedder:
    """Embeds files and waveforms with one layer of one model. Safe to use from several threads.

    A layer's values have a channel axis and mostly a time axis; what else they have (frequency) is averaged over. In the
    layouts of convolutions, (batch, channels, ..., time), which is what is assumed without ``time_axis``, channels are
    the second axis and time is the last; with another ``time_axis`` channels are the second axis or, if that is time, the last.

    Args:
        model: the model with its layer; :func:`load_embedder` finds one by name.
        pool: over time: "mean"; "mean+std", twice as many values; "max"; "none" for a row per unit. Windows count by
            their share that is not silent, as in the scores of a file.
        unit: "window": frames are pooled within each window first; "frame": each frame of the layer.
        within: how they are pooled within a window: "mean", "mean+std" or "max".
        time_axis: of the layer's values, from 1; None for the last of three or more.
        options: batch_windows, damaged, windows and step_seconds as in :class:`earmark.Tagger`; steps with pool "none"
            only.

    Raises:
        ConfigError: values out of range, or a layer without the time axis that is wanted; all at once.

    Examples:
        >>> import numpy as np
        >>> embedder = load_embedder(pool="mean+std")
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 20 * 16_000)
        >>> embedder.embed_waveform(noise, 16_000).values.shape == (1, 2 * load_embedder().n_dims)
        True
    """

    def __init__(
        self,
        model: LayerModel,
        *,
        pool: Pool = "mean",
        unit: Unit = "window",
        within: Within = "mean",
        time_axis: int | None = None,
        **options: Unpack[EmbedderOptions],
    ) -> None:
        problems = option_problems(options)
        for name, value, allowed in (
            ("pool", pool, get_args(Pool)),
            ("unit", unit, get_args(Unit)),
            ("within", within, get_args(Within)),
        ):
            if value not in allowed:
                problems.append(f"{name} {value!r}: must be {' or '.join(allowed)}")
        if unit == "frame" and within != "mean":
            problems.append(f"within {within!r} with unit 'frame': only with unit window")
        step_seconds = options.get("step_seconds")
        if step_seconds is not None and pool != "none":
            problems.append(f"step_seconds {step_seconds:g} with pool {pool!r}: only with pool none, which keeps time")
        if problems:
            raise ConfigError(problems)
        self.model, self.pool, self.unit, self.time_axis = model, pool, unit, time_axis
        self.within = within
        self._damaged = options.get("damaged", "error")
        self._windows = options.get("windows")
        self._steps = audio.steps_per_window(self.card.input, step_seconds)
        self._on_gpu = device_of(model) != CPU
        default = GPU_BATCH_WINDOWS if self._on_gpu else _WINDOWS_PER_RUN
        self._batch_windows = options.get("batch_windows") or default
        silence = np.zeros((1, self.card.input.window_samples), np.float32)
        self._shape = self._of_windows(silence).shape[1:]  # frames and channels of a window

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self.model.card

    @property
    def n_frames(self) -> int:
        """Frames of a window; 1 with unit "window"."""
        return int(self._shape[0])

    @property
    def n_dims(self) -> int:
        """Length of a row."""
        return int(self._shape[1]) * (2 if self.pool == "mean+std" else 1)

    def about(self) -> dict[str, Any]:
        """What all embeddings depend on, as JSON values: part of tables of them."""
        card = self.card
        return {
            "earmark": __version__,
            "model": card.name,
            "model_version": card.version,
            "weights_sha256": card.weights_sha256,
            "layer": self.model.layer,
            "time_axis": self.time_axis,
            "pool": self.pool,
            "unit": self.unit,
            "within": self.within,
            "n_frames": self.n_frames,
            "n_dims": self.n_dims,
            "window_seconds": card.input.window_seconds,
            "damaged": self._damaged,
            "windows": self._windows,
            "steps": self._steps,
        }

    def embed(self, path: AudioSource) -> Embedding:
        """Embed one file. Arguments and errors as of :meth:`embed_many`."""
        (found,) = self.embed_many([path], jobs=1)
        assert isinstance(found, Embedding)
        return found

    def embed_many(
        self,
        paths: Iterable[AudioSource],
        *,
        jobs: int | None = None,
        errors: Literal["raise", "return"] = "raise",
        on_progress: OnProgress | None = None,
    ) -> Generator[Embedding | AudioError, None, None]:
        """Embed many files in parallel, in the order of the paths.

        Args:
            paths: files, each as for :meth:`earmark.Tagger.tag`; taken only as far as needed.
            jobs: files decoded in parallel, and runs of the network; None for one per core.
            errors: "raise" stops at the first file that cannot be read; "return" gives its AudioError in its place.
            on_progress: as for :meth:`earmark.Tagger.tag_many`.

        Yields:
            Embedding, or the AudioError of a file.

        Raises:
            AudioError: with ``errors="raise"``.
        """
        results = run_pipeline(
            paths,
            self._flat,
            self.card.input,
            jobs=jobs or available_cores(),
            one_run_at_a_time=self._on_gpu,
            batch_windows=self._batch_windows,
            damaged=self._damaged,
            on_progress=on_progress,
            sparse_windows=self._windows,
            steps=self._steps,
        )
        return self._finish(results, raising=errors == "raise")

    def _finish(
        self, results: Generator[WindowScores | AudioError, None, None], raising: bool
    ) -> Generator[Embedding | AudioError, None, None]:
        with closing(results):
            for result in results:
                if not isinstance(result, AudioError):
                    yield self._pooled(result)
                elif raising:
                    raise result
                else:
                    yield result

    def embed_waveform(self, samples: npt.ArrayLike, sample_rate_hz: int) -> Embedding:
        """Embed samples in memory, which are given and refused as by :meth:`earmark.Tagger.tag_waveform`."""
        windows, summary = waveform_windows(samples, sample_rate_hz, self.card.input, self._windows, self._steps)
        batches = iter(lambda: list(islice(windows, self._batch_windows)), [])
        values = np.concatenate([self._flat(np.stack(batch)) for batch in batches])
        return self._pooled(WindowScores(None, values, summary))

    def _of_windows(self, batch: Floats) -> Floats:
        """Windows (n, window_samples) -> (n, n_frames, n_channels)."""
        values = channels_last(self.model.layer_values(batch), self.time_axis, frames=self.unit == "frame")
        return values if self.unit == "frame" else pool_frames(values, self.within)

    def _flat(self, batch: Floats) -> Floats:
        return self._of_windows(batch).reshape(len(batch), -1)

    def _pooled(self, windows: WindowScores) -> Embedding:
        summary, (n_frames, _) = windows.audio, self._shape
        values = windows.taggram.reshape(-1, self._shape[1])
        starts = summary.window_starts_seconds(self.card.input, self._steps)
        frame_seconds = self.card.input.window_seconds / n_frames
        starts = (starts[:, None] + frame_seconds * np.arange(n_frames)).ravel()
        weights = np.ones(len(values), np.float32)
        if summary.weights is not None and self._steps == 1:
            weights = np.repeat(summary.weights, n_frames)
        if self.pool != "none":
            values, starts = pooled(values, self.pool, weights)[None], np.zeros(1)
            weights = np.ones(1, np.float32)
        return Embedding(windows.path, values, starts, weights, summary.duration_seconds, summary.warnings)


def load_embedder(
    model: str | Path | None = None,
    *,
    layer: str | None = None,
    pool: Pool = "mean",
    unit: Unit = "window",
    within: Within = "mean",
    time_axis: int | None = None,
    device: str = CPU,
    **options: Unpack[EmbedderOptions],
) -> Embedder:
    """Load a model by name or from an ONNX file.

    Args:
        model: a name that ``earmark models list`` shows, the path of an .onnx file, or None for the bundled model.
        layer: a value of its graph, which ``earmark embed --layers`` lists; None for its embedding.
        pool, unit, within, time_axis, options: see :class:`Embedder`.
        device: as for :func:`earmark.load_tagger`.

    Returns:
        The embedder.

    Raises:
        ModelError: there is no such model or layer, or it cannot be loaded.
        ConfigError: options out of range, or a device that cannot be used.

    Examples:
        >>> load_embedder(layer="probabilities").n_dims == len(load_embedder().card.vocabulary)
        True
    """
    found = OnnxModel(find_model(model), layer=layer, device=device)
    return Embedder(found, pool=pool, unit=unit, within=within, time_axis=time_axis, **options)

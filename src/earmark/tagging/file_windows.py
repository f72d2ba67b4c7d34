"""The windows of one file or waveform, and what is known of its audio once they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from earmark import audio
from earmark.audio import AudioBytes
from earmark.audio.chunker import begin_of_sound
from earmark.audio.mixer import Mixer
from earmark.audio.seeking import SILENT_IN_WINDOWS, CannotSeekError, FileParts
from earmark.audio.silence import SilenceMeter
from earmark.audio.sound import SoundStream
from earmark.core.errors import AudioError, TruncatedAudioError
from earmark.core.input_spec import InputSpec
from earmark.tagging.time_axis import seconds_with

if TYPE_CHECKING:
    from earmark.tagging.tempo_key.meter import TempoKeyMeter
    from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

Window = npt.NDArray[np.float32]
Watch = Callable[[Path, float], None]
"""Called from the thread that decodes a file, with its path (:data:`UNNAMED` for bytes without a name) and the seconds
decoded so far. An exception ends the file: an AudioError becomes its result, any other is raised to the caller."""

UNNAMED = Path("<bytes>")


class Measures(NamedTuple):
    """What is estimated of a file's sound beside its tags."""

    tempo: bool = False
    key: bool = False

    def meter(self, sample_rate_hz: int) -> TempoKeyMeter | None:
        """A meter for one file; None where nothing is wanted."""
        if not (self.tempo or self.key):
            return None
        from earmark.tagging.tempo_key.meter import TempoKeyMeter

        return TempoKeyMeter(sample_rate_hz, tempo=self.tempo, key=self.key)


NO_MEASURES = Measures()


@dataclass(frozen=True)
class AudioSummary:
    """What is known of a file's audio once its windows are read.

    Attributes:
        n_samples: length at the model's rate, without silences that were left out.
        duration_seconds: length as it was decoded.
        warnings: one line each.
        starts: first sample of each window, at the model's rate, where only some windows were read; None for all.
        weights: ``(n_windows,)``, 0..1: what each window counts for, without those between; None for models without
            conditioning.
        silent_seconds: how much of what was read is silent; 0 for models without conditioning.
        silences_seconds: ``(n, 2)``, begin and end of silent parts of at least half a second, and of those at both ends; none
            where only some windows were read.
        left_out: ``(n, 2)``, those of them that were left out before windows were cut, in samples at the model's rate.
        tempo, key: as they were estimated; None where they were not wanted.
    """

    n_samples: int
    duration_seconds: float
    warnings: tuple[str, ...]
    starts: npt.NDArray[np.int64] | None = None
    weights: npt.NDArray[np.float32] | None = None
    silent_seconds: float = 0.0
    silences_seconds: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    left_out: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    tempo: Tempo | None = None
    key: KeyEstimate | None = None

    def window_starts_seconds(self, spec: InputSpec, steps: int = 1) -> npt.NDArray[np.float64]:
        """Where each window begins in the file, ``(n_windows,)``; ``steps`` as in :func:`earmark.audio.windows`."""
        if self.starts is not None:
            return self.starts / spec.sample_rate_hz
        starts = audio.window_starts(self.n_samples, spec, steps).clip(0)
        return seconds_with(self.left_out, starts) / spec.sample_rate_hz


class FileWindows:
    """The windows of one file, ``(window_samples,)`` each, decoded as they are iterated over, once.

    Args:
        source: the file.
        spec: rate and windows.
        damaged: what a file that is known to lack audio is: an "error", or to "tag" with a warning.
        watch: called with how far the file has been decoded; may end it, see :data:`Watch`.
        sparse_windows: read only so many windows, by seeking, where that is possible; None for all.
        steps: windows for each one of the spec, see :func:`earmark.audio.windows`; 1 with ``sparse_windows``.
        measures: what else is estimated; nothing with ``sparse_windows``.

    Attributes:
        path: of the file, or its name in memory; None without a name.
        audio: what is known of the audio, once all windows are read.
        decoded_seconds: how much is decoded so far.
        declared_seconds: length that the file declares; None where it does not, and before it is opened.

    Raises:
        AudioError: while iterating: the file cannot be decoded, or lacks audio.
    """

    audio: AudioSummary

    def __init__(
        self,
        source: Path | AudioBytes,
        spec: InputSpec,
        *,
        damaged: Literal["error", "tag"],
        watch: Watch | None = None,
        sparse_windows: int | None = None,
        steps: int = 1,
        measures: Measures = NO_MEASURES,
    ) -> None:
        self.source, self.spec, self.damaged, self.watch = source, spec, damaged, watch
        self.sparse_windows, self.steps, self.measures = sparse_windows, steps, measures
        self.path = source.path if isinstance(source, AudioBytes) else source
        self.decoded_seconds = 0.0
        self.declared_seconds: float | None = None

    def __iter__(self) -> Iterator[Window]:
        notes = []
        if self.sparse_windows is not None:
            try:
                found = audio.sparse_windows(self.source, self.spec, self.sparse_windows)
                if found is not None:
                    return self._some(found, _measured(found.samples, self.spec))
            except CannotSeekError as error:
                notes.append(f"read in full: {error}")
        return self._all(notes)

    def _some(self, found: FileParts, meter: SilenceMeter) -> Iterator[Window]:
        self.declared_seconds = found.duration_seconds
        self._report(found.duration_seconds)
        yield from found.samples
        self.audio = AudioSummary(
            n_samples=round(found.duration_seconds * self.spec.sample_rate_hz),
            duration_seconds=found.duration_seconds,
            warnings=found.warnings,
            starts=np.array(found.starts, np.int64),
            weights=meter.weights(None),
            silent_seconds=meter.silent_seconds(),
        )

    def _all(self, notes: list[str]) -> Iterator[Window]:
        stream = audio.stream(self.source, self.spec.sample_rate_hz, self.spec.conditioning)

        def blocks() -> Iterator[Window]:
            try:
                for block in stream:
                    self.declared_seconds = stream.declared_seconds
                    self._report(stream.duration_seconds)
                    yield block
            except TruncatedAudioError as error:
                if self.damaged == "error" or not stream.duration_seconds:
                    raise
                notes.append(error.reason)

        sound = SoundStream(blocks(), self.spec)
        meter = self.measures.meter(self.spec.sample_rate_hz)
        yield from audio.windows(_metered(sound, meter), self.spec, self.steps)
        if not sound.n_samples:
            raise AudioError(f"holds less audio than one sample at {self.spec.sample_rate_hz} Hz", self.path)
        self.audio = AudioSummary(
            duration_seconds=stream.duration_seconds,
            warnings=(*notes, *stream.warnings, *sound.warnings()),
            **_of_sound(sound, self.spec, meter),
        )

    def _report(self, seconds: float) -> None:
        self.decoded_seconds = seconds
        if self.watch is not None:
            self.watch(self.path or UNNAMED, seconds)


def _measured(windows: Iterable[Window], spec: InputSpec) -> SilenceMeter:
    """What is silent of a few windows. Raises CannotSeekError where that is much: in a full read there is more sound."""
    meter = SilenceMeter(spec)
    for window in windows:
        meter.add(window)
    if meter.is_partly_silent():
        raise CannotSeekError("it is silent in parts")
    return meter


def _metered(sound: SoundStream, meter: TempoKeyMeter | None) -> Iterator[Window]:
    """The blocks of a stream, each after the meter has had it."""
    for block in sound:
        if meter is not None:
            meter.add(block)
        yield block


def _of_sound(sound: SoundStream, spec: InputSpec, meter: TempoKeyMeter | None) -> dict[str, Any]:
    """Fields of a summary, once the stream has ended."""
    tempo, key = (None, None) if meter is None else meter.finish()
    return {
        "tempo": tempo,
        "key": key,
        "n_samples": sound.n_given,
        "weights": sound.meter.weights(audio.window_starts(sound.n_given, spec)),
        "silent_seconds": sound.silent_seconds(),
        "silences_seconds": sound.silences_seconds(),
        "left_out": sound.left_out(),
    }


def waveform_windows(
    samples: npt.ArrayLike,
    sample_rate_hz: int,
    spec: InputSpec,
    sparse_windows: int | None = None,
    steps: int = 1,
    measures: Measures = NO_MEASURES,
) -> tuple[Iterator[Window], AudioSummary]:
    """The same of samples in memory, see :meth:`earmark.Tagger.tag_waveform`. Raises AudioError as that does."""
    mixer = Mixer(spec.conditioning)
    mono = audio.resample(samples, sample_rate_hz, spec.sample_rate_hz, mixer)
    duration_seconds = len(mono) / spec.sample_rate_hz
    starts, used, notes = np.empty(0, np.int64), np.empty((0, spec.window_samples), np.float32), []
    if sparse_windows is not None:
        try:
            begin = begin_of_sound([mono[: spec.window_samples + 2 * spec.sample_rate_hz]], spec)
            starts = begin + audio.sparse_starts(len(mono) - begin, spec, sparse_windows)
            used = mono[starts[:, None] + np.arange(spec.window_samples)]
            meter = _measured(used, spec)
        except CannotSeekError as error:
            starts, notes = np.empty(0, np.int64), [f"read in full: {error}"]
    if not len(starts):
        stream = SoundStream([mono], spec)
        tempo_key = measures.meter(spec.sample_rate_hz)
        sound = np.concatenate(list(_metered(stream, tempo_key)))
        warnings = [*notes, *mixer.warnings(), *stream.warnings()]
        if spec.conditioning is None and np.abs(mono).max() < audio.SILENCE_PEAK:
            warnings.append(audio.SILENT)
        return audio.windows([sound], spec, steps), AudioSummary(
            duration_seconds=duration_seconds, warnings=tuple(warnings), **_of_sound(stream, spec, tempo_key)
        )
    warnings = mixer.warnings()
    if spec.conditioning is None and np.abs(used).max() < audio.SILENCE_PEAK:
        warnings.append(SILENT_IN_WINDOWS)
    return iter(used), AudioSummary(
        n_samples=len(mono),
        duration_seconds=duration_seconds,
        warnings=tuple(warnings),
        starts=starts,
        weights=meter.weights(None),
        silent_seconds=meter.silent_seconds(),
    )

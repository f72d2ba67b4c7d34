"""Scores of one file: all tags, the highest ones, the JSON record. :mod:`earmark.tagging.file_scores` makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from earmark.core.calibration import Platt
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Vocabulary
from earmark.tagging.data_frames import tag_frame, taggram_frame
from earmark.tagging.score_formats import score_html, score_record, score_text
from earmark.tagging.segments import MIN_SECONDS, Segment, find_segments
from earmark.tagging.time_axis import seconds_with, seconds_without
from earmark.tagging.top_tags import TagScore, Threshold, top_per_category, top_tags

if TYPE_CHECKING:
    import pandas as pd

    from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class TagScores:
    """The scores of one file or waveform. Works like a read-only mapping from tag name to score.

    Some models have degrees beside their tags, such as energy: regression tags without a threshold, see :attr:`degrees`.
    They are in the mapping, the scores and the taggram, but in no list of tags.

    Attributes:
        path: the file, or the name of a file object; None for a waveform, and for bytes without a name.
        model: name of the model.
        vocabulary: tags in the order of ``scores``.
        scores: ``(n_tags,)`` float32, 0..1: the mean over windows, calibrated where the model's card says how.
        taggram: ``(n_rows, n_tags)`` float32, 0..1: the scores of every window that was used; with ``step_seconds``
            also of windows between them. These are calibrated, too, each for itself, so the mean of a calibrated tag's
            column is not exactly its score.
        window_starts_seconds: ``(n_rows,)`` float64, start of each window of the taggram in seconds.
        window_seconds: length of a window; the last one may end after the audio.
        duration_seconds: length of the audio.
        thresholds: tag name -> score from which the tag applies, for tags with a threshold in the model's card.
        warnings: problems that are no errors, e.g. that the file is silent; one line each.
        rules: which tags exclude, imply or silence each other, from the model's card.
        sparse: only some windows were used, spread over the file.
        embedding: ``(n_dims,)`` float32: the input of the network's last layer, as a mean over windows; files that sound
            alike have embeddings of nearly the same direction. None unless the tagger was made with embeddings.
        silent_seconds: how much of the audio that was used is silent. Windows count by their share that is not, and
            silent windows have no scores (0). Always 0 for models that take audio as it is (published ones).
        silent: nothing that was used is audible: nothing can be said, so all scores are 0, and :meth:`top` is empty.
        n_windows: of how many windows ``scores`` are the mean; None for all of the taggram's.
        silences_seconds: ``(n, 2)`` float64, begin and end of silent parts of at least half a second, and of those at both ends.
        left_out_seconds: ``(n, 2)`` float64, those of them that were left out before windows were cut: a window that
            begins before one goes on behind it.
        uncalibrated: ``(n_rows, n_tags)`` float32, the taggram as the network gives it; None where it is not kept.
        calibration: tag name -> map from the network's score to the calibrated one.
        tempo, key: None unless the tagger was made with ``tempo=True`` or ``key=True``.

    Examples:
        >>> import earmark, numpy as np
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 3 * 16_000)
        >>> scores = earmark.load_tagger().tag_waveform(noise, 16_000)
        >>> "rock" in scores, 0 <= scores["rock"] <= 1, len(scores) == len(scores.tags)
        (True, True, True)
        >>> scores.top(1)[0].score == max(score for tag, score in scores.items() if tag not in scores.degrees)
        True
        >>> scores.scores.shape == (len(scores),), scores.scores.dtype, scores.duration_seconds
        (True, dtype('float32'), 3.0)
    """

    path: Path | None
    model: str
    vocabulary: Vocabulary
    scores: Scores
    taggram: Scores
    window_starts_seconds: npt.NDArray[np.float64]
    window_seconds: float
    duration_seconds: float
    thresholds: dict[str, float]
    warnings: tuple[str, ...] = ()
    rules: TagConstraints = field(default_factory=TagConstraints)
    sparse: bool = False
    embedding: npt.NDArray[np.float32] | None = None
    silent_seconds: float = 0.0
    silent: bool = False
    n_windows: int | None = None
    silences_seconds: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    left_out_seconds: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))
    uncalibrated: Scores | None = None
    calibration: dict[str, Platt] = field(default_factory=dict)
    tempo: Tempo | None = None
    key: KeyEstimate | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """Names of all tags, in the order of ``scores``."""
        return self.vocabulary.names

    @property
    def degrees(self) -> dict[str, float]:
        """Degree -> how much of it, 0..1, in the order of ``scores``: of energy, say, where the model has that.

        Empty where the model has none (see :meth:`earmark.Vocabulary.degrees`), and where all is silent.

        Examples:
            >>> import dataclasses, earmark, numpy as np
            >>> scores = earmark.load_tagger().tag_waveform(np.zeros(16_000), 16_000)
            >>> tags = earmark.Vocabulary((earmark.Tag("rock"), earmark.Tag("energy", "regression")))
            >>> values = np.array([0.25, 0.75], np.float32)
            >>> made = dataclasses.replace(
            ...     scores, vocabulary=tags, thresholds={"rock": 0.5}, scores=values, silent=False
            ... )
            >>> made.degrees, made["energy"], [tag.tag for tag in made.top()]
            ({'energy': 0.75}, 0.75, ['rock'])
        """
        return {} if self.silent else {name: self[name] for name in self.vocabulary.degrees(self.thresholds)}

    @cached_property
    def is_degree(self) -> npt.NDArray[np.bool_]:
        """Which of the scores are degrees, ``(n_tags,)``; see :attr:`degrees`."""
        degrees = self.vocabulary.degrees(self.thresholds)
        return np.array([name in degrees for name in self.tags])

    @property
    def heard_seconds(self) -> float:
        """Seconds of the audio that are inside a window that was used."""
        if not self.sparse:
            return self.duration_seconds
        ends = self.window_starts_seconds + self.window_seconds
        return float((ends - np.maximum(self.window_starts_seconds, np.append(0.0, ends[:-1]))).sum())

    def row_edges_seconds(self) -> npt.NDArray[np.float64]:
        """Which moments each row of the taggram stands for: ``(n_rows + 1,)`` rising, from 0 to the end of the audio.

        A moment has the scores of the window whose centre is nearest. Not for sparse scores, which leave some out.
        """
        starts, end = self.window_starts_seconds, max(self.duration_seconds, 1e-3)
        starts, sound_end = (seconds_without(self.left_out_seconds, times) for times in (starts, end))
        between = (starts[1:] + starts[:-1] + self.window_seconds) / 2
        if (starts + self.window_seconds > sound_end + 1e-6).sum() > 1:  # repeated, from evenly spread places on
            between = starts[1:]
        return np.concatenate([[0.0], np.minimum(seconds_with(self.left_out_seconds, between), end), [end]])

    def window_ends_seconds(self) -> npt.NDArray[np.float64]:
        """End of each window of the taggram in seconds, ``(n_rows,)``; may be behind the end of the audio."""
        starts = seconds_without(self.left_out_seconds, self.window_starts_seconds)
        return seconds_with(self.left_out_seconds, starts + self.window_seconds, ends=True)

    def audible_seconds(self) -> npt.NDArray[np.float64]:
        """How much of each row's moments is not in a silent part, ``(n_rows,)``."""
        edges = self.row_edges_seconds()
        audible = np.diff(edges)
        for begin, end in self.silences_seconds:
            audible -= np.diff(np.clip(edges, begin, end))
        return np.where(audible < 1e-6, 0.0, audible)

    def segments(
        self, *, min_seconds: float = MIN_SECONDS, smoothing: float = 1.0, threshold: Threshold = "auto"
    ) -> list[Segment]:
        """Which tags apply when: parts of the audio, one after the other, without gaps or overlaps.

        Change points are those of :func:`earmark.tagging.segments.change_points` in the taggram. Each part gets its
        tags as a file does; neighbours with the same tags are joined. Silences of five seconds and more are parts of
        their own. Boundaries are as fine as the taggram: give the tagger ``step_seconds=2``.

        Args:
            min_seconds: least length of a part, above 0; only silence, and what is between silences, may be shorter.
            smoothing: above 0; more than 1 gives fewer parts, less than 1 more.
            threshold: "auto", or the least score, as for :meth:`top`.

        Returns:
            The parts in order of time; begin and end are in seconds from the start of the audio.

        Raises:
            ConfigError: values out of range, or only some windows were used.

        Examples:
            >>> import earmark, numpy as np
            >>> noise = np.random.default_rng(0).normal(0, 0.1, 30 * 16_000)
            >>> audio = np.concatenate([noise, np.zeros(10 * 16_000)])
            >>> parts = earmark.load_tagger(step_seconds=2).tag_waveform(audio, 16_000).segments()
            >>> [(part.start_seconds, part.end_seconds, part.silent) for part in parts]
            [(0.0, 30.0, False), (30.0, 40.0, True)]
        """
        return find_segments(self, min_seconds, smoothing, threshold)

    def __getitem__(self, tag: str) -> float:
        """Score of one tag, 0..1. Raises ConfigError, with similar names, for a tag that the model does not have."""
        return float(self.scores[self.vocabulary.index(tag)])

    def __contains__(self, tag: object) -> bool:
        """Does the model have this tag? Its score may be low."""
        return tag in self.tags

    def __iter__(self) -> Iterator[str]:
        return iter(self.tags)

    def __len__(self) -> int:
        return len(self.tags)

    def keys(self) -> tuple[str, ...]:
        """Names of all tags, so that ``dict(scores)`` works."""
        return self.tags

    def values(self) -> list[float]:
        """Scores of all tags, in the order of :meth:`keys`."""
        return [float(score) for score in self.scores]

    def items(self) -> list[tuple[str, float]]:
        """Pairs of name and score of all tags."""
        return list(zip(self.keys(), self.values(), strict=True))

    def __repr__(self) -> str:
        return score_text(self)

    def _repr_html_(self) -> str:
        """A small table, for notebooks."""
        return score_html(self)

    def top(self, n: int = 5, threshold: Threshold = "none") -> list[TagScore]:
        """The highest scores, highest first; without :attr:`degrees`, which are no tags.

        Args:
            n: how many at most; 0 for all.
            threshold: "none" keeps all; a number from 0 to 1 keeps scores of at least that; "auto" keeps tags that
                reach their threshold in the model's card (tags without one are kept), and by the card's rules those
                that they imply, without tags that contradict more likely ones; an implied tag has its own score. The
                list is empty where no tag is left.

        Returns:
            The tags with their scores, 0..1.

        Raises:
            ConfigError: n below 0, or a threshold that is none of these.
        """
        return top_tags(self, n, threshold)

    def top_per_category(self, threshold: Threshold = "auto", per_category: int = 2) -> list[TagScore]:
        """The highest few tags of each category, in the order of :data:`earmark.core.vocabulary.CATEGORIES`.

        Args:
            threshold: as for :meth:`top`.
            per_category: most tags of one category.

        Returns:
            The tags with their scores, 0..1; within a category the highest first.

        Raises:
            ConfigError: per_category below 1, or a wrong threshold.
        """
        return top_per_category(self, threshold, per_category)

    def to_record(self, n: int = 0, threshold: Threshold = "none") -> dict[str, Any]:
        """The JSON object that ``earmark tag --format jsonl`` prints, with scores rounded to 4 places.

        ``abstained`` is true where no tag reaches the threshold, or all is silent; ``tags`` is empty then. ``degrees``
        are there whatever the threshold is.

        Args:
            n: most tags; 0 for all.
            threshold: as for :meth:`top`.

        Returns:
            The record; its keys are in README.md, lengths are in seconds.

        Raises:
            ConfigError: n below 0, or a wrong threshold.
        """
        return score_record(self, self.top(n, threshold))

    def to_frame(self, n: int = 0, threshold: Threshold = "none") -> pd.DataFrame:
        """The tags as a table; :func:`earmark.to_frame` makes one of many files.

        Args:
            n: most tags; 0 for all.
            threshold: as for :meth:`top`.

        Returns:
            One row for each tag, highest score first; columns tag, score, kind and category.

        Raises:
            MissingExtraError: pandas is not installed.
            ConfigError: n below 0, or a wrong threshold.
        """
        return tag_frame(self.top(n, threshold))

    def taggram_frame(self) -> pd.DataFrame:
        """Returns the taggram as a table: a row for each window, by its start in seconds, and a column for each tag.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return taggram_frame(self)

"""How squeeze-and-excitation scales channels for the clips of each tag (kim2018, section 5, Figures 2 and 3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from earmark.core.card import InputSpec
from earmark.core.errors import AudioError, ConfigError, DataError
from earmark.datasets.base import raise_problems
from earmark.metrics import FloatArray
from earmark.models import TaggingModel
from earmark.models.samplecnn import SampleCNN
from earmark.tagging.pipeline import run_pipeline


@dataclass(frozen=True, eq=False)
class ClipExcitations:
    """What the blocks' gates did in each clip.

    Attributes:
        sums: (n_clips, n_channels) sums over windows of the gates, 0..1 each, the blocks side by side.
        n_windows: (n_clips,) windows of each clip.
        channels: (n_blocks,) how many of the columns are each block's.
    """

    sums: FloatArray
    n_windows: npt.NDArray[np.int64]
    channels: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TagExcitations:
    """Mean gates of the clips of each tag.

    Attributes:
        tags: (n_tags,) names of the tags that hold for some clip.
        n_clips: (n_tags,) clips of each.
        means: for each block (n_tags, C): the mean gate, 0..1, over all windows of all clips of the tag.
        overall: for each block (C,): the mean over all clips.
        spread: (n_blocks,) how much a block's gates depend on the tag: the standard deviation of ``means`` over
            tags, averaged over channels.
        by_chance: (n_deals, n_blocks) the same where the labels are dealt out among the clips at random: what so many
            clips a tag give if a tag has nothing to do with the sound.
    """

    tags: tuple[str, ...]
    n_clips: npt.NDArray[np.int64]
    means: tuple[FloatArray, ...]
    overall: tuple[FloatArray, ...]
    spread: FloatArray
    by_chance: FloatArray

    @property
    def shown_blocks(self) -> tuple[int, ...]:
        """Places of the first, the middle and the last block, from 0."""
        n = len(self.means)
        return tuple(sorted({0, (n - 1) // 2, n - 1}))

    def order(self, block: int) -> npt.NDArray[np.int64]:
        """(C,) the block's channels by their mean gate over all clips, lowest first."""
        order: npt.NDArray[np.int64] = np.argsort(self.overall[block], kind="stable")
        return order

    def of(self, tag: str) -> int:
        """Place of a tag. Raises DataError where it holds for no clip."""
        if tag not in self.tags:
            raise DataError(f"tag {tag!r} holds for no clip here; these do: {', '.join(self.tags)}")
        return self.tags.index(tag)


def listen(
    model: TaggingModel,
    spec: InputSpec,
    paths: Sequence[Path],
    *,
    jobs: int = 1,
    on_done: Callable[[int, int], None] | None = None,
) -> ClipExcitations:
    """Hear files as tagging does, and note the gates in place of the scores.

    Args:
        model: a SampleCNN with squeeze-and-excitation, in eval mode.
        spec: how the model's audio is cut.
        paths: files.
        jobs: files decoded side by side.
        on_done: called with how many files are done and how many there are.

    Raises:
        ConfigError: the model has no squeeze-and-excitation.
        DataError: no files, or files that cannot be listened to: all are named.
    """
    if not isinstance(model, SampleCNN):
        raise ConfigError(
            f"{model.architecture}: has no squeeze-and-excitation; samplecnn_se, samplecnn_rese1 and samplecnn_rese2 have"
        )
    channels: list[int] = []
    one_at_a_time = threading.Lock()  # the gates are caught by hooks on the model itself

    def network(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with one_at_a_time, torch.inference_mode():
            gates = model.excitations(torch.from_numpy(np.ascontiguousarray(batch)))
            channels[:] = [block.shape[1] for block in gates]
            side_by_side: npt.NDArray[np.float32] = torch.cat(gates, dim=1).numpy()
            return side_by_side

    sums, n_windows, problems = [], [], []
    results = run_pipeline(paths, network, spec, jobs=jobs, batch_windows=8, damaged="error", on_progress=None)
    for done, result in enumerate(results, start=1):
        if isinstance(result, AudioError):
            problems.append(str(result))
        else:
            sums.append(result.taggram.sum(axis=0, dtype=np.float64))
            n_windows.append(len(result.taggram))
        if on_done is not None:
            on_done(done, len(paths))
    raise_problems(f"{len(problems)} of {len(paths)} files cannot be listened to", problems)
    if not sums:
        raise DataError("no clips to listen to")
    return ClipExcitations(np.stack(sums), np.array(n_windows), tuple(channels))


def by_tag(
    heard: ClipExcitations, holds: npt.NDArray[np.bool_], tags: Sequence[str], *, n_deals: int = 100, seed: int = 0
) -> TagExcitations:
    """Average the gates over the clips of each tag; every window of them counts alike, as in the paper.

    The paper does not say how it makes one number a block of its Figure 3: here it is the standard deviation over
    tags of each channel's mean gate (dividing by the number of tags), averaged over channels.

    Args:
        heard: gates of each clip.
        holds: (n_clips, n_tags), see :func:`earmark.plots.binarize.binarize_labels`.
        tags: (n_tags,) names. Tags that hold for no clip are left out.
        n_deals, seed: how often labels are dealt out at random for comparison. A clip's labels stay together.

    Raises:
        DataError: shapes do not fit, or no tag holds for any clip.
    """
    if holds.shape != (len(heard.sums), len(tags)):
        raise DataError(f"labels of shape {holds.shape}: must be ({len(heard.sums)}, {len(tags)})")
    there = [int(i) for i in np.flatnonzero(holds.any(axis=0))]
    if not there:
        raise DataError("no tag holds for any clip")
    kept = holds[:, there].astype(np.float64)
    means = _means(kept, heard)
    rng = np.random.default_rng(seed)
    by_chance = [_spread(_means(rng.permutation(kept), heard), heard.channels) for _ in range(n_deals)]
    overall = heard.sums.sum(axis=0) / heard.n_windows.sum()
    return TagExcitations(
        tuple(tags[i] for i in there),
        kept.sum(axis=0).astype(np.int64),
        _split(means, heard.channels),
        _split(overall, heard.channels),
        _spread(means, heard.channels),
        np.array(by_chance).reshape(n_deals, len(heard.channels)),
    )


def _means(holds: FloatArray, heard: ClipExcitations) -> FloatArray:
    """(n_tags, n_channels)."""
    means: FloatArray = (holds.T @ heard.sums) / (holds.T @ heard.n_windows)[:, None]
    return means


def _spread(means: FloatArray, channels: Sequence[int]) -> FloatArray:
    """(n_blocks,)."""
    return np.array([block.std(axis=0).mean() for block in _split(means, channels)])


def _split(values: FloatArray, channels: Sequence[int]) -> tuple[FloatArray, ...]:
    return tuple(np.split(values, np.cumsum(channels)[:-1], axis=-1))

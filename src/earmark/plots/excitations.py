"""How squeeze-and-excitation scales channels for the clips of each tag (kim2018, section 5, Figures 2 and 3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from earmark.core.errors import AudioError, ConfigError, DataError
from earmark.core.input_spec import InputSpec
from earmark.datasets.base import raise_problems
from earmark.metrics import FloatArray
from earmark.models import TaggingModel
from earmark.models.samplecnn import SampleCNN
from earmark.plots.drawing import Drawing
from earmark.plots.style import BLUE, GREY, PALETTE, house_style, new_figure, plain_text
from earmark.tagging.pipeline import run_pipeline

_LINES = ("-", "--", "-.", ":")


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
        tags: (n_tags,) names of the tags that apply to some clip.
        n_clips: (n_tags,) clips of each.
        means: for each block (n_tags, C): the mean gate, 0..1, over all windows of all clips of the tag.
        overall: for each block (C,): the mean over all clips.
        spread: (n_blocks,) how much a block's gates depend on the tag: the standard deviation of ``means`` over
            tags, averaged over channels.
        by_chance: (n_deals, n_blocks) the same where the labels are shuffled among the clips: what so many
            clips per tag give if tags are unrelated to the sound.
    """

    tags: tuple[str, ...]
    n_clips: npt.NDArray[np.int64]
    means: tuple[FloatArray, ...]
    overall: tuple[FloatArray, ...]
    spread: FloatArray
    by_chance: FloatArray

    @property
    def shown_blocks(self) -> tuple[int, ...]:
        """Indices of the first, the middle and the last block."""
        n = len(self.means)
        return tuple(sorted({0, (n - 1) // 2, n - 1}))

    def order(self, block: int) -> npt.NDArray[np.int64]:
        """(C,) the block's channels by their mean gate over all clips, lowest first."""
        order: npt.NDArray[np.int64] = np.argsort(self.overall[block], kind="stable")
        return order

    def of(self, tag: str) -> int:
        """Index of a tag. Raises DataError where it applies to no clip."""
        if tag not in self.tags:
            raise DataError(f"tag {tag!r} holds for no clip here; these do: {', '.join(self.tags)}")
        return self.tags.index(tag)


def measure_excitations(
    model: TaggingModel,
    spec: InputSpec,
    paths: Sequence[Path],
    *,
    jobs: int = 1,
    on_done: Callable[[int, int], None] | None = None,
) -> ClipExcitations:
    """Process files as tagging does, and record the gates instead of the scores.

    Args:
        model: a SampleCNN with squeeze-and-excitation, in eval mode.
        spec: how the model's audio is cut.
        paths: files.
        jobs: files decoded side by side.
        on_done: called with how many files are done and how many there are.

    Raises:
        ConfigError: the model has no squeeze-and-excitation.
        DataError: no files, or files that cannot be read: all are named.
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
    raise_problems(f"{len(problems)} of {len(paths)} files cannot be read", problems)
    if not sums:
        raise DataError("no clips to measure_excitations to")
    return ClipExcitations(np.stack(sums), np.array(n_windows), tuple(channels))


def by_tag(
    clips: ClipExcitations, holds: npt.NDArray[np.bool_], tags: Sequence[str], *, n_deals: int = 100, seed: int = 0
) -> TagExcitations:
    """Average the gates over the clips of each tag; every window counts equally, as in the paper.

    The paper does not say how it gets one number per block for its Figure 3: here it is the standard deviation over
    tags of each channel's mean gate (dividing by the number of tags), averaged over channels.

    Args:
        clips: gates of each clip.
        holds: (n_clips, n_tags), see :func:`earmark.plots.binarize.binarize_labels`.
        tags: (n_tags,) names. Tags that apply to no clip are left out.
        n_deals, seed: how often labels are shuffled for comparison. A clip's labels stay together.

    Raises:
        DataError: shapes do not fit, or no tag holds for any clip.
    """
    if holds.shape != (len(clips.sums), len(tags)):
        raise DataError(f"labels of shape {holds.shape}: must be ({len(clips.sums)}, {len(tags)})")
    there = [int(i) for i in np.flatnonzero(holds.any(axis=0))]
    if not there:
        raise DataError("no tag holds for any clip")
    kept = holds[:, there].astype(np.float64)
    means = _means(kept, clips)
    rng = np.random.default_rng(seed)
    by_chance = [_spread(_means(rng.permutation(kept), clips), clips.channels) for _ in range(n_deals)]
    overall = clips.sums.sum(axis=0) / clips.n_windows.sum()
    return TagExcitations(
        tuple(tags[i] for i in there),
        kept.sum(axis=0).astype(np.int64),
        _split(means, clips.channels),
        _split(overall, clips.channels),
        _spread(means, clips.channels),
        np.array(by_chance).reshape(n_deals, len(clips.channels)),
    )


def _means(holds: FloatArray, clips: ClipExcitations) -> FloatArray:
    """(n_tags, n_channels)."""
    means: FloatArray = (holds.T @ clips.sums) / (holds.T @ clips.n_windows)[:, None]
    return means


def _spread(means: FloatArray, channels: Sequence[int]) -> FloatArray:
    """(n_blocks,)."""
    return np.array([block.std(axis=0).mean() for block in _split(means, channels)])


def _split(values: FloatArray, channels: Sequence[int]) -> tuple[FloatArray, ...]:
    return tuple(np.split(values, np.cumsum(channels)[:-1], axis=-1))


def channel_table(found: TagExcitations, tags: Sequence[str]) -> pd.DataFrame:
    """Mean gates of these tags at the first, middle and last block.

    Columns: block (from 1), rank (from 1, by the mean over all clips), channel (from 0, as the network counts), tag,
    mean_gate (0..1), mean_gate_all_clips, n_clips.

    Raises:
        DataError: a tag that holds for no clip.
    """
    rows = [
        (block + 1, rank, int(channel), tag, float(found.means[block][place, channel]), overall, int(n_clips))
        for block in found.shown_blocks
        for tag, place in ((tag, found.of(tag)) for tag in tags)
        for n_clips in (found.n_clips[place],)
        for rank, channel in enumerate(found.order(block), start=1)
        for overall in (float(found.overall[block][channel]),)
    ]
    columns = ["block", "rank", "channel", "tag", "mean_gate", "mean_gate_all_clips", "n_clips"]
    return pd.DataFrame(rows, columns=columns)


def spread_table(found: TagExcitations) -> pd.DataFrame:
    """Columns: block (from 1), channels, spread, by_chance and the ends of its middle 95 %, n_tags."""
    low, middle, high = np.quantile(found.by_chance, [0.025, 0.5, 0.975], axis=0)
    return pd.DataFrame(
        {
            "block": range(1, len(found.means) + 1),
            "channels": [means.shape[1] for means in found.means],
            "spread": found.spread,
            "by_chance": middle,
            "by_chance_low": low,
            "by_chance_high": high,
            "n_tags": len(found.tags),
        }
    )


@house_style()
def draw_channels(found: TagExcitations, tags: Sequence[str], about: str) -> Drawing:
    """Mean gate per channel, sorted by the mean over all clips, one line per tag (kim2018, Figure 2).

    Raises:
        DataError: a tag that holds for no clip.
    """
    table = channel_table(found, tags)
    blocks = found.shown_blocks
    figure = new_figure("Excitation of channels, by tag", about, height_inches=1.0 + 1.25 * len(blocks))
    all_axes = figure.subplots(len(blocks), 1, squeeze=False)[:, 0]
    names = dict(zip(blocks, ("first", "middle", "last")[: len(blocks)], strict=True))
    if len(blocks) > 1:
        names[blocks[-1]] = "last"
    for axes, block in zip(all_axes, blocks, strict=True):
        of_block = table[table.block == block + 1]
        ranks = range(1, found.means[block].shape[1] + 1)
        for i, tag in enumerate(tags):
            axes.plot(
                ranks,
                of_block[of_block.tag == tag].mean_gate,
                _LINES[i // len(PALETTE) % len(_LINES)],
                color=PALETTE[i % len(PALETTE)],
                lw=1.0,
                marker="o" if len(ranks) <= 40 else None,
                ms=2.2,
                label=f"{plain_text(tag)} ({found.n_clips[found.of(tag)]:,} clips)",
            )
        axes.set_title(f"block {block + 1} ({names[block]}), {len(ranks)} channels", loc="left", fontsize=7.5)
        axes.set_xlim(1, max(2, len(ranks)))
        axes.grid(axis="y")
        axes.set_ylabel("mean gate")
    all_axes[-1].set_xlabel("channel, by its mean gate over all clips")
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=1 if len(tags) <= 4 else 2)
    return Drawing("excitations", figure, table)


@house_style()
def draw_spread(found: TagExcitations, about: str) -> Drawing:
    """How much the gates of each block depend on the tag (kim2018, Figure 3), and how much they do by chance."""
    table = spread_table(found)
    figure = new_figure("How far excitations differ between tags", about, height_inches=2.5)
    axes = figure.add_subplot()
    axes.fill_between(table.block, table.by_chance_low, table.by_chance_high, color=GREY, alpha=0.25, lw=0)
    axes.plot(table.block, table.by_chance, "--", color=GREY, lw=1, label="labels dealt at random, 95 %")
    axes.plot(table.block, table.spread, "o-", color=BLUE, label=f"between {len(found.tags)} tags")
    axes.set_xticks(table.block)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.set_xlabel("block, from the waveform up")
    axes.set_ylabel("mean gate: standard\ndeviation over tags")
    axes.legend(loc="best")
    return Drawing("excitation-spread", figure, table)

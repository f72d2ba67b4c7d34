"""The figures of excitations: gates per channel for some tags, and how much each block's gates depend on the tag."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from earmark.plots.drawing import Drawing
from earmark.plots.excitations import TagExcitations
from earmark.plots.style import BLUE, GREY, PALETTE, house_style, new_figure, plain_text

_LINES = ("-", "--", "-.", ":")


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
    """Mean gate per channel, sorted by the mean over all clips, a line a tag (kim2018, Figure 2).

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

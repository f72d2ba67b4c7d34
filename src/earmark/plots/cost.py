"""What accuracy costs: seconds for 1000 songs and the size of the weights, of models and of their combinations.

The ensemble paper's Table 5 gives AUC and seconds on a V100; here the networks are timed on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes

from earmark import audio
from earmark.core.errors import ConfigError, DataError
from earmark.metrics import metric_info, metric_label
from earmark.models.checkpoint import load_checkpoint
from earmark.plots.axes import log_axis
from earmark.plots.drawing import Drawing
from earmark.plots.label_placement import name_points
from earmark.plots.style import BLUE, GREY, PALE, VERMILLION, house_style, new_figure

COLUMNS = (
    "row",
    "label",
    "members",
    "value",
    "low",
    "high",
    "seconds_per_1000_songs",
    "megabytes",
    "n_parameters",
)


@dataclass(frozen=True)
class Cost:
    """The cost of one network.

    Attributes:
        seconds_per_1000_songs: of the network alone, from decoded audio to scores; a thousand times one song.
        megabytes: of all stored weights, 10^6 bytes each.
        n_parameters: trained numbers, including those of frozen members.
    """

    seconds_per_1000_songs: float
    megabytes: float
    n_parameters: int


def measure_costs(
    checkpoints: Sequence[str | Path],
    *,
    song_seconds: float = 29.1,
    repeats: int = 20,
    batch_songs: int = 1,
    device: str = "cpu",
) -> list[Cost]:
    """Time the networks of checkpoints, on the CPU with as many threads as PyTorch is set to use.

    A song is noise of ``song_seconds``, cut into windows as the card says; all windows of ``batch_songs`` songs are one batch,
    which is on the device beforehand. The networks take turns, so that other load on the machine affects all of them, and the
    fastest of the repeats counts: other load makes a network slower, never faster. On the CPU with one thread CPU time is
    measured, which does not include waiting; otherwise wall time, until the device is done. A first round is not timed.

    Args:
        checkpoints: folders.
        song_seconds: length of a song, above 0 and at most 3600.
        repeats: rounds that are timed.
        batch_songs: songs in a batch.
        device: "cpu", "cuda" or "mps".

    Raises:
        ConfigError: values out of range.
        ModelError: not a checkpoint.
    """
    if not 0 < song_seconds <= 3600 or repeats < 1 or batch_songs < 1:
        raise ConfigError(
            f"song of {song_seconds:g} s, {batch_songs} in a batch, {repeats} repeats: must be above 0 and at most 3600 s, and "
            "1 or more"
        )
    networks = []
    for checkpoint in checkpoints:
        model, card = load_checkpoint(checkpoint)
        noise = np.random.default_rng(0).standard_normal(round(song_seconds * card.input.sample_rate_hz))
        windows = torch.from_numpy(audio.cut((0.1 * noise).astype(np.float32), card.input))
        networks.append((model.to(device), windows.repeat(batch_songs, 1).to(device)))
    clock = time.thread_time if device == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    seconds = np.empty((repeats + 1, len(networks)))
    with torch.inference_mode():
        for turn in seconds:
            for i, (model, windows) in enumerate(networks):
                started = clock()
                model(windows).sigmoid().cpu()  # waits for the device
                turn[i] = clock() - started
    costs = []
    for (model, _), fastest in zip(networks, seconds[1:].min(axis=0), strict=True):
        n_bytes = sum(value.numel() * value.element_size() for value in model.state_dict().values())
        costs.append(Cost(1000 / batch_songs * float(fastest), n_bytes / 1e6, model.n_parameters))
    return costs


@dataclass(frozen=True)
class TrainedModel:
    """A model whose accuracy is known.

    Attributes:
        row: its short name, unique among the models.
        label: its name in the figure.
        members: the models that it combines; empty for a model alone.
        checkpoint: its folder; None where there is none to time.
        value, low, high: its accuracy with the ends of the 95 % interval.
    """

    row: str
    label: str
    members: tuple[str, ...]
    checkpoint: Path | None
    value: float
    low: float
    high: float


def cost_table(
    models: Sequence[TrainedModel],
    *,
    song_seconds: float = 29.1,
    repeats: int = 20,
    batch_songs: int = 1,
    device: str = "cpu",
) -> pd.DataFrame:
    """Accuracy and cost of each model that has a checkpoint.

    Args:
        models: with their accuracies, all of the same metric.
        song_seconds, repeats, batch_songs, device: see :func:`measure_costs`.

    Returns:
        A table with the columns :data:`COLUMNS`, fastest first; members are joined by " + ".

    Raises:
        DataError: no model has a checkpoint.
    """
    timed = [model for model in models if model.checkpoint is not None]
    if not timed:
        raise DataError("cost: no row has a checkpoint with that metric, so there is nothing to time")
    checkpoints = [model.checkpoint for model in timed if model.checkpoint is not None]
    costs = measure_costs(
        checkpoints, song_seconds=song_seconds, repeats=repeats, batch_songs=batch_songs, device=device
    )
    rows = [
        (
            *(model.row, model.label, " + ".join(model.members), model.value, model.low, model.high),
            *(cost.seconds_per_1000_songs, cost.megabytes, cost.n_parameters),
        )
        for model, cost in zip(timed, costs, strict=True)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("seconds_per_1000_songs", kind="stable", ignore_index=True)


def frontier(costs: Sequence[float], values: Sequence[float], *, higher_is_better: bool = True) -> list[int]:
    """Indices of the points that no other beats in both: each costs more than the one before and is better.

    >>> frontier([1.0, 2.0, 3.0, 4.0], [0.7, 0.9, 0.8, 0.95])
    [0, 1, 3]
    """
    sign = 1 if higher_is_better else -1
    best, kept = -np.inf, []
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -sign * values[i])):
        if sign * values[i] > best:
            best = sign * values[i]
            kept.append(i)
    return kept


@house_style()
def draw_cost(table: pd.DataFrame, about: str, *, metric: str = "roc_auc", timed: str = "") -> Drawing:
    """Accuracy over seconds for 1000 songs, and over size; a step joins those that no other beats.

    Args:
        table: of :func:`cost_table`.
        about: the line under the title.
        metric: which accuracy it is.
        timed: how and on what machine the seconds were measured.
    """
    figure = new_figure(
        "What accuracy costs",
        "; ".join(part for part in (about, timed) if part),
        width_inches=7.0,
        height_inches=3.3,
    )
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, table, "seconds_per_1000_songs", "seconds for 1000 songs", metric)
    _panel(right, table, "megabytes", "weights, MB", metric)
    left.set_ylabel(metric_label(metric) + ("" if metric_info(metric).higher_is_better else " (less is better)"))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=4)
    for axes, column in ((left, "seconds_per_1000_songs"), (right, "megabytes")):
        name_points(axes, table[column].to_numpy(float), table.value.to_numpy(float), _short(table))
    return Drawing("cost", figure, table)


def timing_words(song_seconds: float, repeats: int, machine: str, *, batch_songs: int = 1, device: str = "cpu") -> str:
    """One line: how and on what machine :func:`measure_costs` timed."""
    threads = torch.get_num_threads()
    how = f"{threads} threads" if threads > 1 else "CPU time of 1 thread"
    if device != "cpu":
        how = torch.cuda.get_device_name() if device == "cuda" else device
    songs = f"a song of {song_seconds:g} s" if batch_songs == 1 else f"{batch_songs} songs of {song_seconds:g} s"
    return f"networks alone, {songs} at a time, fastest of {repeats}, {how}, {machine}"


def _panel(axes: Axes, table: pd.DataFrame, column: str, name: str, metric: str) -> None:
    costs, values = table[column].to_numpy(float), table.value.to_numpy(float)
    best = frontier(costs.tolist(), values.tolist(), higher_is_better=metric_info(metric).higher_is_better)
    ends = [*costs[best], costs.max() * 1.5]
    axes.step(
        ends, [*values[best], values[best[-1]]], where="post", color=GREY, lw=0.8, ls="--", label="best at its cost"
    )
    axes.vlines(costs, table.low, table.high, color=PALE, lw=0.8, zorder=1, label="95 % interval")
    combined = (table.members != "").to_numpy()
    for chosen, marker, colour, label in (
        (~combined, "o", BLUE, "a model alone"),
        (combined, "s", VERMILLION, "combined"),
    ):
        if chosen.any():
            axes.plot(costs[chosen], values[chosen], marker, color=colour, ms=5, label=label, zorder=3)
    log_axis(axes, "x", costs.min(), costs.max(), margin=1.5)
    axes.set_xlabel(name)
    axes.grid(axis="y")


def _short(table: pd.DataFrame) -> list[str]:
    """Labels without the word Model, which is the same for all."""
    labels = [str(label) for label in table.label]
    if all(label.startswith("Model") for label in labels):
        return [label.removeprefix("Models").removeprefix("Model").strip() for label in labels]
    return labels

"""What papers show of rows besides metrics: size, seconds for 1000 songs, training time against another row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from earmark.papers.statistics import Results
from earmark.papers.tables import Row, Table

LABELS = {"seconds_per_1000_songs": "s for 1000 songs", "size_mb": "MB", "relative_training_time": "training time"}
BATCH_SONGS = 10
"""Songs whose windows are one batch where a run is timed."""
SONG_SECONDS = 29.1


@dataclass(frozen=True)
class Costs:
    """The costs of a table's rows, as far as the paper reports any.

    Attributes:
        names: those of :data:`earmark.papers.tables.COSTS` that are shown.
        measured: cost -> row -> our value.
        notes: how they were measured, a sentence each.
    """

    names: tuple[str, ...]
    measured: Mapping[str, Mapping[str, float]]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, results: Results, table: Table) -> Self:
        """From the runs of the table's rows."""
        runs = {row.row: results.runs[row.row] for row in table.rows if row.row in results.runs}
        measured: dict[str, dict[str, float]] = {}
        notes = []
        for name in table.costs:
            if name == "relative_training_time":
                measured[name] = _relative_times(table, runs)
            else:
                measured[name] = {
                    row: min(found) for row, of in runs.items() if (found := [x[name] for x in of if name in x])
                }
        if measured.get("seconds_per_1000_songs"):
            said = {run["timed"] for of in runs.values() for run in of if "timed" in run}
            notes.append(f"Seconds for 1000 songs: {'; '.join(sorted(said))}.")
        if measured.get("relative_training_time"):
            notes.append("Training time: seconds per epoch, those of the row with 1 being 1; mean over runs.")
        return cls(table.costs, measured, tuple(notes))

    @property
    def columns(self) -> list[str]:
        """Heads: ours, where there are any, and the paper's."""
        return [
            head
            for name in self.names
            for head in ([LABELS[name]] if self.measured[name] else []) + [f"paper's {LABELS[name]}"]
        ]

    def cells(self, row: Row) -> list[str]:
        """Of one row, under :attr:`columns`."""
        cells = []
        for name in self.names:
            if self.measured[name]:
                cells.append(_text(name, self.measured[name].get(row.row)))
            cells.append(_text(name, row.reported.get(name)))
        return cells


def measure(checkpoint: Any, device: str) -> dict[str, Any]:
    """Costs of a trained network: its size, and the seconds for 1000 songs in batches, on a device.

    Args:
        checkpoint: its folder.
        device: as of :func:`earmark.training.run.train`.

    Returns:
        ``size_mb``, ``seconds_per_1000_songs``, and how the latter was measured, as ``timed``.
    """
    from earmark.plots.cost import measure_costs, timing_words
    from earmark.training.lightning_setup import checked_accelerator

    name = checked_accelerator(device, 1, 1, "32")
    (cost,) = measure_costs([checkpoint], song_seconds=SONG_SECONDS, repeats=3, batch_songs=BATCH_SONGS, device=name)
    return {
        "size_mb": round(cost.megabytes, 4),
        "seconds_per_1000_songs": round(cost.seconds_per_1000_songs, 4),
        "timed": timing_words(SONG_SECONDS, 3, "beside other runs", batch_songs=BATCH_SONGS, device=name),
    }


def _relative_times(table: Table, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Seconds per epoch over those of the row whose reported value is 1; empty without that row."""
    seconds = {
        row: sum(found) / len(found)
        for row, of in runs.items()
        if (
            found := [
                run["training_seconds"] / run["epochs"] for run in of if {"training_seconds", "epochs"} <= run.keys()
            ]
        )
    }
    unit = next((row.row for row in table.rows if row.reported.get("relative_training_time") == 1), None)
    if unit not in seconds or not seconds[unit]:
        return {}
    return {row: value / seconds[unit] for row, value in seconds.items()}


def _text(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}x" if name == "relative_training_time" else f"{value:.3g}" if value < 1 else f"{value:.2f}"

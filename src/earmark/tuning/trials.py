"""Trials of a search: what was tried, the results, and the files that record them.

OUT/trials.json   what a resumed search continues from
OUT/trials.csv    the same as a table, one row per trial
OUT/trials.md     the same for reading
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.core.atomic_files import write_atomic
from earmark.core.csv_text import csv_rows
from earmark.core.errors import DataError
from earmark.core.json_records import parse_json
from earmark.core.markdown import render_markdown
from earmark.tuning.parameter import text_of

TRIALS_NAME = "trials.json"


@dataclass(frozen=True)
class Proposal:
    """What to try next.

    Attributes:
        choice: parameter name -> value.
        about: the parameter whose values are being tried, in a one-at-a-time search.
    """

    choice: dict[str, Any]
    about: str = ""


@dataclass(frozen=True)
class Trial:
    """One finished trial.

    Attributes:
        number: from 1.
        choice, about: as proposed.
        settings: recipe key -> value of all keys that the search varies; None also where neither the search nor the
            recipe sets it and the model's default is used.
        selection: mean over the seeds of the selection on the validation clips, higher is better; None where it failed.
        per_seed: the selection of each seed.
        roc_auc, rmse: macro means on the validation clips at the best epochs, averaged over the seeds; None where the data
            has no such tags.
        seconds: of training, from its log; decoding is not included.
        error: why it failed; empty where it did not.
        same_as: number of the trial with exactly the same recipe, whose result was reused.
    """

    number: int
    choice: dict[str, Any]
    settings: dict[str, Any]
    about: str = ""
    selection: float | None = None
    per_seed: tuple[float, ...] = ()
    roc_auc: float | None = None
    rmse: float | None = None
    seconds: float = 0.0
    error: str = ""
    same_as: int | None = None


def best_of(trials: Iterable[Trial], fixed: Mapping[str, Any] | None = None) -> Trial | None:
    """The trial with the highest selection, the first of equals; None where none succeeded.

    ``fixed``: only trials with these values of parameters count, where there are any.
    """
    finished = [(trial.selection, trial) for trial in trials if trial.selection is not None]
    wanted = dict(fixed or {}).items()
    finished = [pair for pair in finished if wanted <= pair[1].choice.items()] or finished
    return max(finished, key=lambda pair: pair[0])[1] if finished else None


def read_trials(folder: Path) -> tuple[str, list[Trial]]:
    """Fingerprint of the data, and the trials in a folder; none where there is no file.

    Raises:
        DataError: the file is not one of ours.
    """
    path = folder / TRIALS_NAME
    if not path.exists():
        return "", []
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
        trials = [Trial(**{**entry, "per_seed": tuple(entry["per_seed"])}) for entry in document["trials"]]
        return str(document["dataset_sha256"]), trials
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: not a list of trials ({error}); remove it to start the search over") from error


def write_trials(
    folder: Path,
    title: str,
    seeds: Sequence[int],
    dataset_sha256: str,
    trials: Sequence[Trial],
    fixed: Mapping[str, Any] | None = None,
) -> None:
    """All three files, each whole or not at all; the one that a search resumes from comes first.

    ``fixed`` is that of :func:`best_of`.
    """
    document = {"dataset_sha256": dataset_sha256, "trials": [dataclasses.asdict(trial) for trial in trials]}
    write_atomic(folder / TRIALS_NAME, (json.dumps(document, indent=1) + "\n").encode())
    best = best_of(trials, fixed)
    columns, rows = table(seeds, trials, best=best)
    write_atomic(folder / "trials.csv", csv_rows([columns, *rows]).encode())
    write_atomic(folder / "trials.md", _page(title, columns, rows, best).encode())


def table(
    seeds: Sequence[int], trials: Sequence[Trial], *, places: int = 6, best: Trial | None = None
) -> tuple[list[str], list[list[str]]]:
    """Names of the columns, and a row of cells for each trial; the best has "best" in its second last cell."""
    staged = any(trial.about for trial in trials)
    keys = list(trials[0].settings) if trials else []
    measures = ["selection", *(f"seed {seed}" for seed in seeds if len(seeds) > 1), "roc_auc", "rmse"]
    columns = ["trial", *(["tried"] if staged else []), *keys, *measures, "seconds", "best", "note"]
    best = best or best_of(trials)
    rows = []
    for trial in trials:
        seeded = (trial.per_seed or (None,) * len(seeds)) if len(seeds) > 1 else ()
        numbers = [trial.selection, *seeded, trial.roc_auc, trial.rmse]
        rows.append(
            [
                str(trial.number),
                *([trial.about] if staged else []),
                *(short(trial.settings[key]) for key in keys),
                *("" if x is None else f"{x:.{places}f}" for x in numbers),
                f"{trial.seconds:.1f}",
                "best" if trial is best else "",
                trial.error or ("" if trial.same_as is None else f"as trial {trial.same_as}, not trained again"),
            ]
        )
    return columns, rows


def short(value: Any) -> str:
    """A short text of a value of the recipe.

    >>> short("min-max"), short([1, 2]), short(True), short(None), short(1e-05)
    ('min-max', '[1, 2]', 'true', '', '1e-05')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else text_of(value)


def _page(title: str, columns: list[str], rows: list[list[str]], best: Trial | None) -> str:
    shown = [[f"**{text}**" if text and row[-2] else text for text in row] for row in rows]
    folder = Path(__file__).parent
    return render_markdown("trials.md.j2", folder, title=title, best=best, columns=columns, rows=shown)

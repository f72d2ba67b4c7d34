"""Results as JSON, one file per model and split, and as one Markdown page."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import DataError
from earmark.core.markdown import render_markdown
from tools.default_model.judges.measures import Value

DASH = "–"
_FOLDER = Path(__file__).parent


class Results(NamedTuple):
    """What was measured of one model on one split; ``sha256`` is that of its file, empty where that is not known."""

    model: str
    split: str
    values: list[Value]
    sha256: str = ""


def write_results(folder: Path, name: str, split: str, values: Sequence[Value], sha256: str = "") -> Path:
    """Write FOLDER/NAME.SPLIT.json: :class:`Results`, with null where a number is undefined."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{split}.json"
    document: dict[str, Any] = {"model": name, "split": split, "sha256": sha256}
    document |= {"values": [_plain(dataclasses.asdict(value)) for value in values]}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(path, (text + "\n").encode())
    return path


def read_results(path: Path) -> Results:
    """Read a file of :func:`write_results`. Raises DataError where it is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        values = [_value(row) for row in document["values"]]
        return Results(document["model"], document["split"], values, document.get("sha256", ""))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a file of results ({error})") from error


def write_page(folder: Path, split: str) -> Path:
    """Write FOLDER/SPLIT.md about all models with results there, those measured first at the top."""
    paths = sorted(folder.glob(f"*.{split}.json"), key=lambda path: path.stat().st_mtime)
    results = {found.model: found.values for found in map(read_results, paths)}
    extra = {
        "The composer's instruments: ROC-AUC": ("the composer's instruments", "ROC-AUC"),
        "Listeners' emotions: rank correlation": ("listeners' emotions", "rank correlation"),
    }
    tables = [
        (title, label_table(judge, measure, results))
        for title, (judge, measure) in extra.items()
        if any(value.judge == judge for values in results.values() for value in values)
    ]
    page = folder / f"{split}.md"
    write_atomic(page, markdown(split, results, tables).encode())
    return page


def markdown(split: str, results: Mapping[str, Sequence[Value]], tables: Iterable[tuple[str, str]] = ()) -> str:
    """A table for each judge: a row per model, a column per measure, each value with its interval.

    Args:
        split: of the songs.
        results: model -> values.
        tables: titles and tables to follow.
    """
    judges = dict.fromkeys(value.judge for values in results.values() for value in values)
    own = [(judge[0].upper() + judge[1:], judge_table(judge, results)) for judge in judges]
    return render_markdown("results.md.j2", _FOLDER, split=split, tables=[*own, *tables])


def judge_table(judge: str, results: Mapping[str, Sequence[Value]], without: str | None = None) -> str:
    """One judge: how many songs, and a row per model, a column per measure.

    Args:
        judge: its name.
        results: model -> values.
        without: leave out measures that begin so.
    """
    chosen = {
        model: [
            value for value in values if value.judge == judge and not (without and value.measure.startswith(without))
        ]
        for model, values in results.items()
    }
    here = [value for values in chosen.values() for value in values]
    measures = list(dict.fromkeys(map(_column, here)))
    models = [
        (model, {_column(value): value_cell(value) for value in values}) for model, values in chosen.items() if values
    ]
    return render_markdown(
        "judge_table.md.j2", _FOLDER, songs=_numbers(here), measures=measures, models=models, dash=DASH
    )


def label_table(judge: str, measure: str, results: Mapping[str, Sequence[Value]]) -> str:
    """A row per label, a column per model; bold the highest."""
    found = {
        model: next((one.labels for one in values if one.judge == judge and one.measure == measure), {})
        for model, values in results.items()
    }
    found = {model: labels for model, labels in found.items() if labels}
    rows = []
    for name in dict.fromkeys(label for labels in found.values() for label in labels):
        values = [labels.get(name) for labels in found.values()]
        rows.append((name, max((value for value in values if value is not None), default=None), values))
    return render_markdown("label_table.md.j2", _FOLDER, models=list(found), rows=rows, dash=DASH)


def _column(value: Value) -> str:
    """Models have thresholds of their own, in one column."""
    name = value.measure
    return "one threshold:" + name.partition(":")[2] if name.startswith("one threshold") else name


def _numbers(values: Iterable[Value]) -> str:
    """How many songs and groups, of each measure where they differ; those that a model cannot answer are left out."""
    counts: dict[str, list[str]] = {}
    for value in values:
        if not value.n_songs:
            continue
        labels = f", {value.n_labels} labels" if value.n_labels else ""
        counts.setdefault(f"{value.n_songs} songs, {value.n_groups} drawn{labels}", []).append(_column(value))
    if len(counts) <= 1:
        return f"{next(iter(counts), 'No songs')}."
    return "; ".join(f"{text}: {', '.join(dict.fromkeys(names))}" for text, names in counts.items()) + "."


def value_cell(value: Value | None) -> str:
    """A number with its interval, and how many labels the model knows where that is not all."""
    if value is None or math.isnan(value.value):
        return DASH
    known = f" ({value.n_known} of {value.n_labels})" if value.n_known < value.n_labels else ""
    ends = "" if math.isnan(value.low) else f" [{value.low:.2f}, {value.high:.2f}]"
    return f"{value.value:.3f}{ends}{known}"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None
        if isinstance(value, float) and math.isnan(value)
        else round(value, 4)
        if isinstance(value, float)
        else value
        for key, value in row.items()
    }


def _value(row: dict[str, Any]) -> Value:
    """A value from what :func:`_plain` made of it."""
    filled: dict[str, Any] = {key: math.nan if value is None else value for key, value in row.items()}
    return Value(**filled)

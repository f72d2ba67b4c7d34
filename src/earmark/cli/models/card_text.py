"""A model's card as a page for people."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

from earmark.core.card import Metric, ModelCard
from earmark.core.input_spec import LastWindow
from earmark.core.tag_constraints import by_parents
from earmark.core.vocabulary import CATEGORIES

TAG_SOURCES = "heard_from"
"""Key of `training`: tag -> vocabulary of teachers -> its names there. It is shown in the table of tags."""
PIPE_COLUMNS = 120
"""Width where the card goes into a pipe or a file."""

_LAST_WINDOWS: dict[LastWindow, str] = {
    "overlap": "moved back to the end",
    "pad": "filled up with zeros",
    "drop": "left out where it is not full",
}


def print_card(card: ModelCard) -> None:
    """Print the card to stdout: what it is, what it is bad at, its metrics and tags, where it comes from."""
    out = Console(highlight=False, emoji=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out = Console(highlight=False, emoji=False, width=PIPE_COLUMNS)
    out.print(f"[bold]{escape(card.name)}[/bold] version {escape(card.version)}")
    if card.description:
        out.print(escape(card.description))
    spec = card.input
    facts: list[tuple[str, str]] = [
        ("tags", f"{len(card.vocabulary) - len(card.degrees)}: {_counts(card)}"),
        (
            "input",
            f"{spec.sample_rate_hz:,} Hz mono, windows of {spec.window_seconds:g} s every {spec.hop_seconds:g} s, "
            f"last one {_LAST_WINDOWS[spec.last_window]}",
        ),
        ("licence of the weights", card.licence),
    ]
    if (conditioning := spec.conditioning) is not None:
        levels = f"every window at {conditioning.level_dbfs:g} dBFS, without offset and rumble; silence is left out"
        facts.insert(2, ("conditioning", f"{levels}; short audio is repeated; channels that cancel are not mixed"))
    if card.degrees:
        facts.insert(1, ("degrees", f"{', '.join(card.degrees)}: how much, never whether"))
    if card.calibration:
        n_tags = len(card.vocabulary) - len(card.degrees)
        facts.append(("calibrated", f"scores of {len(card.calibration)} of {n_tags} tags, on held-out clips"))
    facts += _rules(card)
    _print_facts(out, facts)
    _print_list(out, "Limits", card.limits)
    _print_averages(out, card)
    out.print("\n[bold]Tags[/bold]")
    table = _tag_table(card)
    if Measurement.get(out, out.options.update(max_width=PIPE_COLUMNS * 10), table).maximum > out.width:
        table = _tag_table(card, intervals=False)
    out.print(table)
    facts = [
        ("architecture", card.architecture + _options(card.architecture_options)),
        ("front-end", _options(card.frontend).strip(" ()") if card.frontend else "none: the waveform itself"),
    ]
    facts += [
        (key.replace("_", " "), _shortly(key, value)) for key, value in card.training.items() if key != TAG_SOURCES
    ]
    out.print("\n[bold]Where it comes from[/bold]")
    _print_facts(out, facts, space=False)
    _print_list(out, "To cite", card.citations)


def _rules(card: ModelCard) -> list[tuple[str, str]]:
    rules = card.rules
    rivals = "; ".join(f"{tag} silences {names}" for tag, names in card.rivals_in_words().items())
    facts = [
        ("never together", "; ".join(" / ".join(group) for group in rules.exclusive)),
        ("only with", "; ".join(f"{tag}: {needed}" for tag, needed in rules.requires.items())),
        (
            "implied",
            "; ".join(f"{', '.join(tags)}: {' or '.join(above)}" for above, tags in by_parents(rules.parents).items()),
        ),
        ("rivals", f"{rivals} where its score is {rules.rival_margin:g} above theirs" if rivals else ""),
    ]
    return [(name, text) for name, text in facts if text]


def _shortly(key: str, value: Any) -> str:
    """What a person wants of a value; `--json` has all of it."""
    if key == "recipe" and isinstance(value, dict):
        return f"{value.get('name')} (all of it: --json)"
    if key == "left_out" and isinstance(value, dict):
        return f"{', '.join(value)} (why: --json)"
    if key == "teachers" and isinstance(value, dict):
        return f"{', '.join(value)} (their hashes: --json)"
    return _value(value)


def _counts(card: ModelCard) -> str:
    """How many tags of which category, e.g. "4 genre, 9 mood"; degrees are none."""
    found = Counter(tag.category for tag in card.vocabulary if tag.name not in card.degrees)
    return ", ".join(f"{found[name]} {name}" for name in CATEGORIES if found[name])


def _print_facts(out: Console, facts: list[tuple[str, str]], space: bool = True) -> None:
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, text in facts:
        grid.add_row(escape(key), escape(text))
    if space:
        out.print()
    out.print(grid)


def _print_list(out: Console, title: str, lines: tuple[str, ...]) -> None:
    if lines:
        out.print(f"\n[bold]{title}[/bold]")
        for line in lines:
            out.print(Padding(f"- {escape(line)}", (0, 0, 0, 2)))


def _print_averages(out: Console, card: ModelCard) -> None:
    macro = [metric for metric in card.metrics if metric.tag is None]
    if not macro:
        return
    out.print("\n[bold]Measured[/bold]")
    for metric in macro:
        where = f"{metric.dataset}, protocol {metric.protocol}, {metric.split} split"
        over = f", n = {metric.n_clips}" if metric.n_clips else ""
        out.print(f"  {metric.name} {_with_interval(metric)}  ({escape(where)}{over})")
    if any(metric.low is not None for metric in macro):
        drawn = sorted({metric.resampled for metric in macro if metric.resampled})
        out.print(f"  [dim]in brackets: 95 % bootstrap interval over {', '.join(drawn)}s[/dim]")


def _tag_table(card: ModelCard, intervals: bool = True) -> Table:
    """A row per tag, a column per metric that was measured; a category is named where it begins."""
    measured = list(dict.fromkeys((m.name, m.dataset, m.split) for m in card.metrics if m.tag is not None))
    places = {(dataset, split) for _, dataset, split in measured}
    kinds = {tag.kind for tag in card.vocabulary}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("category", "tag", *(("kind",) if len(kinds) > 1 else ()), "threshold"):
        table.add_column(column, no_wrap=True)
    for name, dataset, split in measured:
        table.add_column(name if len(places) == 1 else f"{name} ({dataset}, {split})", overflow="fold")
    sources = card.training.get(TAG_SOURCES)
    sources = sources if isinstance(sources, dict) else {}
    if sources:
        table.add_column("learned from", overflow="fold")
    found = {(m.tag, m.name, m.dataset, m.split): m for m in card.metrics}
    degrees = card.degrees
    before = ""
    for i in card.vocabulary.display_order():
        tag = card.vocabulary.tags[i]
        none = "degree" if tag.name in degrees else "-"
        threshold = f"{card.thresholds[tag.name]:.2f}" if tag.name in card.thresholds else none
        if tag.name in card.softmax:
            threshold = "highest"
        measured_values = [found.get((tag.name, *key)) for key in measured]
        table.add_row(
            tag.category if tag.category != before else "",
            escape(tag.name),
            *((tag.kind,) if len(kinds) > 1 else ()),
            threshold,
            *("-" if metric is None else _with_interval(metric, 2, intervals) for metric in measured_values),
            *((_source_names(sources.get(tag.name)),) if sources else ()),
        )
        before = tag.category
    return table


def _source_names(vocabularies: Any) -> str:
    """Vocabularies of the teachers that know a tag; a tag may come from known labels alone."""
    return "" if vocabularies is None else escape(", ".join(vocabularies)) or "known labels"


def _with_interval(metric: Metric, places: int = 3, interval: bool = True) -> str:
    if metric.value is None:
        return "undefined"
    ends = ""
    if interval and metric.low is not None and metric.high is not None:
        ends = f" \\[{metric.low:.{places}f}, {metric.high:.{places}f}]"
    return f"{metric.value:.{places}f}{ends}"


def _options(options: dict[str, Any]) -> str:
    kept = {key: value for key, value in options.items() if not isinstance(value, dict)}
    return f" ({', '.join(f'{key}={_value(value)}' for key, value in kept.items())})" if kept else ""


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_value(item)}" for key, item in value.items())
    if value is None:
        return "none"
    return ", ".join(map(_value, value)) if isinstance(value, list | tuple) else str(value)

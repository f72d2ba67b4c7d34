"""A model's card as a page for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from earmark.card import Metric, ModelCard


def print_card(card: ModelCard) -> None:
    """Print the card to stdout: what it is, its tags with their figures, where it comes from."""
    out = Console(highlight=False)
    out.print(f"[bold]{escape(card.name)}[/bold] version {escape(card.version)}")
    if card.description:
        out.print(escape(card.description))
    out.print()
    spec = card.input
    facts: list[tuple[str, str]] = [
        ("architecture", card.architecture + _options(card.architecture_options)),
        (
            "input",
            f"{spec.sample_rate_hz:,} Hz mono, windows of {spec.window_seconds:g} s every {spec.hop_seconds:g} s, "
            f"last one {'moved back to the end' if spec.last_window == 'overlap' else 'filled up with zeros'}",
        ),
        ("front-end", _options(card.frontend).strip(" ()") if card.frontend else "none: the waveform itself"),
        ("licence of the weights", card.licence),
    ]
    for key, value in card.training.items():
        whole = key == "recipe" and isinstance(value, dict)  # fifty lines: --json has them
        facts.append((f"training: {key}", f"{value.get('name')} (all of it: --json)" if whole else _value(value)))
    if card.calibration:
        facts.append(
            ("calibrated", f"scores of {len(card.calibration)} of {len(card.vocabulary)} tags, on held-out clips")
        )
    facts += [("excludes", " / ".join(group)) for group in card.rules.exclusive]
    facts += [("needs", f"{tag}: {needed}") for tag, needed in card.rules.requires.items()]
    facts += [("limit", text) for text in card.limits] + [("cite", text) for text in card.citations]
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, text in facts:
        grid.add_row(key, escape(text))
    out.print(grid)
    out.print()
    macro = [metric for metric in card.metrics if metric.tag is None]
    for metric in macro:
        where = f"{metric.dataset}, protocol {metric.protocol}, {metric.split} split"
        over = f", n = {metric.n_clips}" if metric.n_clips else ""
        out.print(f"[bold]{metric.name}[/bold] {_figure(metric)}  ({escape(where)}{over})")
    if any(metric.low is not None for metric in macro):
        drawn = sorted({metric.resampled for metric in macro if metric.resampled})
        out.print(f"[dim]in brackets: 95 % bootstrap interval over {', '.join(drawn)}s[/dim]")
    out.print()
    out.print(_tag_table(card))


def _tag_table(card: ModelCard) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("category", "tag", "kind", "threshold"):
        table.add_column(column)
    table.add_column("measured", no_wrap=True, overflow="ellipsis")
    for i in card.vocabulary.display_order():
        tag = card.vocabulary.tags[i]
        threshold = f"{card.thresholds[tag.name]:.2f}" if tag.name in card.thresholds else "-"
        figures = "  ".join(f"{metric.name} {_figure(metric)}" for metric in card.metrics if metric.tag == tag.name)
        table.add_row(tag.category, escape(tag.name), tag.kind, threshold, figures or "-")
    return table


def _figure(metric: Metric) -> str:
    if metric.value is None:
        return "undefined"
    interval = f" \\[{metric.low:.3f}, {metric.high:.3f}]" if metric.low is not None and metric.high is not None else ""
    return f"{metric.value:.3f}{interval}"


def _options(options: dict[str, Any]) -> str:
    kept = {key: value for key, value in options.items() if not isinstance(value, dict)}
    return f" ({', '.join(f'{key}={_value(value)}' for key, value in kept.items())})" if kept else ""


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_value(item)}" for key, item in value.items())
    return ", ".join(map(_value, value)) if isinstance(value, list | tuple) else str(value)

"""`earmark analyze`: figures from checkpoints, cards and scores files. One command a figure, or a family of them."""

from __future__ import annotations

import typer

from earmark.cli.analyze import (
    bristol,
    ensemble,
    filters,
    kim2018,
    pons2017,
    report,
    scores,
    tag_segments,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Draw what networks learned and where they fail: PNG, SVG, and the numbers behind them as CSV.\n\n\b\n"
    "Examples:\n"
    "  earmark analyze hears runs/mine/checkpoint --out figures\n"
    "  earmark analyze tag-auc results/mine/scores.parquet --out figures\n"
    "  earmark analyze calibration results/mine/scores.parquet --out figures",
    epilog="More of one figure: [bold]earmark analyze FIGURE --help[/bold]",
)

# Figures live in modules *.py, each with a function `register(app)` that puts its commands on this group:
#     def register(app): app.command("NAME", no_args_is_help=True)(function)
# The first line of a command's docstring is its line in the list. Such a module imports typer and options at its
# top, and all else inside its commands, so that --help stays fast. To add one: import it above, name it here.
PANELS = {
    "What a network learned": (filters, kim2018),
    "Tags, clips and scores": (bristol, scores, pons2017, tag_segments),
    "Models and runs": (ensemble, report),
}
"""Heading in the list of figures -> the modules whose commands stand under it."""

for panel, modules in PANELS.items():
    for module in modules:
        there = len(app.registered_commands)
        module.register(app)
        for command in app.registered_commands[there:]:
            command.rich_help_panel = panel

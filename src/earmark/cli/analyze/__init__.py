"""`earmark analyze`: figures from checkpoints, cards and scores files. One command for each figure, or family of figures."""

from __future__ import annotations

import typer

from earmark.cli.analyze import auc, decisions, networks, report, runs, tag_segments, tags

app = typer.Typer(
    no_args_is_help=True,
    help="Draw what networks learned and where they fail: PNG, SVG, and the numbers behind them as CSV.\n\n\b\n"
    "Examples:\n"
    "  earmark analyze hears runs/mine/checkpoint --out figures\n"
    "  earmark analyze tag-auc results/mine/scores.parquet --out figures\n"
    "  earmark analyze calibration results/mine/scores.parquet --out figures",
    epilog="More about one figure: [bold]earmark analyze FIGURE --help[/bold]",
)

# A command is a function: tag_auc is `earmark analyze tag-auc`, and the first line of its docstring is its line in the list.
# Its module imports typer and options at the top and everything else inside the function, so that --help stays fast.
COMMANDS = {
    "What a network learned": (networks.filters, networks.hears, networks.excitations, tags.tag_pairs),
    "Tags, clips and scores": (
        tags.clips_per_tag,
        runs.epochs,
        auc.tag_auc,
        auc.clip_auc,
        decisions.calibration,
        decisions.thresholds,
        decisions.confusion,
        runs.training_size,
        tags.top_tags,
        tags.exclusive,
        tag_segments.moments,
    ),
    "Models and runs": (runs.cost, report.report),
}
"""Heading in the list of figures -> commands under it."""

for panel, functions in COMMANDS.items():
    for function in functions:
        name = function.__name__.replace("_", "-")
        app.command(name, no_args_is_help=True, rich_help_panel=panel)(function)

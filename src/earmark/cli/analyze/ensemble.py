"""`earmark analyze cost`: the ensemble paper's question, what a little more accuracy costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.analyze.options import Out


def register(app: typer.Typer) -> None:
    """Put the commands on the group."""
    app.command("cost", no_args_is_help=True)(cost)


def cost(
    results: Annotated[Path, typer.Argument(help="results.json of `earmark reproduce`, its runs beside it.")],
    out: Out,
    metric: Annotated[str, typer.Option("--metric", help="roc_auc, pr_auc or rmse.")] = "roc_auc",
    song_seconds: Annotated[float, typer.Option("--song-seconds", help="Length of the song that is timed.")] = 29.1,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="Time each network so often; the fastest counts.")
    ] = 20,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Of PyTorch.")] = 1,
) -> None:
    """Accuracy over seconds for 1000 songs and over size, of models and every combination of them.

    \b
    Examples:
      earmark analyze cost results/ensemble/results.json --out figures
      earmark analyze cost results/kim2018/results.json --metric pr_auc --threads 4 --out figures

    Each network is timed here and now, on the CPU: noise in, scores out, without reading and decoding files.
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.cli.optional_dependencies import exit_on_interrupt

    require_figures()
    import torch

    from earmark.plots.cost import cost_table, draw_cost, read_runs, timing_words
    from earmark.plots.style import about

    found, folder = read_runs(results)
    with exit_on_interrupt("nothing was written"):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            table, without = cost_table(found, folder, metric, song_seconds=song_seconds, repeats=repeats)
            words = timing_words(song_seconds, repeats)
        finally:
            torch.set_num_threads(before)
    for name in without:
        typer.echo(f"note: left out, without a checkpoint: {name}", err=True)
    n_runs = {len(found.runs[row]) for row in table.row}
    line = about(found.tables.key, found.dataset, found.protocol, "test")
    line += f", mean of {n_runs.pop()} runs" if len(n_runs) == 1 and n_runs != {1} else ""
    write_drawings([draw_cost(table, line, metric=metric, timed=words)], out)

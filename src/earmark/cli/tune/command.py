"""`earmark tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.options import DecodingJobs, Device, Quiet, out_option
from earmark.cli.training_options import KeepAudio, Override, RecipeRoot, Shards, with_root

if TYPE_CHECKING:
    from earmark.tuning.run import TuningResult
    from earmark.tuning.search import Search


def _list(wanted: bool) -> None:
    """The searches that come with earmark, on stdout."""
    if not wanted:
        return
    from earmark.cli.optional_dependencies import require_extra

    require_extra("train", "`earmark tune`", "torch", "lightning", "optuna", "yaml")

    from earmark.cli.console import print_table
    from earmark.tuning.search import list_searches, load_search

    searches = {name: load_search(name) for name in list_searches()}
    rows = [(name, x.recipe, x.method, str(x.n_planned), x.description) for name, x in searches.items()]
    print_table(("search", "recipe", "method", "trials", "what it is"), rows)
    raise click.exceptions.Exit


def tune(
    search: Annotated[
        str,
        Argument(help="A search that comes with earmark (e.g. bristol, see --list), or a YAML file."),
    ],
    out: Annotated[Path, out_option("Folder of the search: trials, their runs, the best recipe.")],
    root: RecipeRoot = None,
    override: Override = None,
    trials: Annotated[
        int | None, Option("--trials", min=1, help="At most this many, instead of the search's own number.")
    ] = None,
    resume: Annotated[bool, Option("--resume", help="Continue the search in --out.")] = False,
    device: Device = "auto",
    keep_audio: KeepAudio = None,
    shards: Shards = None,
    jobs: DecodingJobs = None,
    quiet: Quiet = False,
    listing: Annotated[
        bool, Option("--list", callback=_list, is_eager=True, help="List the searches and stop.")
    ] = False,
) -> None:
    """Search for good values of a recipe's hyper-parameters.

    \b
    Examples:
      earmark tune --list
      earmark tune learning-rate --root ~/emotify --out runs/lr --keep-audio audio
      earmark tune learning-rate --root ~/emotify --out runs/lr --resume --trials 60
      earmark tune mine.yaml --root labels.csv --out runs/mine -o training.epochs=9

    \b
    mine.yaml:
      recipe: first
      method: one-at-a-time          # or grid, random, tpe
      seeds: [0, 1]                  # each trial trains with both
      parameters:
        model.options.dropout: [0.0, 0.2, 0.5]
        optimiser.learning_rate: [0.001, 0.01]

    one-at-a-time tries the values of the first parameter, fixes the best, and continues with the next; grid tries all
    combinations. random and tpe also take ranges, {low: 1e-4, high: 0.1, log: true}, and need a number of trials.

    OUT/trials.csv and OUT/trials.md list the trials, OUT/best.yaml is the recipe with the best values. What counts is
    the selection on the validation clips: the test clips stay unseen. A trial that fails is noted, and the search goes
    on. A search that was killed continues with --resume and ends as if it had not been.
    """
    del listing
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

    require_extra("train", "`earmark tune`", "torch", "lightning", "optuna", "yaml")

    from earmark.cli.tune.progress import TerminalTuningWatcher
    from earmark.tuning.run import tune as run_search
    from earmark.tuning.search import load_search

    overrides = with_root(override, None if root is None else Path(root).expanduser())
    loaded = load_search(search, trials=trials)
    advice = f"continue with --resume: `earmark tune {search} ... --out {out} --resume`"
    with exit_on_interrupt(advice), TerminalTuningWatcher(quiet=quiet) as watcher:
        result = run_search(
            loaded,
            out,
            overrides=overrides,
            resume=resume,
            device=device,
            keep_audio=keep_audio,
            shards=shards,
            jobs=jobs,
            progress=watcher,
        )
    _print_result(loaded, result)
    if result.best is None:
        from earmark.core.errors import DataError

        raise DataError(f"no trial succeeded; the first failed by: {result.trials[0].error}")


def _print_result(search: Search, result: TuningResult) -> None:
    from earmark.cli.console import print_table
    from earmark.tuning.trials import table

    columns, rows = table(search.seeds, result.trials, places=4)
    filled = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    print_table([columns[i] for i in filled], [[row[i] for i in filled] for row in rows])
    if result.best_recipe is not None:
        click.echo(f"{result.best_recipe}")

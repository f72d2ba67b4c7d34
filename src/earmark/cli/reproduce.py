"""`earmark reproduce`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import stderr_console
from earmark.cli.options import Device, Quiet, Resamples, dataset_option, jobs_option, out_option, root_option
from earmark.core.clock import clock
from earmark.core.errors import EarmarkError
from earmark.core.exit_codes import EXIT_FAILED

if TYPE_CHECKING:
    from rich.console import Console

    from earmark.papers.runner import Finished
    from earmark.papers.statistics import Results
    from earmark.papers.task import Task


def reproduce(
    key: Annotated[
        str | None,
        Argument(
            metavar="PAPER",
            help="dieleman2014, bristol, kim2018, pons2017, ensemble, comparators (see --list), default or earmark-1.",
        ),
    ] = None,
    out: Annotated[Path | None, out_option("Folder of all papers' runs and results.")] = None,
    root: Annotated[
        list[str] | None,
        root_option("The dataset's folder; NAME=DIR for each of several, as of kim2018.", metavar="[NAME=]DIR"),
    ] = None,
    dataset: Annotated[
        str | None,
        dataset_option(
            "Train and measure all rows on this dataset, any of `earmark data list`. Default: the paper's own."
        ),
    ] = None,
    rows: Annotated[
        str, Option("--rows", metavar="PATTERNS", help="Only these rows, e.g. 'raw-*,spectrogram-256-256'.")
    ] = "",
    seeds: Annotated[
        int | None, Option("--seeds", min=1, help="Runs of each row.", show_default="the paper's number, or 3")
    ] = None,
    override: Annotated[
        list[str] | None,
        Option("-o", "--override", metavar="KEY=VALUE", help="Change a value of all recipes; may be repeated."),
    ] = None,
    hours: Annotated[
        float | None,
        Option("--hours", min=0.1, help="Of default and earmark-1 alone: learn from so much labelled audio."),
    ] = None,
    shards: Annotated[
        list[str] | None,
        Option(
            "--shards",
            metavar="[NAME=]DIR",
            help="Read training and validation clips from shards of earmark data prepare; test clips are read from files.",
        ),
    ] = None,
    jobs: Annotated[int | None, jobs_option("Runs side by side.", "one per core, one on a GPU")] = None,
    device: Device = "auto",
    resamples: Resamples = 2000,
    show: Annotated[bool, Option("--list", help="List tables and rows, of all papers or of PAPER, and stop.")] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Say what would be run, with all values of the recipes, and stop.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train and measure the rows of a paper's tables; the paper's numbers are shown beside. Or make earmark's own model.

    \b
    Examples:
      earmark reproduce --list
      earmark reproduce kim2018 --root ~/mtat --out results
      earmark reproduce kim2018 --root magnatagatune=~/mtat --root msd=~/msd --out results --dry-run
      earmark reproduce kim2018 --dataset manifest --root labels.csv --out results
      earmark reproduce dieleman2014 --dataset emotify --root ~/emotify --out results
      earmark reproduce bristol --dataset emotify --root ~/emotify --out results --rows 'raw-*' --seeds 5
      earmark reproduce default --root ~/music-data --out default --dry-run
      earmark reproduce default --root ~/music-data --out try --hours 0.5 -o training.epochs=1

    Runs are in OUT/PAPER/ROW/seed-N, tables with intervals in OUT/PAPER/results.md and results.json, which are written
    after each row. Rows whose dataset has no --root are left out, and named. The same command again continues where it was
    stopped, and skips what is done.

    `default` makes earmark-2: music, labels, student, the model with its card and page. DIR then holds the folder emotify
    and macleod.csv, and perhaps more: tools/default_model/README.md. `earmark-1` makes the model before it; DIR holds the
    folders emotify and corpus, and peers with the published weights. --dry-run shows the commands.
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

    require_extra("train", "`earmark reproduce`", "torch", "lightning", "yaml")
    from earmark.core.errors import ConfigError

    if show:
        _list(key)
        return
    missing = [name for name, value in (("PAPER", key), ("--out DIR", out), ("--root DIR", root)) if not value]
    if key is None or out is None or not root:
        raise ConfigError(f"reproduce: {', '.join(missing)}: must be given; `earmark reproduce --help` has examples")

    from earmark.papers.tables import load_tables

    if key in ("default", "earmark-1"):
        if len(root) > 1:
            raise ConfigError(f"reproduce {key}: --root is one folder; {len(root)} are given")
        _make_model(key, Path(root[0]).expanduser(), out.expanduser(), hours, override or [], jobs, dry_run, quiet)
        return
    if hours is not None:
        raise ConfigError(f"reproduce {key}: --hours {hours:g} is of `earmark reproduce default` and earmark-1 alone")
    tables = load_tables(key)  # a wrong name is reported before PyTorch is imported
    from earmark.core.cpu import available_cores
    from earmark.papers import page, results
    from earmark.papers.places import check_data, folders_by_dataset
    from earmark.papers.plan_text import plan_lines
    from earmark.papers.runner import plan, rows_by_dataset, run
    from earmark.training.lightning_setup import checked_accelerator

    on_gpu = checked_accelerator(device, 1, 1, "32") != "cpu"
    jobs = jobs or (1 if on_gpu else available_cores())
    out = out.expanduser()
    patterns = [pattern.strip() for pattern in rows.split(",") if pattern.strip()]
    wanted = rows_by_dataset(key, patterns, dataset)
    main = dataset or (tables.dataset if tables.dataset in wanted else next(iter(wanted)))
    roots = folders_by_dataset(root, wanted, main, "--root")
    messages = stderr_console(quiet=quiet)
    for name, left_out in wanted.items():
        if name not in roots:
            message = f"left out, for want of --root {name}=DIR: {', '.join(left_out)}"
            messages.print(message, markup=False, soft_wrap=True)
    tasks = plan(
        key,
        roots,
        out,
        dataset=dataset,
        rows=patterns,
        seeds=seeds,
        overrides=override or (),
        device=device,
        threads=max(1, available_cores() // jobs),
        keep_audio=out / "audio",
        shards=folders_by_dataset(shards or (), wanted, main, "--shards"),
    )
    if dry_run:
        click.echo("\n".join(plan_lines(tasks)))
        return

    def write() -> list[Results]:
        found = results.collect(tables, tasks, n_resamples=resamples)
        results.write_results(found, out / key, dataset or tables.dataset)
        return found

    with exit_on_interrupt("the same command continues where it was stopped"):
        check_data(tasks)
        over = run(tasks, jobs=jobs, on_done=_Watcher(messages, tasks, write).done)
        if all(finished.document is None for finished in over):
            raise click.exceptions.Exit(EXIT_FAILED)  # each has said why
        click.echo(page.to_markdown(write()))
    messages.print(f"{out / key / results.PAGE_NAME}", markup=False)
    if any(finished.document is None for finished in over):
        raise click.exceptions.Exit(EXIT_FAILED)


def _make_model(
    key: str,
    root: Path,
    out: Path,
    hours: float | None,
    overrides: list[str],
    jobs: int | None,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Run tools/default_model of a checkout of earmark, which has all that is particular to earmark's own models."""
    import os
    import subprocess
    import sys

    import earmark
    from earmark.core.errors import ConfigError

    places = (Path(earmark.__file__).resolve().parents[2], Path.cwd())
    checkout = next((place for place in places if (place / "tools" / "default_model" / "__main__.py").is_file()), None)
    if checkout is None:
        raise ConfigError(
            f"reproduce {key}: the folder tools/default_model is not here; it comes with earmark's source, not with the "
            "installed package: run the command from the root of a checkout"
        )
    options = ["--root", str(root), "--out", str(out), *([] if key == "default" else ["--model", key])]
    options += [word for text in overrides for word in ("-o", text)]
    options += [] if hours is None else ["--hours", f"{hours:g}"]
    options += [] if jobs is None else ["--jobs", str(jobs)]
    options += [name for name, given in (("--dry-run", dry_run), ("--quiet", quiet)) if given]
    found = os.pathsep.join([str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.default_model", "reproduce", *options], env={**os.environ, "PYTHONPATH": found}
    )
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = process.wait()  # Ctrl-C reaches it as well, and it says how to continue
    if code:
        raise click.exceptions.Exit(code)


class _Watcher:
    """A line for every run that ends, with the time that is left; after the last run of a row the results are written."""

    def __init__(self, messages: Console, tasks: list[Task], write: Callable[[], object]) -> None:
        import time

        self.messages = messages
        self.write = write
        self.n_tasks = len(tasks)
        self.left = Counter(task.row for task in tasks)
        self.n_over = self.n_before = 0
        self.clock = time.monotonic
        self.started = time.monotonic()

    def done(self, finished: Finished) -> None:
        """One run is over."""
        self.n_over += 1
        self.left[finished.task.row] -= 1
        if finished.before:
            self.n_before += 1
            return
        spent = self.clock() - self.started
        left = spent / (self.n_over - self.n_before) * (self.n_tasks - self.n_over)
        where = f"{self.n_over}/{self.n_tasks}"
        if finished.document is None:  # reported with --quiet, too
            click.echo(f"{where}  {finished.task.name}: failed: {finished.error}", err=True)
            return
        self.messages.print(
            f"{where}  {finished.task.name}: {clock(finished.document['seconds'])}; about {clock(left)} left",
            markup=False,
        )
        if not self.left[finished.task.row] and self.n_over < self.n_tasks:
            try:
                self.write()
            except (EarmarkError, OSError) as error:  # the other rows continue; at the end it is an error
                click.echo(f"results are not written yet: {error}", err=True)


def _list(key: str | None) -> None:
    from earmark.papers.tables import list_papers, load_tables

    for paper in [key] if key else list_papers():
        tables = load_tables(paper)
        own = f"{tables.dataset}, {tables.protocol}" if tables.protocol else "a table of your own"
        click.echo(f"{paper}: {tables.title}\n  paper's dataset: {own}")
        for table in tables.tables:
            click.echo(f"  {table.title}")
            for row in table.rows:
                said = ", ".join(f"{name} {value:g}" for name, value in row.reported.items())
                quoted = " (reported only)" if row.kind == "reported" else ""
                click.echo(f"    {row.row:<30} {row.label:<36} {said}{quoted}")

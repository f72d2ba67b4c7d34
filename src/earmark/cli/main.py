"""`earmark`: the commands, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from earmark import __version__
from earmark.cli import analyze, cluster, data, distill, library, models
from earmark.cli.baseline import baseline
from earmark.cli.compare import compare
from earmark.cli.evaluate import evaluate
from earmark.cli.export import export
from earmark.cli.help_text import reflow_help
from earmark.cli.import_weights import import_weights
from earmark.cli.reproduce import reproduce
from earmark.cli.score import score
from earmark.cli.serve import serve
from earmark.cli.tag import tag
from earmark.cli.text import printable
from earmark.cli.train import train
from earmark.cli.tune import tune
from earmark.core.errors import AudioError, DataError, DownloadError, EarmarkError
from earmark.core.plugins import load_plugins

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT

app = typer.Typer(
    name="earmark",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: [bold]earmark tag song.mp3[/bold]   Exit codes: 0 all done, 1 something failed, 2 wrong usage.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"earmark {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[  # noqa: ARG001 - the callback has done it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            metavar="FILE",
            help="Python file that registers models, datasets, importers or tag formats; repeatable. "
            "More in EARMARK_PLUGINS.",
        ),
    ] = None,
) -> None:
    """Listens to music and tags it: genres, instruments, moods, voices, from the sound alone."""
    load_plugins(plugin or ())


app.command(no_args_is_help=True)(tag)
app.command()(serve)
app.add_typer(library.app, name="library")
app.add_typer(models.app, name="models")
app.add_typer(cluster.app, name="cluster")
app.add_typer(data.app, name="data", rich_help_panel="For researchers")
app.add_typer(distill.app, name="distill", rich_help_panel="For researchers")
app.command(rich_help_panel="For researchers", no_args_is_help=True)(train)
app.command(rich_help_panel="For researchers", no_args_is_help=True)(tune)
app.command(rich_help_panel="For researchers", no_args_is_help=True)(evaluate)
app.command(rich_help_panel="For researchers", no_args_is_help=True)(score)
app.command(rich_help_panel="For researchers", no_args_is_help=True)(compare)
app.command(rich_help_panel="For researchers", no_args_is_help=True)(baseline)
app.command(rich_help_panel="For researchers", no_args_is_help=True)(reproduce)
app.add_typer(analyze.app, name="analyze", rich_help_panel="For researchers")
app.command(rich_help_panel="For researchers", no_args_is_help=True)(export)
app.command("import-weights", rich_help_panel="For researchers", no_args_is_help=True)(import_weights)
reflow_help(app)


def run() -> None:
    """Entry point of the `earmark` command."""
    for stream in (sys.stdout, sys.stderr):
        # File names need not be valid UTF-8, and a terminal need not speak it: never die of a name.
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    try:
        app()
    except EarmarkError as error:
        for line in str(error).splitlines():
            print(f"earmark: {line}", file=sys.stderr)
        sys.exit(EXIT_FAILED if isinstance(error, AudioError | DataError | DownloadError) else EXIT_USAGE)
    except OSError as error:  # stdout's disk is full, and the like
        where = "" if error.filename is None else f"{printable(str(error.filename))}: "
        print(f"earmark: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        print("earmark: stopped", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    run()

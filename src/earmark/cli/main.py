"""`earmark`: the commands, and the one place where errors become exit codes."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Option
from earmark.cli.completion import completion_script
from earmark.cli.console import silence_stdout
from earmark.cli.lazy_group import Entry, lazy_group
from earmark.cli.text import printable
from earmark.core.errors import AudioError, DataError, DownloadError, EarmarkError, OutputError, UploadError
from earmark.core.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from earmark.core.plugins import load_plugins
from earmark.core.version import __version__

_FAILURES = (AudioError, DataError, DownloadError, OutputError, UploadError)
"""Of the world, not of how the command was used."""

_RESEARCH = "For researchers"
EPILOG = "Start with: earmark tag song.mp3   Exit codes: 0 all done, 1 something failed, 2 wrong usage."
COMMANDS = (
    Entry(
        "tag",
        "earmark.cli.tag.command:tag",
        "Tag music files; folders are searched for audio, with all their subfolders.",
    ),
    Entry(
        "serve",
        "earmark.cli.serve:serve",
        "Serve tags over HTTP, and the page that tags in the browser.",
        no_args_is_help=False,
    ),
    Entry("library", "earmark.cli.library:group", "A library of music: scan it once, then search it."),
    Entry(
        "models",
        "earmark.cli.models:group",
        "Models: list them, read their cards, fetch published ones, exchange them with hubs.",
    ),
    Entry("cluster", "earmark.cli.cluster:group", "A million tracks: tag, prepare and train on a Ray cluster."),
    Entry(
        "embed",
        "earmark.cli.embed.command:embed",
        "Write embeddings of music: a table of the values of one layer of a model.",
        _RESEARCH,
    ),
    Entry(
        "probe",
        "earmark.cli.probe:probe",
        "Make a tagger of a table of labels: a head on the frozen embeddings of a trained model.",
        _RESEARCH,
    ),
    Entry(
        "data",
        "earmark.cli.data:group",
        "Datasets: list them, download them, check the files on disk, prepare it.",
        _RESEARCH,
    ),
    Entry("distill", "earmark.cli.distill:group", "Make a small network from the labels of trained ones.", _RESEARCH),
    Entry("train", "earmark.cli.train.command:train", "Train a model by a recipe and keep the best epoch.", _RESEARCH),
    Entry("tune", "earmark.cli.tune.command:tune", "Search for good values of a recipe's hyper-parameters.", _RESEARCH),
    Entry(
        "evaluate",
        "earmark.cli.evaluate:evaluate",
        "Measure a model on labelled music, with 95 % intervals over artists.",
        _RESEARCH,
    ),
    Entry(
        "score",
        "earmark.cli.score:score",
        "Measure any table of scores against any table of labels, with 95 % intervals.",
        _RESEARCH,
    ),
    Entry(
        "compare",
        "earmark.cli.compare:compare",
        "Say which of two models is better on the same clips, by how much, and how sure that is.",
        _RESEARCH,
    ),
    Entry(
        "baseline",
        "earmark.cli.baseline:baseline",
        "Measure what hand-made features and boosted trees reach: a network has to beat it.",
        _RESEARCH,
    ),
    Entry(
        "reproduce",
        "earmark.cli.reproduce:reproduce",
        "Train and measure the rows of a paper's tables; the paper's numbers are shown beside. Or make earmark's own model.",
        _RESEARCH,
    ),
    Entry(
        "analyze",
        "earmark.cli.analyze:group",
        "Draw what networks learned and where they fail: PNG, SVG, and the numbers behind them as CSV.",
        _RESEARCH,
    ),
    Entry(
        "export",
        "earmark.cli.export:export",
        "Export a checkpoint to ONNX: waveform in, probabilities out, card inside.",
        _RESEARCH,
    ),
    Entry(
        "import-weights",
        "earmark.cli.import_weights:import_weights",
        "Import published weights, recognised by the file's content.",
        _RESEARCH,
    ),
)
"""The commands, in the order of the help. A new one is one entry here and one file."""


def _version(wanted: bool) -> bool:
    if wanted:
        click.echo(f"earmark {__version__}")
        raise click.exceptions.Exit
    return wanted


def _completion(shell: str | None) -> str | None:
    if shell is not None:
        click.echo(completion_script(shell, app))
        raise click.exceptions.Exit
    return shell


def main(
    version: Annotated[  # noqa: ARG001 - the callback has done it
        bool, Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    show_completion: Annotated[  # noqa: ARG001
        str | None,
        Option(
            "--show-completion",
            metavar="SHELL",
            callback=_completion,
            is_eager=True,
            help="Print the script that completes commands and options in bash, zsh or fish, and stop.",
        ),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        Option(
            "--plugin",
            metavar="FILE",
            help="Python file that registers models, datasets, importers or tag formats; repeatable. "
            "More in EARMARK_PLUGINS.",
        ),
    ] = None,
) -> None:
    """Listens to music and tags it: genres, instruments, moods, voices, from the sound alone."""
    load_plugins(plugin or ())


app = lazy_group("earmark", main, COMMANDS, epilog=EPILOG)


def _replace_closed_streams() -> None:
    """Give closed streams (``2>&-``) their numbers back, which files would get otherwise, and what libraries print with it.

    What is written to a closed stdout is an error, to a closed stderr nothing.
    """
    for name, flags in (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, flags)
            if name != "stdin":  # which stays None: nothing can be read
                setattr(sys, name, os.fdopen(number, "w"))


def run() -> None:
    """Entry point of the `earmark` command."""
    # NumPy's products are small here: its own threads would do nothing but wait, and count as work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # At its end Python looks for garbage among all that was imported: a tenth of the time of tagging one clip.
    atexit.register(gc.freeze)
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # File names need not be valid UTF-8, and a terminal need not speak it: never die of a name.
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    try:
        app(prog_name="earmark")
    except EarmarkError as error:
        for line in str(error).splitlines():
            print(f"earmark: {line}", file=sys.stderr)
        sys.exit(EXIT_FAILED if isinstance(error, _FAILURES) else EXIT_USAGE)
    except OSError as error:  # stdout's disk is full, and the like
        where = "" if error.filename is None else f"{printable(str(error.filename))}: "
        what = "stdout is closed" if error.errno == errno.EBADF and not where else error.strerror or error
        if not where:
            silence_stdout()  # Python would try again at its end, and end with another exit code
        print(f"earmark: {where}{what}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        print("earmark: stopped", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    run()

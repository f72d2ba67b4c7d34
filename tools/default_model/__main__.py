"""`python -m tools.default_model`, from the root of a checkout of earmark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast

import typer

from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
from earmark.core.errors import AudioError, ConfigError, DataError, EarmarkError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Make earmark-1, the model that comes with earmark.")

Emotify = Annotated[Path, typer.Option("--emotify", metavar="DIR", help="Emotify: tracks.csv and its audio.")]
Corpus = Annotated[Path, typer.Option("--corpus", metavar="DIR", help="More music: tracks.csv and its audio.")]


@app.command(no_args_is_help=True)
def songs(
    emotify: Emotify,
    corpus: Corpus,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.csv", help="The table of music to write.")],
) -> None:
    """List the music of both collections for `earmark distill label`: splits, groups, weights and known genres."""
    from earmark.core.atomic_files import write_atomic
    from earmark.datasets.labelled_set.songs import songs_csv
    from tools.default_model.corpus import read_collections

    found = read_collections(emotify, corpus)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, songs_csv(found).encode())
    typer.echo(f"{out}: {len(found)} songs")


@app.command(no_args_is_help=True)
def finish(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Of the student: RUN/checkpoint.")],
    sets: Annotated[Path, typer.Option("--sets", metavar="DIR", help="Written by `earmark distill label`.")],
    emotify: Emotify,
    corpus: Corpus,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for checkpoint, ONNX file and page.")],
    instruments: Annotated[
        Path | None,
        typer.Option("--instruments", metavar="DIR", help="Single notes with known instruments.", show_default=False),
    ] = None,
    weights: Annotated[
        str, typer.Option(metavar="float32|float16|int8", help="How the ONNX file stores the weights.")
    ] = "float16",
) -> None:
    """Release a student as earmark-1: calibrate, export, measure Emotify's test split, write card and page."""
    require_extra("train", "`python -m tools.default_model`", "jinja2", "onnx", "pyarrow", "scipy", "torch")
    from earmark.export.precision import Weights
    from tools.default_model.release import make_model

    if weights not in ("float32", "float16", "int8"):
        raise ConfigError(f"--weights {weights!r}: must be float32, float16 or int8")
    kind = cast(Weights, weights)
    with exit_on_interrupt("the same command begins anew"):
        for line in make_model(checkpoint, sets, emotify, corpus, out, instruments=instruments, weights=kind):
            typer.echo(line)


@app.command(no_args_is_help=True)
def reproduce(
    root: Annotated[Path, typer.Option("--root", metavar="DIR", help="With the folders emotify, corpus and peers.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of everything that is made.")],
    hours: Annotated[
        float | None, typer.Option("--hours", min=0.1, help="Of labelled audio; earmark-1 had 35.")
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("-o", "--override", metavar="KEY=VALUE", help="Change a value of all recipes.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Default: one per core.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands, and stop.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Run every command between music and earmark-1, one after the other; `earmark reproduce default` is the same."""
    from rich.console import Console

    from earmark.core.cpu import available_cores
    from tools.default_model.steps import HOURS, lines, run, steps

    found = steps(
        root.expanduser(),
        out.expanduser(),
        hours=hours or HOURS,
        jobs=jobs or available_cores(),
        overrides=override or [],
    )
    if dry_run:
        for line in lines(found):
            typer.echo(line)
        return
    messages = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)
    with exit_on_interrupt("the same command goes on where it was stopped"):
        for number, step in enumerate(found, start=1):
            messages.print(f"{number}/{len(found)}  {step.title}", markup=False)
            run(step)


def main() -> None:
    """Run the command; errors of earmark are printed, and end it with exit code 1 (data) or 2 (usage)."""
    try:
        app(prog_name="python -m tools.default_model")
    except EarmarkError as error:
        for line in str(error).splitlines():
            print(f"earmark: {line}", file=sys.stderr)
        sys.exit(1 if isinstance(error, AudioError | DataError) else 2)


if __name__ == "__main__":
    main()

"""`earmark distill`: what the default model is made with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra

app = typer.Typer(no_args_is_help=True, help="Make a small network from the answers of published ones.")


@app.callback()
def distill() -> None:
    """Make a small network from the answers of published ones."""


@app.command(no_args_is_help=True)
def label(
    emotify: Annotated[Path, typer.Option("--emotify", metavar="DIR", help="Emotify: tracks.csv and its audio.")],
    corpus: Annotated[Path, typer.Option("--corpus", metavar="DIR", help="More music: tracks.csv and its audio.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the sets are kept: 115 MB an hour.")],
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="DIR",
            help="Folder with the published weights. Default: what `earmark models pull` fetched.",
            show_default=False,
        ),
    ] = None,
    hours: Annotated[float, typer.Option("--hours", min=0, help="Hours of augmented audio.")] = 80.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which augmented audio.")] = 0,
    part: Annotated[
        str, typer.Option("--part", metavar="I/N", help="Of N processes side by side, this is the I-th.")
    ] = "1/1",
) -> None:
    """Label music with the published networks, for a student to learn from.

    \b
    Examples:
      earmark distill label --emotify ~/emotify --corpus ~/corpus --weights ~/weights --out sets
      earmark distill label ... --out sets --part 1/2 &  earmark distill label ... --out sets --part 2/2

    The same command again goes on where it was stopped. With more --hours the set grows; what is there stays.
    """
    require_extra("train", "`earmark distill`", "scipy", "torch")
    import time

    from earmark.distillation.label import EXAMPLE_HOURS, load_material, plan
    from earmark.distillation.label import label as label_shards

    chosen = _part(part)
    with exit_on_interrupt("the same command goes on where it was stopped"):
        material = load_material(emotify, corpus, out, weights)
        shards = plan(material, hours, seed)
        n_mine = len(shards[chosen[0] - 1 :: chosen[1]])
        started, n_made = time.monotonic(), 0
        for n_done, done in enumerate(label_shards(shards, material, out, seed, chosen), start=1):
            if done.before:
                continue
            n_made += 1
            n_examples = len(done.shard.recipes)
            speed = n_examples * EXAMPLE_HOURS * 3600 / max(done.seconds, 1e-9)
            left = (time.monotonic() - started) / n_made * (n_mine - n_done)
            typer.echo(
                f"{n_done}/{n_mine}  {done.shard.set_name} {done.shard.number:05d}: {n_examples} examples, "
                f"{speed:.0f} x real time; about {left / 60:.0f} min left",
                err=True,
            )
    typer.echo(f"{out}: {n_mine} shards are there")


@app.command(no_args_is_help=True)
def teachers(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `earmark distill label` wrote.")],
    emotify: Annotated[Path, typer.Option("--emotify", metavar="DIR", help="Emotify: tracks.csv and its audio.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.md", help="Where to write the page.", show_default="stdout")
    ] = None,
) -> None:
    """Compare the teachers: on Emotify's genres, alone and averaged, and with each other, tag by tag.

    The test split is not looked at.
    """
    require_extra("train", "`earmark distill`", "scipy", "torch")
    from earmark.distillation.teacher_comparison_page import compare_teachers

    page = compare_teachers(folder, emotify)
    _put(page, out)


@app.command(no_args_is_help=True)
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe for students, or a YAML file.")],
    sets: Annotated[Path, typer.Option("--sets", metavar="DIR", help="What `earmark distill label` wrote.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the run; made where there is none.")],
    emotify: Annotated[
        Path | None,
        typer.Option(
            "--emotify",
            metavar="DIR",
            help="Emotify: its own genres count half, the teachers half. Default: the teachers alone.",
            show_default=False,
        ),
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--override", "-o", metavar="KEY=VALUE", help="Change a value of the recipe.")
    ] = None,
    parts: Annotated[
        int, typer.Option("--parts", min=1, help="Cut examples of 29.1 s into so many, each with labels of its own.")
    ] = 3,
    hours: Annotated[
        float | None,
        typer.Option("--hours", min=0, help="Learn from so much of the training set alone.", show_default="all of it"),
    ] = None,
    begin: Annotated[
        Path | None,
        typer.Option(metavar="CHECKPOINT", help="Begin with the weights of another run.", show_default="fresh ones"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that lies there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Let a small network learn what the teachers say.

    \b
    Examples:
      earmark distill train default/compact-1d --sets sets --out runs/student
      earmark distill train default/compact-1d --sets sets --out runs/student --resume
    """
    require_extra("train", "`earmark distill`", "lightning", "torch", "yaml")
    from earmark.cli.train_progress import TerminalWatcher
    from earmark.distillation.student_dataset import open_lessons, training_genres
    from earmark.training.config import load_recipe
    from earmark.training.run import train as run_training

    loaded = load_recipe(recipe, list(override or ()))
    advice = f"go on with --resume: `earmark distill train {recipe} --sets {sets} --out {out} --resume`"
    with exit_on_interrupt(advice), TerminalWatcher(loaded.training.epochs, quiet=quiet) as watcher:
        lessons = open_lessons(
            sets, parts=parts, hours=hours, genres=None if emotify is None else training_genres(emotify)
        )
        material = (lessons.dataset, lessons.audio)
        watcher.finished(run_training(loaded, out, resume=resume, progress=watcher, material=material, begin=begin))


@app.command(no_args_is_help=True)
def compare(
    checkpoints: Annotated[list[Path], typer.Argument(metavar="CHECKPOINT...", help="Of students: RUN/checkpoint.")],
    sets: Annotated[Path, typer.Option("--sets", metavar="DIR", help="What `earmark distill label` wrote.")],
    emotify: Annotated[Path, typer.Option("--emotify", metavar="DIR", help="Emotify: tracks.csv and its audio.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.md", help="Where to write the page.", show_default="stdout")
    ] = None,
) -> None:
    """Compare students: agreement with their teachers, real genres, weights and multiplications.

    The test split is not looked at.
    """
    require_extra("train", "`earmark distill`", "scipy", "torch")
    from earmark.distillation.student_comparison import measure, to_markdown

    page = to_markdown(measure(checkpoints, sets, emotify), "earmark distill compare")
    _put(page, out)


@app.command(no_args_is_help=True)
def finish(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Of a student: RUN/checkpoint.")],
    sets: Annotated[Path, typer.Option("--sets", metavar="DIR", help="What `earmark distill label` wrote.")],
    emotify: Annotated[Path, typer.Option("--emotify", metavar="DIR", help="Emotify: its test songs are measured.")],
    corpus: Annotated[Path, typer.Option("--corpus", metavar="DIR", help="The corpus: sources and licences.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for checkpoint, ONNX file and page.")],
    instruments: Annotated[
        Path | None,
        typer.Option("--instruments", metavar="DIR", help="Single notes with known instruments.", show_default=False),
    ] = None,
    weights: Annotated[
        str, typer.Option(metavar="float32|float16|int8", help="How the ONNX file keeps the weights.")
    ] = "float16",
) -> None:
    """Make a model for people of a student: calibrate, export, measure, and write its page.

    Tags that cannot be told from noise are left out; scores are calibrated on held-out music; the test split of Emotify is
    measured here for the first time.

    \b
    Example:
      earmark distill finish runs/student/checkpoint --sets sets --emotify ~/emotify --corpus ~/corpus --out model

    Writes OUT/checkpoint, OUT/NAME.onnx with its card, OUT/evaluation and OUT/NAME.md.
    """
    require_extra("train", "`earmark distill`", "onnx", "scipy", "torch", "pyarrow")
    from earmark.core.errors import ConfigError
    from earmark.distillation.release import make_model

    if weights not in ("float32", "float16", "int8"):
        raise ConfigError(f"--weights {weights!r}: must be float32, float16 or int8")
    with exit_on_interrupt("the same command begins anew"):
        for line in make_model(checkpoint, sets, emotify, corpus, out, instruments=instruments, weights=weights):  # type: ignore[arg-type]
            typer.echo(line)


def _put(page: str, out: Path | None) -> None:
    """A page to stdout, or into a file."""
    from earmark.core.atomic_files import write_atomic

    if out is None:
        typer.echo(page, nl=False)
    else:
        write_atomic(out, page.encode())
        typer.echo(str(out))


def _part(text: str) -> tuple[int, int]:
    from earmark.core.errors import ConfigError

    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise ConfigError(f"--part {text!r}: must be I/N, for instance 1/2")
    return int(match[1]), int(match[2])

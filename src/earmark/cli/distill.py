"""`earmark distill`: a small network learns from trained ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.lazy_group import Entry, lazy_group
from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
from earmark.cli.options import Quiet, dataset_option, out_option, protocol_option, root_option, seed_option

Sets = Annotated[Path, Option("--sets", metavar="DIR", help="Written by `earmark distill label`.")]
Page = Annotated[Path | None, out_option("Where to write the page.", metavar="FILE.md", show_default="stdout")]


def label(
    plan: Annotated[Path, Option("--plan", metavar="FILE.yaml", help="Teachers and the student's tags.")],
    songs: Annotated[Path, Option("--songs", metavar="FILE", help="Table of music: path, split, group and more.")],
    out: Annotated[Path, out_option("Folder for the labelled sets: 115 MB per hour.", metavar="DIR")],
    weights: Annotated[
        Path | None,
        Option(
            "--weights",
            metavar="DIR",
            help="Folder with published weights. Default: those that `earmark models pull` has downloaded.",
            show_default=False,
        ),
    ] = None,
    hours: Annotated[float, Option("--hours", min=0, help="Hours of augmented audio.")] = 80.0,
    after_hours: Annotated[
        float, Option("--after-hours", min=0, help="So many of these hours were labelled elsewhere, and are left out.")
    ] = 0.0,
    seed: Annotated[int, seed_option("Which augmented audio.")] = 0,
    part: Annotated[
        str, Option("--part", metavar="I/N", help="Of N processes side by side, this is the I-th.")
    ] = "1/1",
) -> None:
    """Label music with trained networks, for a student to learn from.

    \b
    Examples:
      earmark distill label --plan plan.yaml --songs songs.csv --weights ~/weights --out sets
      earmark distill label ... --out sets --part 1/2 &  earmark distill label ... --out sets --part 2/2

    The same command again continues where it was stopped. With more --hours the set grows; existing shards are kept.
    docs/distillation.md describes both files.
    """
    require_extra("train", "`earmark distill`", "scipy", "torch", "yaml")
    import time

    from earmark.datasets.labelled_set.shards import EXAMPLE_HOURS
    from earmark.distillation.label import label as label_shards
    from earmark.distillation.label import load_inputs, plan_shards, write_tables
    from earmark.distillation.plan import read_plan

    chosen = _part(part)
    with exit_on_interrupt("the same command continues where it was stopped"):
        given = read_plan(plan)
        inputs = load_inputs(given, songs, out, weights, continued=after_hours > 0)
        write_tables(inputs, out)
        shards = plan_shards(inputs, hours, seed, given.examples_per_song, after_hours=after_hours)
        n_mine = len(shards[chosen[0] - 1 :: chosen[1]])
        started, n_made = time.monotonic(), 0
        for n_done, done in enumerate(label_shards(shards, inputs, out, seed, chosen), start=1):
            if done.before:
                continue
            n_made += 1
            n_examples = len(done.shard.recipes)
            speed = n_examples * EXAMPLE_HOURS * 3600 / max(done.seconds, 1e-9)
            left = (time.monotonic() - started) / n_made * (n_mine - n_done)
            click.echo(
                f"{n_done}/{n_mine}  {done.shard.set_name} {done.shard.number:05d}: {n_examples} examples, "
                f"{speed:.0f} x real time; about {left / 60:.0f} min left",
                err=True,
            )
    click.echo(f"{out}: {n_mine} shards exist")


def pack(
    folder: Annotated[Path, Argument(metavar="DIR", help="Written by `earmark distill label`.")],
    out: Annotated[Path, out_option("Folder for SET.npz of every set.", metavar="DIR")],
    onto: Annotated[
        Path | None,
        Option("--onto", metavar="DIR", help="Packed labels that these continue, labelled with --after-hours."),
    ] = None,
) -> None:
    """Keep labelled sets without their audio, small enough for a repository.

    The teachers of one vocabulary become their mean; `earmark distill unpack` makes the audio again. With --onto
    the training set is that of both, the new labels on the scale of the former; the other sets stay the former.
    """
    require_extra("train", "`earmark distill`", "scipy", "torch")
    from earmark.datasets.labelled_set import LabelledSets
    from earmark.datasets.labelled_set.shards import TRAIN_SET
    from earmark.distillation.label import unchanged_sets
    from earmark.distillation.packed_labels import PackedSet, continue_training
    from earmark.distillation.packed_labels import pack as pack_set

    sets = LabelledSets.open(folder)
    found = {
        name: pack_set(sets, name) for name in (*unchanged_sets(sets.songs), TRAIN_SET) if (folder / name).is_dir()
    }
    if onto is not None:
        before = {path.stem: PackedSet.read(path) for path in sorted(onto.glob("*.npz"))}
        found = {**before, TRAIN_SET: continue_training(before, found)}
    out.mkdir(parents=True, exist_ok=True)
    for name, packed in found.items():
        path = out / f"{name}.npz"
        packed.write(path)
        click.echo(f"{path}: {len(packed.recipes)} examples, {path.stat().st_size / 1e6:.1f} MB")


def unpack(
    folder: Annotated[Path, Argument(metavar="DIR", help="Written by `earmark distill pack`.")],
    plan: Annotated[
        Path, Option("--plan", metavar="FILE.yaml", help="As for `earmark distill label`; its tags are used.")
    ],
    songs: Annotated[Path, Option("--songs", metavar="FILE", help="The table of music that was labelled.")],
    out: Annotated[Path, out_option("Folder for the labelled sets: 115 MB per hour.", metavar="DIR")],
    part: Annotated[
        str, Option("--part", metavar="I/N", help="Of N processes side by side, this is the I-th.")
    ] = "1/1",
) -> None:
    """Make labelled sets of packed ones: the audio is cut and changed as it was when it was labelled.

    The same command again continues where it was stopped.
    """
    require_extra("train", "`earmark distill`", "scipy", "torch", "yaml")
    from earmark.core.errors import DataError
    from earmark.distillation.packed_labels import PackedSet, prepare, write_document
    from earmark.distillation.packed_labels import unpack as unpack_shard
    from earmark.distillation.plan import read_plan

    index, count = _part(part)
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise DataError(f"{folder}: no SET.npz there; make them with `earmark distill pack`")
    with exit_on_interrupt("the same command continues where it was stopped"):
        found = [PackedSet.read(path) for path in files]
        waveforms = prepare(found, read_plan(plan), songs, out)
        for packed in found:
            write_document(packed, out)
            n_differing = 0
            for shard in packed.shards()[index - 1 :: count]:
                if not shard.folder(out).is_dir():
                    n_differing += unpack_shard(packed, shard, waveforms, out)
            note = f"; {n_differing} of them not exactly what was labelled" if n_differing else ""
            click.echo(f"{out / packed.name}: {len(packed.recipes)} examples{note}")


def teachers(
    folder: Annotated[Path, Argument(metavar="DIR", help="Written by `earmark distill label`.")],
    out: Page = None,
) -> None:
    """Compare the teachers: on known labels, alone and averaged, and with each other, tag by tag.

    The test songs are not used.
    """
    require_extra("train", "`earmark distill`", "jinja2", "scipy", "torch")
    from earmark.datasets.labelled_set import LabelledSets
    from earmark.distillation.teacher_comparison import compare_teachers
    from earmark.report.distillation_pages import teacher_page

    _put(teacher_page(compare_teachers(LabelledSets.open(folder))), out)


def train(
    recipe: Annotated[str, Argument(help="A recipe for students, or a YAML file.")],
    sets: Sets,
    out: Annotated[Path, out_option("Folder of the run; created if it does not exist.", metavar="DIR")],
    known_share: Annotated[
        float | None,
        Option(
            "--known-share", min=0, max=1, help="How much known labels count beside the teachers.", show_default="half"
        ),
    ] = None,
    override: Annotated[
        list[str] | None, Option("--override", "-o", metavar="KEY=VALUE", help="Change a value of the recipe.")
    ] = None,
    parts: Annotated[
        int | None,
        Option(
            "--parts",
            min=1,
            help="Cut examples of 29.1 s into N parts, each with labels of its own.",
            show_default="as the recipe says",
        ),
    ] = None,
    hours: Annotated[
        float | None,
        Option("--hours", min=0, help="Learn from this much of the training set only.", show_default="all of it"),
    ] = None,
    begin: Annotated[
        Path | None,
        Option(metavar="CHECKPOINT", help="Begin with the weights of another run.", show_default="fresh ones"),
    ] = None,
    resume: Annotated[bool, Option("--resume", help="Continue the run in that folder.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train a student on labelled sets: earmark train with options for them.

    \b
    Examples:
      earmark distill train default/compact-1d --sets sets --out runs/student
      earmark train default/compact-1d --root sets --out runs/student              (the same)
      earmark train default/compact-1d --root sets --out short -o data.options.hours=10
    """
    from earmark.cli.train.train import train as train_command

    given = {"parts": parts, "hours": hours, "known_share": known_share}
    options = [f"data.options.{name}={value}" for name, value in given.items() if value is not None]
    train_command(
        recipe,
        out,
        root=str(sets),
        override=[*(override or ()), *options],
        begin=begin,
        resume=resume,
        tensorboard=False,
        quiet=quiet,
    )


def compare(
    checkpoints: Annotated[list[Path], Argument(metavar="CHECKPOINT...", help="Of students: RUN/checkpoint.")],
    sets: Sets,
    out: Page = None,
) -> None:
    """Compare students: agreement with their teachers, known labels, weights and multiplications.

    The test songs are not used.
    """
    require_extra("train", "`earmark distill`", "jinja2", "scipy", "torch")
    from earmark.distillation.student_comparison import compare_students
    from earmark.report.distillation_pages import student_page

    _put(student_page(compare_students(checkpoints, sets), "earmark distill compare"), out)


def finish(
    checkpoint: Annotated[Path, Argument(metavar="CHECKPOINT", help="Of a student: RUN/checkpoint.")],
    sets: Sets,
    card: Annotated[Path, Option("--card", metavar="FILE.json", help="Name, description, licence, limits, citations.")],
    out: Annotated[Path, out_option("Folder for checkpoint, ONNX file and page.", metavar="DIR")],
    dataset: Annotated[
        str | None,
        dataset_option("Measure the test split of this dataset, too.", show_default="none"),
    ] = None,
    root: Annotated[Path | None, root_option("The folder of that dataset.", metavar="DIR", show_default=False)] = None,
    protocol: Annotated[str | None, protocol_option("Its protocol.", show_default="the one that fits")] = None,
    weights: Annotated[
        str, Option(metavar="float32|float16|int8", help="How the ONNX file stores the weights.")
    ] = "float16",
) -> None:
    """Make a model for use from a student: calibrate, export, measure, and write its page.

    Tags that cannot be distinguished from noise are left out; scores are calibrated on the held-out and the validation songs.

    \b
    Example:
      earmark distill finish runs/student/checkpoint --sets sets --card card.json --out model

    Writes OUT/checkpoint, OUT/NAME.onnx with its card, OUT/NAME.md, and with --dataset OUT/evaluation.
    """
    require_extra("train", "`earmark distill`", "jinja2", "onnx", "scipy", "torch", "pyarrow")
    from earmark.core.atomic_files import write_atomic
    from earmark.core.errors import ConfigError
    from earmark.datasets import load_dataset
    from earmark.distillation.calibration import read_card_text
    from earmark.distillation.release import release_student
    from earmark.report.distillation_pages import model_page

    if weights not in ("float32", "float16", "int8"):
        raise ConfigError(f"--weights {weights!r}: must be float32, float16 or int8")
    if (dataset is None) != (root is None):
        raise ConfigError("--dataset NAME and --root DIR: give both, or neither")
    with exit_on_interrupt("the same command starts again"):
        release = release_student(
            checkpoint,
            sets,
            out,
            read_card_text(card),
            dataset=None if dataset is None or root is None else load_dataset(dataset, root, protocol),
            weights=weights,  # type: ignore[arg-type]
            on_step=click.echo,
        )
        page = out / f"{release.card.name}.md"
        write_atomic(page, model_page(release, "earmark distill finish").encode())
        click.echo(str(page))


def _put(page: str, out: Path | None) -> None:
    """A page to stdout, or into a file."""
    from earmark.core.atomic_files import write_atomic

    if out is None:
        click.echo(page, nl=False)
    else:
        write_atomic(out, page.encode())
        click.echo(str(out))


def _part(text: str) -> tuple[int, int]:
    from earmark.core.errors import ConfigError

    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise ConfigError(f"--part {text!r}: must be I/N, for instance 1/2")
    return int(match[1]), int(match[2])


group = lazy_group(
    "distill",
    "Make a small network from the labels of trained ones.",
    (
        Entry("label", "earmark.cli.distill:label", "Label music with trained networks, for a student to learn from."),
        Entry(
            "pack",
            "earmark.cli.distill:pack",
            "Keep labelled sets without their audio, small enough for a repository.",
        ),
        Entry(
            "unpack",
            "earmark.cli.distill:unpack",
            "Make labelled sets of packed ones: the audio is cut and changed as it was when it was labelled.",
        ),
        Entry(
            "teachers",
            "earmark.cli.distill:teachers",
            "Compare the teachers: on known labels, alone and averaged, and with each other, tag by tag.",
        ),
        Entry(
            "train",
            "earmark.cli.distill:train",
            "Train a student on labelled sets: earmark train with options for them.",
        ),
        Entry(
            "compare",
            "earmark.cli.distill:compare",
            "Compare students: agreement with their teachers, known labels, weights and multiplications.",
        ),
        Entry(
            "finish",
            "earmark.cli.distill:finish",
            "Make a model for use from a student: calibrate, export, measure, and write its page.",
        ),
    ),
)

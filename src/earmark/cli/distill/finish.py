"""`earmark distill finish`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.distill.options import Sets
from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
from earmark.cli.options import dataset_option, out_option, protocol_option, root_option


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
    from earmark.distillation.card_text import read_card_text
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

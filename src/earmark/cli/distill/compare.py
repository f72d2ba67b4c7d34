"""`earmark distill teachers` and `earmark distill compare`: pages that compare networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from earmark.cli.commands import Argument
from earmark.cli.distill.options import Page, Sets, write_page
from earmark.cli.optional_dependencies import require_extra


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

    write_page(teacher_page(compare_teachers(LabelledSets.open(folder))), out)


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

    write_page(student_page(compare_students(checkpoints, sets), "earmark distill compare"), out)

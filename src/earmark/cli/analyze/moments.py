"""`earmark analyze moments`: where in a long file which tag is strongest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.analyze.options import Out
from earmark.cli.commands import Argument, Option
from earmark.cli.console import stderr_console
from earmark.cli.options import jobs_option, quiet_option
from earmark.cli.progress import progress_bar

if TYPE_CHECKING:
    from earmark.tagging.progress import TagProgress


def moments(
    file: Annotated[Path, Argument(help="An audio file, of any length.")],
    out: Out,
    model: Annotated[
        str | None,
        Option("--model", "-m", help="A model's name, an .onnx file or a checkpoint folder. Default: the bundled one."),
    ] = None,
    tags: Annotated[int, Option("--tags", help="How many, those with the strongest tenth of the windows.")] = 8,
    stretches: Annotated[int, Option("--stretches", help="Of each tag at most.")] = 3,
    smooth: Annotated[
        float | None,
        Option(
            "--smooth",
            help="Seconds over which window scores are averaged first; 0 for none. Default: a hundredth of the file, at "
            "least 10 (of a short file a twentieth).",
        ),
    ] = None,
    jobs: Annotated[int | None, jobs_option("Threads. Default: one per core.", True, metavar=None)] = None,
    quiet: Annotated[bool, quiet_option("No progress and no notes on stderr.")] = False,
) -> None:
    """Where in a long file each tag is strongest: a taggram with the moments marked, and their times.

    \b
    Examples:
      earmark analyze moments mix.mp3 --out figures
      earmark analyze moments concert.flac --model runs/mine/checkpoint --tags 12 --stretches 5 --out figures

    A moment is where a tag's score is above the midpoint of its median and its highest score. Audio is processed as
    it is decoded: hours of it need no more memory than minutes.
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.cli.optional_dependencies import exit_on_interrupt

    require_figures()
    from earmark.core.clock import clock
    from earmark.core.errors import AudioError
    from earmark.evaluation import load_model
    from earmark.plots.moments import draw_moments, find_moments
    from earmark.tagging.tagger import load_tagger

    tagger = load_tagger() if model is None else load_model(model)
    messages = stderr_console()
    bar = progress_bar(messages, quiet=quiet)

    with exit_on_interrupt("nothing was written"), bar as progress:
        task = progress.add_task("tagging", total=None)

        def on_progress(tagging: TagProgress) -> None:
            text = f"processed {clock(tagging.seconds)}"
            progress.update(task, description=text, completed=tagging.seconds, total=tagging.duration_seconds)

        (scores,) = tagger.tag_many([file], jobs=jobs, on_progress=on_progress)
        if isinstance(scores, AudioError):
            raise scores
        found = find_moments(scores, n_tags=tags, n_moments=stretches, smooth_seconds=smooth)
    for warning in () if quiet else scores.warnings:
        messages.print(f"note: {warning}", markup=False)
    for one in found:
        times = ", ".join(f"{clock(s.start_seconds)}-{clock(s.end_seconds)} ({s.mean:.2f})" for s in one.moments)
        click.echo(f"{one.tag:<20} {one.strength:.2f}  {times or 'even throughout'}")
    write_drawings([draw_moments(scores, found)], out)

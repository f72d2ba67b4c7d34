"""`earmark train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe that comes with earmark (e.g. [bold]first[/bold]), or a YAML file.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run: checkpoint, log, recipe, state.")],
    root: Annotated[
        str | None, typer.Option("--root", help="Where the dataset lies; short for -o data.root=DIR.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("-o", "--override", metavar="KEY=VALUE", help="Change a value of the recipe; may be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that lies in --out.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    keep_audio: Annotated[
        Path | None, typer.Option("--keep-audio", help="Keep decoded audio in this folder for further runs.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Files decoded side by side. Default: one a core.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Train a model by a recipe and keep the best epoch.

    \b
    Examples:
      earmark train first --root ~/emotify --out runs/first
      earmark train first --root ~/emotify --out runs/first --resume
      earmark train my.yaml --root labels.csv --out runs/mine -o training.epochs=20

    The best epoch on the validation clips is kept in OUT/checkpoint, by its skill: 0 knows nothing, 1 is perfect; the
    mean of 2 x ROC-AUC - 1 and of 1 - RMSE / RMSE of the mean. [bold]earmark export OUT/checkpoint --out my.onnx[/bold]
    makes a model of it that tags. A run that was killed goes on with --resume and ends as if it had not been.
    """
    from earmark.cli.extra import require_extra, stopping_kindly

    require_extra("train", "`earmark train`", "torch", "lightning", "yaml")

    from earmark.cli.train_watch import TerminalWatcher
    from earmark.training.config import load_recipe
    from earmark.training.run import train as run_training

    overrides = list(override or ())
    if root is not None:
        overrides.append(f"data.root={_quoted(root)}")
    loaded = load_recipe(recipe, overrides)
    advice = f"go on with --resume: `earmark train {recipe} ... --out {out} --resume`"
    with stopping_kindly(advice), TerminalWatcher(loaded.training.epochs, quiet=quiet) as watcher:
        result = run_training(
            loaded, out, resume=resume, device=device, keep_audio=keep_audio, jobs=jobs, watcher=watcher
        )
        watcher.finished(result)


def _quoted(text: str) -> str:
    """A path as YAML text, whatever characters it has."""
    import json

    return json.dumps(str(Path(text).expanduser()))

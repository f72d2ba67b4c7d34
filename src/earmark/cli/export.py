"""`earmark export`: a checkpoint as one ONNX file that tags."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.options import Force

if TYPE_CHECKING:
    from earmark.core.card import Metric


def export(
    checkpoint: Annotated[
        Path,
        Argument(
            metavar="CHECKPOINT",
            help="Folder with model.safetensors and card.json; with --hub also an .onnx file.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        Option(metavar="FILE.onnx", help="What to write; its card goes beside it as .json.", show_default=False),
    ] = None,
    hub: Annotated[
        Path | None,
        Option(
            "--hub",
            metavar="DIR",
            help="Also, or instead, write a folder as hubs have them: config.json, model.safetensors, model.onnx, README.md.",
            show_default=False,
        ),
    ] = None,
    check_audio: Annotated[
        list[Path] | None,
        Option(
            metavar="PATH",
            help="Audio on which ONNX Runtime must agree with PyTorch; may be given more than once.",
            show_default="made-up noise, sweep, chord, clicks",
        ),
    ] = None,
    weights: Annotated[
        str,
        Option(
            metavar="float32|float16|int8",
            help="How the file keeps them: half or a quarter of the size; computation stays in single precision.",
        ),
    ] = "float32",
    report_file: Annotated[
        Path | None,
        Option(
            "--report",
            metavar="report.json",
            help="What `earmark evaluate` measured for this checkpoint; its metrics go into the card.",
            show_default=False,
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        Option(
            metavar="SCORES.parquet",
            help="Scores of this checkpoint on held-out clips, of `earmark evaluate`: makes scores mean what they say.",
            show_default=False,
        ),
    ] = None,
    rules: Annotated[
        str | None,
        Option(
            metavar="usual|FILE.json",
            help="Tags that exclude or imply each other: by their names, or as `rules` of a card.",
            show_default="those of the card",
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Export a checkpoint to ONNX: waveform in, probabilities out, card inside.

    The file is written only if PyTorch's and ONNX Runtime's probabilities differ by less than 1e-4 (with weights in
    float16 by less than .01, in int8 by less than .1).
    """
    from earmark.core.errors import ConfigError, MissingExtraError

    if out is None and hub is None:
        raise ConfigError("say what to write: --out FILE.onnx, --hub DIR, or both")
    if weights not in ("float32", "float16", "int8"):
        raise ConfigError(f"--weights {weights!r}: must be float32, float16 or int8")

    try:
        import onnx  # noqa: F401
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("earmark export", "train") from error

    import numpy as np

    from earmark.audio import cut, load
    from earmark.core.atomic_files import refuse_existing
    from earmark.core.card import read_rules
    from earmark.export import check_signals, export_onnx
    from earmark.models.checkpoint import WEIGHTS_NAME, load_checkpoint

    if checkpoint.is_file():
        if hub is None or out is not None or any((check_audio, report_file, calibrate, rules)):
            raise ConfigError(f"{checkpoint}: is a file: of an ONNX file nothing but --hub can be made")
        _hub_of_onnx(checkpoint, hub, force=force)
        return
    model, card = load_checkpoint(checkpoint)
    if report_file is not None:
        card = card.replace(metrics=_metrics(report_file))
    if calibrate is not None:
        from earmark.evaluation.platt import calibrated_card
        from earmark.evaluation.scores import read_scores

        card, notes = calibrated_card(card, read_scores(calibrate))
        for note in notes:
            click.echo(f"note: {note}", err=True)
    if rules is not None:
        from earmark.core.default_constraints import default_constraints

        card = card.replace(
            rules=default_constraints(card.vocabulary.names) if rules == "usual" else read_rules(Path(rules))
        )
    if out is not None:
        refuse_existing([out, out.with_suffix(".json")], force=force)
    if check_audio:
        spec = card.input
        windows = np.concatenate(
            [cut(load(path, spec.sample_rate_hz, spec.conditioning), spec) for path in check_audio]
        )
    else:
        windows = check_signals(card.input)
    with tempfile.TemporaryDirectory(prefix="earmark-") as place:
        file = Path(place) / "model.onnx" if out is None else out
        report = export_onnx(model, card, file, windows, weights)  # type: ignore[arg-type]
        if hub is not None:
            from earmark.export.hub import write_hub_folder

            content = (checkpoint / WEIGHTS_NAME).read_bytes()
            write_hub_folder(hub, card, report.path.read_bytes(), content, force=force)
    size = f"{report.size_bytes / 1e6:.1f} MB, {len(card.vocabulary)} tags, card in {report.card_path.name}"
    parity = f"at most {report.max_abs_difference:.1e} from PyTorch on {report.n_windows} windows"
    click.echo(f"{hub if out is None else out}: {size}; {parity}")
    if hub is not None:
        click.echo(f"{hub}: config.json, model.safetensors, model.onnx, README.md")


def _hub_of_onnx(file: Path, hub: Path, *, force: bool) -> None:
    """A folder as hubs have them, without safetensors."""
    from earmark.export.hub import write_hub_folder
    from earmark.tagging.runtime import OnnxModel, read_card

    OnnxModel(file)
    write_hub_folder(hub, read_card(file), file.read_bytes(), force=force)
    click.echo(f"{hub}: config.json, model.onnx, README.md")


def _metrics(report: Path) -> tuple[Metric, ...]:
    """The metrics in a report that `earmark evaluate` wrote. Raises DataError for any other file."""

    from earmark.core.card import Metric
    from earmark.core.errors import DataError
    from earmark.core.json_records import parse_json

    try:
        return tuple(Metric(**entry) for entry in parse_json(report.read_text(encoding="utf-8"))["metrics"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{report}: not a report.json of `earmark evaluate` ({error})") from error

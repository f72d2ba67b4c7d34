"""`earmark import-weights`: published weights of other projects as a checkpoint and an ONNX file that tags."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.optional_dependencies import require_extra
from earmark.cli.options import force_option


def import_weights(
    file: Annotated[
        Path,
        Argument(
            metavar="FILE|OWNER/NAME",
            help="A published file: musicnn or its VGG as Keras HDF5; FCN, CRNN, musicnn or mn04 as PyTorch state dict; "
            "Essentia's classifiers on musicnn as frozen TensorFlow graph (.pb) or as the folder of a TensorFlow.js model; a folder of earmark export --hub; with --hub a model there.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, Option(metavar="DIR", help="Folder for checkpoint, ONNX file and cards, of one model.")],
    hub: Annotated[
        str | None,
        Option(
            "--hub", metavar="URL", envvar="HF_ENDPOINT", help="Fetch OWNER/NAME from this hub.", show_default=False
        ),
    ] = None,
    revision: Annotated[str, Option("--revision", help="With --hub: branch, tag or commit.")] = "main",
    force: Annotated[bool, force_option("Replace a model that is there.")] = False,
) -> None:
    """Import published weights, recognised by the file's content.

    Writes model.safetensors and card.json, and NAME.onnx for `earmark tag --model`. A file that is none of the
    published ones, is damaged, or would run code is refused.
    """
    require_extra("train", "earmark import-weights", "h5py", "onnx", "onnxscript", "safetensors", "torch")

    from earmark.importers.convert import convert_weights

    source = file
    with tempfile.TemporaryDirectory(prefix="earmark-") as place:
        if hub is not None and not file.exists():
            from earmark.hub.download import hub_token, pull_hub_model

            source = pull_hub_model(hub, file.as_posix(), place, revision=revision, token=hub_token())
        card, report = convert_weights(source, out, force=force)
    click.echo(f"{card.name}: {card.description} {len(card.vocabulary)} tags; licence {card.licence}")
    click.echo(f"{out}: checkpoint; PyTorch and ONNX Runtime differ by at most {report.max_abs_difference:.1e}")
    click.echo(f"earmark tag --model {report.path} PATH...")

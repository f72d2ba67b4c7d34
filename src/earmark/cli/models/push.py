"""`earmark models push`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.options import hub_option


def push(
    folder: Annotated[
        Path, Argument(metavar="DIR", help="A folder that `earmark export --hub` wrote.", show_default=False)
    ],
    repository: Annotated[str, Argument(metavar="OWNER/NAME", help="Where it goes.", show_default=False)],
    hub: Annotated[str | None, hub_option("The hub.")] = None,
    revision: Annotated[str, Option("--revision", help="Branch; made where missing.")] = "main",
    private: Annotated[bool, Option("--private", help="Make a new repository private.")] = False,
    message: Annotated[
        str | None, Option("--message", "-m", help="Of the commit.", show_default="the model's name")
    ] = None,
) -> None:
    """Send a model to a hub: README with model-index, config, ONNX file and weights, as one commit.

    The files are verified first. The token is taken from HF_TOKEN, or from where the hub's own login keeps it. Needs the
    hub extra.

    \b
    Examples:
      earmark export runs/mine/checkpoint --hub mine
      earmark models push mine someone/mine
      earmark models push mine someone/mine --private --revision trial

    Exit code: 0 sent, 1 the hub cannot be reached or refuses, 2 wrong usage.
    """
    from earmark.cli.optional_dependencies import require_extra

    require_extra("hub", "earmark models push", "huggingface_hub")

    from earmark.hub.upload import push_hub_folder

    click.echo(push_hub_folder(folder, repository, endpoint=hub, revision=revision, private=private, message=message))

"""`earmark models pull`."""

from __future__ import annotations

from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import stderr_console
from earmark.cli.options import hub_option
from earmark.cli.progress import download_bar

TRAIN_MODULES = ("h5py", "onnx", "onnxscript", "safetensors", "torch")
"""What `pull` needs of the train extra."""


def pull(
    name: Annotated[
        str | None,
        Argument(
            metavar="NAME|OWNER/NAME",
            help="A published one, or one in a hub; without it the published ones are listed.",
            show_default=False,
        ),
    ] = None,
    again: Annotated[bool, Option("--again", help="Download and import it even if it exists.")] = False,
    mirror: Annotated[
        str | None,
        Option(
            envvar="EARMARK_MIRROR",
            metavar="ADDRESS",
            help="Fetch from this folder (http or https) and nowhere else; the file is looked up by its name there.",
            show_default=False,
        ),
    ] = None,
    hub: Annotated[str | None, hub_option("Of OWNER/NAME.")] = None,
    revision: Annotated[str, Option("--revision", help="Of OWNER/NAME: branch, tag or commit.")] = "main",
    rename: Annotated[
        str | None,
        Option("--name", metavar="NAME", help="Of OWNER/NAME: what it is called here.", show_default="its own"),
    ] = None,
    timeout: Annotated[float, Option(metavar="SECONDS", min=0.1, help="Longest silence of the server.")] = 30.0,
) -> None:
    """Fetch a published model and make it ready for `earmark tag --model NAME`.

    The file comes from its own project's public address, or a copy, must have the known SHA-256, and becomes
    an ONNX file with its card, licence and citations in it. A broken download continues where it stopped when the
    command is given again. Importing needs the train extra; tagging then does not.

    Models are kept in the user's data folder, or in the folder that EARMARK_MODELS names. Behind a firewall,
    put the files on a server of your own and name its folder with --mirror or EARMARK_MIRROR. Proxies are
    taken from https_proxy and http_proxy.

    OWNER/NAME is a model that was sent to a hub (earmark models push): its ONNX file is fetched and verified, which needs no
    extra. Private models need a token, from HF_TOKEN or, with the hub extra, the hub's own login.

    \b
    Examples:
      earmark models pull musicnn-mtt
      earmark tag --model musicnn-mtt song.mp3
      earmark models pull someone/mine --revision v1

    Exit code: 0 done, 1 it could not be fetched, 2 wrong usage.
    """
    from earmark.core.published_weights import find_published

    if name is None:
        from earmark.cli.models.list import print_models, published_records

        print_models(published_records())
        return
    if "/" in name:
        _pull_from_hub(name, hub, revision, rename, again=again)
        return
    published = find_published(name)

    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
    from earmark.importers.pull import pull_model
    from earmark.tagging.runtime import user_models_folder

    folder = user_models_folder()
    there = folder / f"{name}.onnx"
    if there.is_file() and not again:
        click.echo(f"{there}: exists already; --again fetches it once more")
        return
    require_extra("train", "earmark models pull", *TRAIN_MODULES)
    with exit_on_interrupt("the same command continues the download"), download_bar(stderr_console()) as bar:
        task = bar.add_task(published.file_name, total=None)
        card, report = pull_model(
            name,
            folder,
            mirror=mirror,
            timeout_seconds=timeout,
            on_progress=lambda have, total: bar.update(task, completed=have, total=total),
        )
    click.echo(f"{card.name}: {card.description} {len(card.vocabulary)} tags; licence {card.licence}")
    click.echo(f"{report.path}: PyTorch and ONNX Runtime differ by at most {report.max_abs_difference:.1e}")
    click.echo(f"earmark tag --model {card.name} PATH...")


def _pull_from_hub(repository: str, hub: str | None, revision: str, name: str | None, *, again: bool) -> None:
    """A model that lies in a hub."""
    from earmark.cli.optional_dependencies import exit_on_interrupt
    from earmark.hub.download import default_endpoint, hub_token, pull_hub_tagger
    from earmark.tagging.runtime import user_models_folder

    with exit_on_interrupt("the same command continues the download"), download_bar(stderr_console()) as bar:
        task = bar.add_task(repository, total=None)
        card, path = pull_hub_tagger(
            hub or default_endpoint(),
            repository,
            user_models_folder(),
            name=name,
            revision=revision,
            token=hub_token(),
            replace=again,
            on_progress=lambda have, total: bar.update(task, completed=have, total=total),
        )
    click.echo(f"{path}: {card.description} {len(card.vocabulary)} tags; licence {card.licence}")
    click.echo(f"earmark tag --model {path.stem} PATH...")

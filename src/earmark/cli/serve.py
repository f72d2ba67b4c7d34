"""`earmark serve`: tags over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import click

from earmark.cli.commands import Option

_LIMITS = "Limits"
_STOPPING = "Stopping"
SERVE_MODULES = ("fastapi", "prometheus_client", "python_multipart", "uvicorn")
"""What it needs of the serve extra."""


def serve(
    ctx: click.Context,
    host: Annotated[
        str,
        Option(envvar="EARMARK_SERVE_HOST", help="Address to listen on; 0.0.0.0 for all: then set a key."),
    ] = "127.0.0.1",
    port: Annotated[int, Option(envvar="EARMARK_SERVE_PORT", help="Port; 0 for any free one.")] = 8000,
    model: Annotated[
        list[str] | None,
        Option(
            envvar="EARMARK_SERVE_MODEL",
            metavar="NAME|FILE",
            help="A model to serve; again for more. The first is the default. In the environment: separated by blanks.",
            show_default="the bundled one",
        ),
    ] = None,
    device: Annotated[
        str,
        Option(
            envvar="EARMARK_SERVE_DEVICE",
            help="Of the network: cpu, cuda, directml or coreml; see docs/gpu.md.",
        ),
    ] = "cpu",
    api_key: Annotated[
        str | None,
        Option(
            envvar="EARMARK_SERVE_API_KEY",
            help="Ask for this key (Authorization: Bearer KEY). Better set in the environment: other users of the "
            "machine can see flags.",
            show_default="none",
        ),
    ] = None,
    max_megabytes: Annotated[
        float, Option(envvar="EARMARK_SERVE_MAX_MEGABYTES", help="Size of a request.", panel=_LIMITS)
    ] = 200.0,
    max_files: Annotated[int, Option(envvar="EARMARK_SERVE_MAX_FILES", help="Files in a request.", panel=_LIMITS)] = 20,
    max_minutes: Annotated[
        float,
        Option(envvar="EARMARK_SERVE_MAX_MINUTES", help="Length of a file's audio.", panel=_LIMITS),
    ] = 120.0,
    timeout_seconds: Annotated[
        float,
        Option(
            envvar="EARMARK_SERVE_TIMEOUT_SECONDS",
            help="Time for a request's upload, and again for its tagging.",
            panel=_LIMITS,
        ),
    ] = 300.0,
    max_in_flight: Annotated[
        int,
        Option(envvar="EARMARK_SERVE_MAX_IN_FLIGHT", help="Requests at the same time.", panel=_LIMITS),
    ] = 64,
    workers: Annotated[
        int | None,
        Option(
            envvar="EARMARK_SERVE_WORKERS",
            help="Files tagged at the same time.",
            show_default="one per core",
            panel=_LIMITS,
        ),
    ] = None,
    temporary_folder: Annotated[
        Path | None,
        Option(
            envvar="EARMARK_SERVE_TEMPORARY_FOLDER",
            metavar="DIR",
            help="Folder of uploads while they are tagged; on a disk, with max-in-flight times max-megabytes to spare.",
            show_default="the system's",
        ),
    ] = None,
    log_file_names: Annotated[
        bool, Option("--log-file-names", envvar="EARMARK_SERVE_LOG_FILE_NAMES", help="Also log names of files.")
    ] = False,
    drain_seconds: Annotated[
        float,
        Option(
            envvar="EARMARK_SERVE_DRAIN_SECONDS",
            help="After SIGTERM, continue answering for at least this long, so that a balancer sees /readyz say no.",
            panel=_STOPPING,
        ),
    ] = 0.0,
    stop_seconds: Annotated[
        float,
        Option(
            envvar="EARMARK_SERVE_STOP_SECONDS",
            help="After SIGTERM, the time that running requests have to finish.",
            panel=_STOPPING,
        ),
    ] = 60.0,
    show_settings: Annotated[
        bool, Option("--show-settings", help="Print every setting, and where it comes from; serve nothing.")
    ] = False,
) -> None:
    """Serve tags over HTTP, and the page that tags in the browser.

    Every option can be set by an environment variable, too; a flag wins. The log goes to stderr, one JSON object a
    line. SIGTERM and Ctrl-C finish what runs; a second one ends at once.

    Examples

      earmark serve

      curl -F files=@song.mp3 'http://127.0.0.1:8000/v1/tag?top=5'

      EARMARK_SERVE_API_KEY=... earmark serve --host 0.0.0.0 --max-files 5

    Exit code: 0 stopped by SIGTERM, 1 the address cannot be listened on, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    from earmark.cli.optional_dependencies import require_extra
    from earmark.service.settings import Settings

    settings = Settings(
        host=host,
        port=port,
        models=tuple(model or ()),
        device=device,
        api_key=api_key,
        max_megabytes=max_megabytes,
        max_files=max_files,
        max_minutes=max_minutes,
        timeout_seconds=timeout_seconds,
        max_in_flight=max_in_flight,
        workers=workers,
        temporary_folder=temporary_folder,
        log_file_names=log_file_names,
        drain_seconds=drain_seconds,
        stop_seconds=stop_seconds,
    )
    if show_settings:
        _show(ctx, settings)
        return
    require_extra("serve", "earmark serve", *SERVE_MODULES)
    from earmark.core.heaps import share_heaps
    from earmark.service.logs import log_to_stderr
    from earmark.service.server import serve as run

    share_heaps()
    log_to_stderr()
    code = run(settings)
    if code:
        raise click.exceptions.Exit(code)


def _show(ctx: click.Context, settings: Any) -> None:
    """A table on stdout; never the key itself."""
    from earmark.cli.console import print_table

    rows = []
    for parameter in ctx.command.params:
        name, variable = parameter.name or "", getattr(parameter, "envvar", None)
        if not variable:
            continue
        source = ctx.get_parameter_source(name)
        origin = {"COMMANDLINE": "flag", "ENVIRONMENT": "environment"}.get(source.name if source else "", "default")
        rows.append((max(parameter.opts, key=len), str(variable), _value(name, settings), origin))
    print_table(("flag", "environment", "value", "from"), rows)


def _value(name: str, settings: Any) -> str:
    if name == "model":
        return " ".join(settings.models) or "the bundled one"
    if name == "workers":
        return str(settings.n_workers)
    value = getattr(settings, name)
    if name == "api_key":
        return "none" if value is None else "set (not shown)"
    if name == "temporary_folder" and value is None:
        import tempfile

        return tempfile.gettempdir()
    return (
        {True: "yes", False: "no"}[value]
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )

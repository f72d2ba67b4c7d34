"""`earmark library stats`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from earmark.cli.commands import Option
from earmark.cli.options import Format, IndexFile, TextFormat

if TYPE_CHECKING:
    from rich.console import Console

    from earmark.library.stats import Stats

_BAR_COLUMNS = 30


def stats(
    index: IndexFile = None,
    output_format: Format = TextFormat.text,
    plot: Annotated[
        Path | None,
        Option(metavar="FILE.png", help="Also draw it. Needs the plot extra.", show_default=False),
    ] = None,
) -> None:
    """Show what the library holds: tags by category, durations, tempi, keys, typical tracks, files that failed.

    A tag counts for a track where its score reaches the threshold in the model's card (0.5 for a tag that has
    none there). The typical track of a tag is the one with its highest score. Degrees, such as energy, which are
    no tags that hold or not, come with their mean and the tracks in the lowest, middle and highest third.

    Examples

      earmark library stats

      earmark library stats --plot library.png

      earmark library stats --format json | jq '.tags[0]'

    Exit code: 0 done, 1 the index cannot be read, 2 wrong usage.
    """
    from earmark.cli.console import exit_on_broken_pipe, print_json
    from earmark.cli.library.output import messages
    from earmark.cli.optional_dependencies import require_extra
    from earmark.cli.text import printable
    from earmark.library.index.track_index import Index
    from earmark.library.stats import library_stats

    if plot is not None:
        require_extra("plot", "--plot", "matplotlib")
    with Index.open(index) as opened:
        found = library_stats(opened)
    with exit_on_broken_pipe():
        if output_format is TextFormat.json:
            print_json(found.to_record())
        else:
            _print(found)
    if plot is not None:
        from earmark.library.stats_picture import draw_stats

        messages().print(f"earmark: {printable(draw_stats(found, plot))}")


def _print(found: Stats) -> None:
    from rich.markup import escape

    from earmark.cli.console import stdout_console
    from earmark.cli.text import counted, printable
    from earmark.core.clock import total_time
    from earmark.library.stats import bar, duration_name, tempo_name

    out = stdout_console()
    n = found.n_tracks
    out.print(f"[bold]{escape(printable(Path(found.index)))}[/bold], model {escape(found.model)}")
    copies = f", {found.n_copies} of them copies" if found.n_copies else ""
    waiting = f"; {found.n_waiting} files wait for this model" if found.n_waiting else ""
    out.print(f"{counted(n, 'track')}, {total_time(found.total_seconds)}{copies}{waiting}")
    if not n:
        out.print("no tracks are tagged yet; do it with: earmark library scan FOLDER")
    names = max(
        (len(name) for name in [*(tag.tag for tag in found.tags), *(one.tag for one in found.degrees)]), default=0
    )
    category = None
    most = max((count.n_tracks for count in found.tags), default=0)
    for count in found.tags if n else ():
        if count.category != category:
            category = count.category
            out.print(f"\n[bold]{escape(category)}[/bold]")
        drawn = bar(count.n_tracks, most, _BAR_COLUMNS)
        line = f"  {escape(count.tag):<{names}}  {count.n_tracks:>6}  {count.n_tracks / n:>4.0%}{f'  [cyan]{drawn}[/cyan]' if drawn else ''}"
        if count.typical is not None:
            line += f"  [dim]{escape(printable(Path(Path(count.typical[0]).name)))} {count.typical[1]:.2f}[/dim]"
        out.print(line)
    if n and found.degrees:
        out.print("\n[bold]degrees[/bold]")
        for degree in found.degrees:
            mean = "-" if degree.mean is None else f"{degree.mean:.0%}"
            thirds = f"low {degree.n_low}, middle {degree.n_middle}, high {degree.n_high}"
            out.print(f"  {escape(degree.tag):<{names}}  mean {mean:>4}  {thirds}")
    if n:
        out.print("\n[bold]duration[/bold]")
        longest = max(each.n_tracks for each in found.durations)
        for each in found.durations:
            drawn = bar(each.n_tracks, longest, _BAR_COLUMNS)
            out.print(
                f"  {duration_name(each):<{names}}  {each.n_tracks:>6}  {each.n_tracks / n:>4.0%}{f'  [cyan]{drawn}[/cyan]' if drawn else ''}"
            )
    tempos = [(tempo_name(each), each.n_tracks) for each in found.tempos]
    keys = [(f"{each.camelot:<3} {each.key}", each.n_tracks) for each in found.keys]
    _print_counts(out, "tempo (BPM)", tempos, ("no clear beat", found.n_no_beat), n, names)
    _print_counts(out, "key", keys, ("no clear key", found.n_no_key), n, names)
    if n and found.n_unmeasured:
        out.print(f"\n{found.n_unmeasured} tracks without tempo or key yet: earmark library scan --complete")
    if found.n_files["missing"]:
        out.print(f"\n{found.n_files['missing']} files are missing since an earlier scan")
    if found.n_files["error"]:
        out.print(f"\n[bold]failed[/bold]  {found.n_files['error']} files")
        for reason, count_failed in found.reasons[:10]:
            out.print(f"  {count_failed:>6}  {escape(reason)}")
        for path, _ in found.failures[:10]:
            out.print(f"          [dim]{escape(printable(Path(path)))}[/dim]")
        if found.n_files["error"] > min(10, len(found.failures)):
            out.print("          [dim]all of them: earmark library info --failed[/dim]")


def _print_counts(
    out: Console, title: str, counts: list[tuple[str, int]], without: tuple[str, int], n: int, names: int
) -> None:
    """A histogram without its empty classes, and at its end how many tracks are in none; nothing where all are 0."""
    from rich.markup import escape

    from earmark.library.stats import bar

    rows = [(name, count) for name, count in (*counts, without) if count]
    most = max((count for _, count in counts), default=0)
    if rows:
        out.print(f"\n[bold]{title}[/bold]")
    for name, count in rows:
        drawn = "" if (name, count) == without else f"  [cyan]{bar(count, most, _BAR_COLUMNS)}[/cyan]"
        out.print(f"  {escape(name):<{names}}  {count:>6}  {count / n:>4.0%}{drawn}")

"""All sources, one after the other, and the tables about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from earmark.core.atomic_files import write_together
from earmark.core.errors import ConfigError, DataError
from earmark.datasets.labelled_set.songs import songs_csv
from tools.default_model.music.kept_apart import ComposerTitles
from tools.default_model.music.listing import list_source, read_listing
from tools.default_model.music.sources import Source
from tools.default_model.music.tracks import build_tracks, songs, summary, tracks_csv


def fetch_music(
    sources: Sequence[Source],
    out: Path,
    composer_table: Path,
    *,
    mirror: Path | None = None,
    only: Sequence[str] = (),
    report: Callable[[str], None] = lambda _: None,
) -> str:
    """Download the music, and write the tables about it to ``out``.

    tracks.csv and songs.csv have the music to train on and its splits (songs.csv as ``earmark distill label`` reads it),
    measure_only.csv and no_music.csv the rest, summary.md hours and what was left out. A source that fails is reported,
    and the others go on.

    Args:
        sources: the table of sources.
        out: folder for audio, packages, listings and tables.
        composer_table: macleod.csv.
        mirror: folder with bare repositories OWNER+NAME/repo; others are cloned.
        only: names of the sources to download; the tables have all that are there.
        report: gets one line per source.

    Returns:
        The summary.

    Raises:
        ConfigError: an unknown name in ``only``.
        DataError: sources that failed, after all others are done and the tables are written.
    """
    names = [source.name for source in sources]
    if unknown := [name for name in only if name not in names]:
        raise ConfigError(f"--only {', '.join(unknown)}: unknown; known are {', '.join(names)}")
    if not composer_table.is_file():
        raise ConfigError(f"{composer_table}: not there; without it, music that is kept apart cannot be recognised")
    titles = ComposerTitles(composer_table)
    failed: list[str] = []
    for source in sources:
        if only and source.name not in only:
            continue
        try:
            listing = list_source(source, out, titles, mirror)
        except DataError as error:
            failed.append(str(error))
            report(f"{source.name}: {error}")
            continue
        hours = sum(file.duration_s for file in listing.files) / 3600
        report(f"{source.name}: {len(listing.files)} files, {hours:.2f} h, {sum(listing.left_out.values())} left out")
    listings = [(source, read_listing(out / "listings" / f"{source.name}.json", source)) for source in sources]
    tracks, left_out = build_tracks([(source, listing) for source, listing in listings if listing is not None])
    text = summary(tracks, left_out, {source.name: source.licence for source in sources})
    music = [track for track in tracks if track.content == "music"]
    training = [track for track in music if track.use == "train"]
    write_together(
        {
            out / "tracks.csv": tracks_csv(training),
            out / "measure_only.csv": tracks_csv(track for track in music if track.use != "train"),
            out / "no_music.csv": tracks_csv(track for track in tracks if track.content != "music"),
            out / "songs.csv": songs_csv(songs(training, out)).encode(),
            out / "summary.md": text.encode(),
        }
    )
    if failed:
        raise DataError(f"{len(failed)} of {len(only or sources)} sources failed:\n" + "\n".join(failed))
    return text

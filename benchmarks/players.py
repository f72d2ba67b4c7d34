"""What players read of the genres and moods that `earmark library write` puts into files: tried with their own scanners.

    python benchmarks/players.py --out docs/results/players.md

Makes one album per format from the clips in examples/, writes genres and moods into it by the commands that a user types,
lets every program that is installed here scan or read it, and compares. On Debian:

    apt-get install mpd minidlna supysonic quodlibet exfalso ffmpeg

pytaglib (TagLib, with which Navidrome reads), mutagen and mediafile (beets) are among earmark's development dependencies.
Servers listen on sockets in a temporary folder, or not at all. Exits with 1 where a program reads no genre at all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
CLIP = ROOT / "examples" / "clips" / "03-rock.mp3"
FORMATS = {
    "FLAC": ".flac",
    "MP3": ".mp3",
    "M4A": ".m4a",
    "Ogg Vorbis": ".ogg",
    "Opus": ".opus",
    "WMA": ".wma",
    "AIFF": ".aiff",
}
"""Format -> ending, by which FFmpeg chooses the encoder."""

Fields = dict[str, list[str]]
"""genre and mood, each with its values as the program gives them."""

Reader = Callable[[dict[str, Path], Path], dict[str, Fields]]
"""(files by format, an empty folder) -> fields by format."""


@dataclass(frozen=True)
class Player:
    """A program and how it is asked.

    Attributes:
        read: the reader.
        program: what must be installed.
        mood: whether it has a field for moods.
    """

    read: Reader
    program: str
    mood: bool


PLAYERS: dict[str, Player] = {}


def player(name: str, program: str, *, mood: bool) -> Callable[[Reader], Reader]:
    """Register a reader."""

    def register(read: Reader) -> Reader:
        PLAYERS[name] = Player(read, program, mood)
        return read

    return register


def output(*command: str | Path, **more: object) -> str:
    """stdout of a command that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


@player("MPD", "mpd", mood=True)
def mpd(files: dict[str, Path], folder: Path) -> dict[str, Fields]:
    """Its own database, asked over its protocol on a socket in the folder."""
    place = folder / "socket"
    (folder / "playlists").mkdir()
    configuration = {
        "music_directory": next(iter(files.values())).parent,
        "playlist_directory": folder / "playlists",
        "db_file": folder / "database",
        "state_file": folder / "state",
        "log_file": folder / "log",
        "bind_to_address": place,
    }
    lines = [f'{name} "{value}"' for name, value in configuration.items()]
    lines += ["audio_output {", 'type "null"', 'name "none"', "}", 'auto_update "no"', 'zeroconf_enabled "no"']
    (folder / "conf").write_text("\n".join(lines))
    process = subprocess.Popen(["mpd", "--no-daemon", str(folder / "conf")], stderr=subprocess.DEVNULL)
    try:
        wait(place.exists)
        with socket.socket(socket.AF_UNIX) as link, closing(link.makefile("rw", encoding="utf-8")) as stream:
            link.connect(str(place))
            stream.readline()

            def ask(command: str) -> list[tuple[str, str]]:
                stream.write(f"{command}\n")
                stream.flush()
                answer = iter(stream.readline, "OK\n")
                return [(key, value) for key, _, value in (line.rstrip("\n").partition(": ") for line in answer)]

            ask("update")
            wait(lambda: "updating_db" not in dict(ask("status")))
            found: dict[str, Fields] = {}
            name = ""
            for key, value in ask("listallinfo"):
                if key == "file":
                    name = value
                elif key.lower() in ("genre", "mood"):
                    found.setdefault(name, {}).setdefault(key.lower(), []).append(value)
    finally:
        process.terminate()
        process.wait()
    return {format_name: found.get(path.name, {}) for format_name, path in files.items()}


@player("ReadyMedia (DLNA)", "minidlnad", mood=False)
def minidlna(files: dict[str, Path], folder: Path) -> dict[str, Fields]:
    """Its database after one scan."""
    music = next(iter(files.values())).parent
    (folder / "conf").write_text(
        f"media_dir=A,{music}\ndb_dir={folder}\nlog_dir={folder}\nnetwork_interface=lo\nport={free_port()}\ninotify=no\n"
        "user=root\n"
    )
    command = ["minidlnad", "-f", folder / "conf", "-P", folder / "pid", "-S", "-R"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = folder / "minidlna.log"
    try:
        wait(lambda: log.exists() and "finished" in log.read_text())
    finally:
        process.terminate()
        process.wait()
    with closing(sqlite3.connect(folder / "files.db")) as connection:
        genres = dict(connection.execute("SELECT PATH, GENRE FROM DETAILS WHERE PATH IS NOT NULL").fetchall())
    return {name: {"genre": [genres[str(path)]] if genres.get(str(path)) else []} for name, path in files.items()}


@player("Supysonic (Subsonic API)", "supysonic-cli", mood=False)
def supysonic(files: dict[str, Path], folder: Path) -> dict[str, Fields]:
    """Its database after one scan."""
    (folder / "conf").write_text(
        f"[base]\ndatabase_uri = sqlite:///{folder}/files.db\n[webapp]\ncache_dir = {folder}\n"
        f"[daemon]\nsocket = {folder}/socket\n"
    )
    env = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    (folder / ".supysonic").write_text((folder / "conf").read_text())
    music = next(iter(files.values())).parent
    output("supysonic-cli", "folder", "add", "music", music, env=env)
    output("supysonic-cli", "folder", "scan", "--foreground", env=env)
    with closing(sqlite3.connect(folder / "files.db")) as connection:
        genres = dict(connection.execute("SELECT path, genre FROM track").fetchall())
    return {name: {"genre": [genres[str(path)]] if genres.get(str(path)) else []} for name, path in files.items()}


@player("Quod Libet", "operon", mood=True)
def quod_libet(files: dict[str, Path], folder: Path) -> dict[str, Fields]:
    """Its command line."""
    found = {}
    for name, path in files.items():
        lines = output(
            "operon", "list", "--terse", "--columns", "tag,value", path, env={**os.environ, "HOME": str(folder)}
        )
        pairs = [line.partition(":")[::2] for line in lines.splitlines()]
        found[name] = {field: [value for tag, value in pairs if tag == field] for field in ("genre", "mood")}
    return found


@player("FFmpeg", "ffprobe", mood=True)
def ffprobe(files: dict[str, Path], _: Path) -> dict[str, Fields]:
    """Tags of the file and of its stream."""
    found = {}
    for name, path in files.items():
        said = json.loads(output("ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", path))
        tags = [*said["format"].get("tags", {}).items(), *said["streams"][0].get("tags", {}).items()]
        values = {key.lower(): value for key, value in tags}
        found[name] = {
            "genre": joined(values.get("genre") or values.get("wm/genre")),
            "mood": joined(values.get("mood") or values.get("tmoo") or values.get("wm/mood")),
        }
    return found


@player("TagLib", "taglib", mood=True)
def taglib(files: dict[str, Path], _: Path) -> dict[str, Fields]:
    """Its properties, by their common names."""
    import taglib as library

    found = {}
    for name, path in files.items():
        with library.File(str(path)) as file:
            found[name] = {field: list(file.tags.get(field.upper(), [])) for field in ("genre", "mood")}
    return found


@player("mediafile (beets)", "mediafile", mood=True)
def mediafile(files: dict[str, Path], _: Path) -> dict[str, Fields]:
    """beets' library of tags."""
    import mediafile as library

    from beetsplug.earmark.mood_field import mood_field

    library.MediaFile.add_field("mood", mood_field(id3v23=False))
    read = {name: library.MediaFile(path) for name, path in files.items()}
    return {name: {"genre": file.genres or [], "mood": file.mood or []} for name, file in read.items()}


def joined(text: str | None) -> list[str]:
    """The parts of a text that joins values, as FFmpeg does."""
    return [part.strip() for part in (text or "").split(";") if part.strip()]


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(until: Callable[[], bool], seconds: float = 120) -> None:
    """Until something is so, or long enough."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(f"still not so after {seconds:g} s")
        time.sleep(0.1)


def earmark(*words: object, **more: object) -> str:
    """A command of earmark."""
    return output(sys.executable, "-m", "earmark", *map(str, words), **more)


def written(folder: Path) -> tuple[dict[str, Path], Fields]:
    """The files by format, with tags in them; and what was written into each."""
    music = folder / "music"
    music.mkdir()
    files = {name: music / f"song{ending}" for name, ending in FORMATS.items()}
    for path in files.values():
        output("ffmpeg", "-v", "error", "-i", CLIP, "-t", "15", "-map_metadata", "-1", "-metadata", "title=Song", path)
    env = {**os.environ, "EARMARK_INDEX": str(folder / "index.sqlite")}
    earmark("library", "scan", music, env=env)
    earmark("library", "write", "--apply", "--threshold", "0.5", env=env)
    from earmark.library.tagfiles.write import read_state

    states = {name: read_state(path).values for name, path in files.items()}
    expected = {field: list(states["FLAC"][field]) for field in ("genre", "mood")}
    if not all(len(values) > 1 for values in expected.values()):
        raise SystemExit(f"the clip gives too little to try with: {expected}")
    return files, expected


def is_installed(program: str) -> bool:
    """Whether a program, or a module, is there."""
    import importlib.util

    return shutil.which(program) is not None or importlib.util.find_spec(program) is not None


def verdict(got: list[str], wanted: list[str]) -> str:
    """What became of the values, in a word."""
    known = [value.casefold() for value in wanted]
    if not got:
        return "none"
    if [value.casefold() for value in got] == known:
        return "all"
    if sorted(value.casefold() for value in got) == sorted(known):
        return "all, in another order"
    if len(got) == 1 and got[0].casefold() in known:
        return "first" if got[0].casefold() == known[0] else "last" if got[0].casefold() == known[-1] else "one"
    return ", ".join(f"`{value}`" for value in got)


def rows(found: dict[str, dict[str, Fields]], expected: Fields) -> Iterator[str]:
    """The lines of the table."""
    yield f"| | field | {' | '.join(FORMATS)} |"
    yield f"|---|---|{'---|' * len(FORMATS)}"
    for name, by_format in found.items():
        for field in ("genre", "mood") if PLAYERS[name].mood else ("genre",):
            cells = [verdict(by_format[format_name].get(field, []), expected[field]) for format_name in FORMATS]
            yield f"| {name if field == 'genre' else ''} | {field} | {' | '.join(cells)} |"


def version(program: str) -> str:
    """A Debian package's or a Python distribution's version."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as of_distribution

    package = {"minidlnad": "minidlna", "supysonic-cli": "supysonic", "operon": "quodlibet", "ffprobe": "ffmpeg"}
    distribution = {"taglib": "pytaglib"}
    try:
        return of_distribution(distribution.get(program, program))
    except PackageNotFoundError:
        query = ("dpkg-query", "-W", "-f", "${source:Upstream-Version}", package.get(program, program))
        done = subprocess.run(query, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""


def page(found: dict[str, dict[str, Fields]], expected: Fields) -> str:
    """The page of results."""
    values = "; ".join(f"{field} {', '.join(values)}" for field, values in expected.items())
    programs = ", ".join(f"{name} {version(PLAYERS[name].program)}".strip() for name in found)
    lines = [
        "# What players read",
        "",
        f"`python benchmarks/players.py`, {platform.system()}: {programs}.",
        "",
        f"Files with the values {values}, written by `earmark library write --apply`. What each program has after its own",
        "scan: all of the values, only the first or the last, or none. What follows from it: [players.md](../players.md).",
        "",
        *rows(found, expected),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a Markdown page; without it, it is printed")
    parser.add_argument("--only", nargs="+", choices=PLAYERS, help="some of the programs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="earmark-players-") as name:
        folder = Path(name)
        files, expected = written(folder)
        found: dict[str, dict[str, Fields]] = {}
        for title in options.only or PLAYERS:
            if not is_installed(PLAYERS[title].program):
                print(f"{title}: {PLAYERS[title].program} is not installed here", file=sys.stderr)
                continue
            own = folder / PLAYERS[title].program
            own.mkdir()
            found[title] = PLAYERS[title].read(files, own)
    text = page(found, expected)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    unread = [
        name for name, by_format in found.items() if not any(fields.get("genre") for fields in by_format.values())
    ]
    if unread:
        print(f"no genre at all was read by {', '.join(unread)}", file=sys.stderr)
    return 1 if unread else 0


if __name__ == "__main__":
    sys.exit(main())

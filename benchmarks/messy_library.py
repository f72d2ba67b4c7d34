"""earmark on a library as people have them: everything is run by the command line, and each promise is checked.

    python benchmarks/messy_library.py --out docs/results/messy_library.md

Makes a folder of short songs in 18 formats, with tags as several programs write them, odd names, links that go in circles or
out of the folder, and damaged files. Scans it (killed in the middle, and again), writes (dry, killed, and again), lets other
programs change files, undoes, renames and watches. After each step all files are read without earmark's code and compared: audio
packets, tags of others, ours, everything outside. A line per check; exits with 1 if any failed.
Needs earmark[library]. Some minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import av
import mutagen
from machine import cpu_name
from messy.checks import Checks
from messy.library import make
from messy.steps import Trial

from earmark.core.cpu import available_cores
from earmark.core.version import __version__


def report(checks: Checks, notes: list[str], n_songs: int, n_damaged: int) -> str:
    """The page of results."""
    rows = "\n".join(f"| {one.step} | {one.what} | {one.outcome} |" for one in checks.done)
    n_passed = sum(not one.faults for one in checks.done)
    command = " ".join(["python benchmarks/messy_library.py", *sys.argv[1:]])
    return f"""# A messy library

`{command}`, earmark {__version__}: {cpu_name()}, {available_cores()} cores, {platform.system()}, Python
{platform.python_version()}, PyAV {av.__version__}, mutagen {mutagen.version_string}.

{n_songs} songs and {n_damaged} damaged files and links, in formats, with names and tags as `benchmarks/messy/` makes them. Contents are
read by PyAV and mutagen, and byte by byte in MP3, FLAC, WAV, AIFF and files with APEv2 tags; "tags of others" is all that is not genre, mood or earmark's own.

**{n_passed} of {len(checks.done)} checks passed.** {" ".join(notes)}

| step | check | |
|---|---|---|
{rows}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--files", type=int, default=200, help="files, damaged ones and links among them (default: 200)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of what is made and where commands are killed (default: 0)"
    )
    parser.add_argument("--folder", type=Path, help="where to make everything (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="do not delete the folder afterwards")
    parser.add_argument("--out", type=Path, help="also write the page of results")
    options = parser.parse_args()
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
    place = tempfile.mkdtemp if options.keep else tempfile.TemporaryDirectory
    made = place(prefix="messy-", dir=options.folder)
    checks = Checks()
    with nullcontext(made) if isinstance(made, str) else made as name:
        root = Path(name).resolve()
        library = make(root, options.files, options.seed)
        print(
            f"{len(library.songs)} songs, {len(library.damaged)} damaged files and links: {library.music}", flush=True
        )
        Trial(root, library, checks, options.seed).run()
    for note in library.notes:
        print(note)
    failed = [one for one in checks.done if one.faults]
    print(f"{len(checks.done) - len(failed)} of {len(checks.done)} checks passed")
    if options.out:
        text = report(checks, library.notes, len(library.songs), len(library.damaged))
        options.out.write_text(text, encoding="utf-8")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

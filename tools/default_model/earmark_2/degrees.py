"""Degrees of whole songs: energy, valence, danceability, acousticness, instrumentalness, as VibeNet estimates them.

VibeNet (GPL-3.0) is a program of its own, in an environment of its own: it gets excerpts as WAV files and answers with a
table. Its network learned Echo Nest's numbers on the Free Music Archive.
"""

from __future__ import annotations

import csv
import io
import subprocess
import tempfile
import wave
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import DataError
from earmark.datasets.base import raise_problems
from earmark.datasets.labelled_set.shards import RATE_HZ
from earmark.datasets.labelled_set.songs import Song
from earmark.datasets.table import read_table
from earmark.training.audio_store import AudioStore, Waveform

DEGREES = ("energy", "valence", "danceability", "acousticness", "instrumentalness")
"""Those of VibeNet's numbers that are tags; the others are liveness and speechiness."""
EXCERPT_SECONDS = 30
N_EXCERPTS = 2
"""Of a song, evenly spread."""
FILE = Path(__file__).parent / "degrees.csv"
_BATCH_SONGS = 40


def read_degrees(path: Path = FILE) -> dict[str, dict[str, float]]:
    """Song -> its degrees, 0..1. Raises DataError for a table without the columns, or with other values."""
    table = read_table(path)
    table.require("song_id", *DEGREES, where=str(path))
    found, problems = {}, []
    for row in table.rows:
        texts = [str(row.values[name]) for name in DEGREES]
        try:
            values = [float(text) for text in texts]
        except ValueError:
            values = []
        if values and all(0 <= value <= 1 for value in values):
            found[str(row.values["song_id"])] = dict(zip(DEGREES, values, strict=True))
        else:
            problems.append(f"{row.where}: {', '.join(texts)}: must be numbers from 0 to 1")
    raise_problems(str(path), problems)
    return found


def estimate_degrees(
    songs: Sequence[Song],
    decoded: Path,
    program: Path,
    out: Path = FILE,
    on_songs: Callable[[int, int], None] | None = None,
) -> None:
    """Let VibeNet estimate the degrees of songs, and write them to a table; songs that it has are left out.

    Args:
        songs: the music.
        decoded: folder of decoded songs, e.g. SETS/songs of `earmark distill label`.
        program: the program `vibenet`.
        out: CSV: song_id and :data:`DEGREES`, three decimals.
        on_songs: called with how many songs are done and how many there are.

    Raises:
        DataError: the program is not there, ended with an error, or left an excerpt out.
    """
    found = read_degrees(out) if out.is_file() else {}
    missing = [song for song in songs if song.song_id not in found]
    store = AudioStore(RATE_HZ, decoded)
    for start in range(0, len(missing), _BATCH_SONGS):
        batch = missing[start : start + _BATCH_SONGS]
        audio = store.load([song.path for song in batch], jobs=1)
        found |= _degrees_of(dict(zip([song.song_id for song in batch], audio, strict=True)), program)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["song_id", *DEGREES])
        for song in songs:
            if (values := found.get(song.song_id)) is not None:
                writer.writerow([song.song_id, *(f"{values[name]:.3f}" for name in DEGREES)])
        write_atomic(out, text.getvalue().encode())
        if on_songs is not None:
            on_songs(len(found), len(songs))


def _degrees_of(songs: Mapping[str, Waveform], program: Path) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        song_of = {}
        for number, (song_id, waveform) in enumerate(songs.items()):
            for k, start in enumerate(excerpt_starts(len(waveform))):
                path = Path(folder) / f"{number:04d}-{k}.wav"
                _write_wav(path, waveform.read(start, min(EXCERPT_SECONDS * RATE_HZ, len(waveform) - start)))
                song_of[path.name] = song_id
        command = [str(program), folder, "--format", "csv", "--quiet", "--workers", "1"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise DataError(f"{program}: cannot be run ({error.strerror}); install vibenet, see README.md") from error
        if answer.returncode:
            raise DataError(f"{program}: ended with exit code {answer.returncode}: {answer.stderr.strip()}")
        values: dict[str, list[list[float]]] = defaultdict(list)
        for row in csv.DictReader(answer.stdout.splitlines()):
            values[song_of.pop(Path(row["path"]).name)].append([float(row[name]) for name in DEGREES])
    if song_of:
        raise DataError(f"{program}: no numbers for excerpts of {', '.join(sorted(set(song_of.values())))}")
    return {song: dict(zip(DEGREES, np.mean(rows, axis=0).tolist(), strict=True)) for song, rows in values.items()}


def _write_wav(path: Path, samples: npt.NDArray[np.float32]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.rint(samples.clip(-1, 1) * 32767).astype("<i2").tobytes())


def excerpt_starts(n_samples: int) -> list[int]:
    """First samples of the excerpts of a song; a short song is one excerpt.

    >>> [start / RATE_HZ for start in excerpt_starts(150 * RATE_HZ)], excerpt_starts(20 * RATE_HZ)
    ([30.0, 90.0], [0])
    """
    left = n_samples - EXCERPT_SECONDS * RATE_HZ
    if left <= EXCERPT_SECONDS * RATE_HZ // 2:
        return [max(0, left // 2)]
    return [round(left * (k + 0.5) / N_EXCERPTS) for k in range(N_EXCERPTS)]

"""A small MagnaTagATune in its true layout, with the oddities of the real one."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.sounds import music, write

EMPTY = (
    "6/norine_braun-now_and_zen-08-gently-117-146.mp3",
    "8/jacob_heringman-josquin_des_prez_lute_settings-19-gintzler__pater_noster-204-233.mp3",
    "9/american_baroque-dances_and_suites_of_rameau_and_couperin-25-le_petit_rien_xiveme_ordre_couperin-88-117.mp3",
)
TAGS = ("no voice", "guitar", "flute", "slow")
INFO_COLUMNS = (
    "clip_id",
    "track_number",
    "title",
    "artist",
    "album",
    "url",
    "segmentStart",
    "segmentEnd",
    "original_url",
    "mp3_path",
)


@dataclass(frozen=True)
class MtatClip:
    """A row of both tables: its path without the times at its end, and which of TAGS it has."""

    folder: str
    artist: str
    title: str
    start: int
    tags: str = ""
    track: int = 1

    @property
    def path(self) -> str:
        """Below the folder of audio."""
        slug = f"{self.artist}-album-{self.track:02d}-{self.title}".lower().replace(" ", "_")
        slug = "".join(letter for letter in slug if letter not in "\"\t/'")
        return f"{self.folder}/{slug}-{self.start}-{self.start + 29}.mp3"


CLIPS = (
    MtatClip("0", "Ann", "Rain", 0, "guitar;slow"),
    MtatClip("0", "Ann", "Rain", 29, "guitar"),
    MtatClip("1", "Björk Ólafs", "Sólarlag í júní", 0, "flute;slow"),
    MtatClip("a", "Bo", 'He said "hey" \t twice', 0),
    MtatClip("b", "Cy", "Sea", 0, "slow"),
    MtatClip("c", "Cy", "Land", 0, "guitar"),
    MtatClip("c", "Di", "Air", 0),
    MtatClip("d", "Ann", "Snow", 30, "flute;slow"),
    MtatClip("e", "Ed", "Ice", 0, "slow"),
    MtatClip("f", "Fay", "Fog", 0),
)


def write_tables(root: Path, clips: Sequence[MtatClip] = CLIPS, *, empty: bool = True) -> Path:
    """annotations_final.csv and clip_info_final.csv; the clips have ids from 1 on, the empty ones from 1001."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "annotations_final.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writerow(["clip_id", *TAGS, "mp3_path"])
        for clip_id, clip in enumerate(clips, start=1):
            has = clip.tags.split(";")
            writer.writerow([clip_id, *(int(tag in has) for tag in TAGS), clip.path])
        for clip_id, path in enumerate(EMPTY if empty else (), start=1001):
            writer.writerow([clip_id, 0, 1, 0, 0, path])
    with (root / "clip_info_final.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(INFO_COLUMNS)
        for clip_id, clip in enumerate(clips, start=1):
            track = [clip_id, clip.track, clip.title, clip.artist, "Álbum", "http://x/", clip.start, clip.start + 29]
            writer.writerow([*track, "http://x/all.mp3", clip.path])
        writer.writerow([9999, 1, "never cut", "Zoe", "Album", "", "", "", "", ""])
    return root


def write_audio(folder: Path, clips: Sequence[MtatClip] = CLIPS, *, seconds: float = 1.0) -> Path:
    """An MP3 per clip, 16 kHz and mono as the real ones, and the three that are empty."""
    for seed, clip in enumerate(clips):
        (folder / clip.folder).mkdir(parents=True, exist_ok=True)
        write(folder / clip.path, music(seconds, 16_000, seed=seed), 16_000)
    for path in EMPTY:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder

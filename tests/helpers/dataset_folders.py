"""A small copy of every dataset in its true layout, with made-up sounds: :data:`FOLDERS`."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import soundfile

from earmark.datasets import extended_ballroom, fma, fsd50k_music, gtzan, nsynth, openmic
from earmark.datasets.mtg_jamendo import HEADER, N_SPLITS, SUBSETS
from tests.helpers import mtat
from tests.helpers.emotify import write_emotify
from tests.helpers.sounds import write

RATE_HZ = 8000


def tone(hz: float, seconds: float = 0.3, seed: int = 0) -> np.ndarray:
    """A tone in noise, (n,) float32."""
    rng = np.random.default_rng([seed, int(hz)])
    n = round(seconds * RATE_HZ)
    sound = 0.4 * np.sin(2 * np.pi * hz * np.arange(n) / RATE_HZ) + 0.05 * rng.standard_normal(n)
    return sound.astype(np.float32)


def sound(path: Path, hz: float = 440, seconds: float = 0.3, seed: int | None = None) -> Path:
    """A file with :func:`tone`, in the format of its ending; of one seed for each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = tone(hz, seconds, zlib.crc32(path.stem.encode()) if seed is None else seed)
    if path.suffix == ".au":
        soundfile.write(path, samples, RATE_HZ)
        return path
    return write(path, samples, RATE_HZ)


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ",") -> Path:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def write_gtzan(root: Path, *, protocol: str = "fault-filtered", each: int = 2, seconds: float = 0.3) -> Path:
    """The first clips of each genre and split; each genre has a pitch of its own."""
    taken: dict[tuple[str, str], int] = {}
    for genre, split, number in gtzan.split_of_clips(protocol):
        if taken.setdefault((genre, split), 0) < each:
            taken[genre, split] += 1
            pitch = 110 * 2 ** (gtzan.GENRES.index(genre) / 2)
            sound(root / "genres" / genre / f"{genre}.{number:05d}.wav", pitch, seconds)
    return root


def write_fma(root: Path, size: str = "large") -> Path:
    """tracks.csv with its three rows of header, genres.csv, and the audio of one size."""
    columns = [
        ("", ""),
        *(("album", "information"), ("artist", "bio"), ("artist", "id"), ("set", "split"), ("set", "subset")),
        *(("track", "genre_top"), ("track", "genres"), ("track", "genres_all"), ("track", "title")),
    ]
    bio = 'He said:\n\n"hello", ' + "x" * 200_000  # longer than Python's csv reads by default
    rows = [
        (2, "", bio, 1, "training", "small", "Hip-Hop", "[21]", "[21]", "Food"),
        (3, "", "", 1, "training", "medium", "Rock", "[12]", "[12]", "Ice"),
        (5, "", "", 2, "training", "small", "Rock", "[25]", "[25, 12]", "This World"),
        (10, "", "", 6, "validation", "small", "Rock", "[12]", "[12]", "Freeway"),
        (11, "", "", 7, "validation", "small", "Hip-Hop", "[21]", "[21]", "Free"),
        (140, "", "", 54, "test", "small", "Rock", "[12]", "[12]", "Queen"),
        (141, "", "", 55, "test", "small", "Hip-Hop", "[21]", "[21]", "King"),
        (200, "", "", 56, "test", "large", "", "[25, 21]", "[25, 12, 21]", "Spiritual"),
        (99134, "", "", 57, "training", "small", "Rock", "[12]", "[12]", "Nothing"),
    ]
    header = [*zip(*columns, strict=True), ("track_id", *[""] * (len(columns) - 1))]
    table(root / "fma_metadata" / "tracks.csv", header[0], [*header[1:], *rows])
    genres = [(12, 32923, 0, "Rock", 12), (21, 8389, 0, "Hip-Hop", 21), (25, 9261, 12, "Punk", 12)]
    table(root / "fma_metadata" / "genres.csv", ("genre_id", "#tracks", "parent", "title", "top_level"), genres)
    wanted = fma.SIZES[: fma.SIZES.index(size) + 1]
    for number, *_, subset, _top, _genres, _all, _title in rows:
        if subset in wanted and number != 99134:
            sound(root / f"fma_{size}" / f"{number:06d}"[:3] / f"{number:06d}.mp3", 100 + number)
    return root


def write_openmic(root: Path) -> Path:
    """Two judgements an excerpt; an artist for each excerpt; that of the eighth (37) validates."""
    keys = [f"{number:06d}_3840" for number in range(40, 60)]
    judged = [
        (key, openmic.INSTRUMENTS[(i + k) % 20], (0.17105, 1.0, 0.0, 0.81)[(i + k) % 4], 3)
        for i, key in enumerate(keys)
        for k in (0, 1)
    ]
    table(root / openmic.LABELS_NAME, ("sample_key", "instrument", "relevance", "num_responses"), judged)
    origins = [
        (int(key[:6]), 4.0, 30 + i, f"Artist, {i}", "[{'genre_id': '76'}]", key, 3.84) for i, key in enumerate(keys)
    ]
    columns = ("track_id", "album_id", "artist_id", "artist_name", "track_genres", "sample_key", "start_time")
    table(root / openmic.METADATA_NAME, columns, origins)
    (root / "partitions").mkdir()
    (root / "partitions" / "split01_train.csv").write_text("\n".join(keys[:14]) + "\n")
    (root / "partitions" / "split01_test.csv").write_text("\n".join(keys[14:]) + "\n")
    for i, key in enumerate(keys):
        sound(root / "audio" / key[:3] / f"{key}.ogg", 200 + 40 * i)
    return root


def write_nsynth(root: Path) -> Path:
    """Notes of a few instruments, as the archives have them."""
    notes = {
        "nsynth-train": [
            ("bass_synthetic_033", "022-050"),
            ("synth_lead_synthetic_000", "100-100"),
            ("reed_acoustic_011", "060-127"),
        ],
        "nsynth-valid": [("bass_electronic_018", "036-025"), ("reed_acoustic_023", "060-075")],
        "nsynth-test": [("bass_electronic_018", "040-025"), ("reed_acoustic_023", "067-075")],
    }
    for folder, names in notes.items():
        examples = {}
        for instrument, pitch in names:
            family, source, _ = instrument.rsplit("_", 2)
            name = f"{instrument}-{pitch}"
            examples[name] = {
                "note_str": name,
                "instrument_str": instrument,
                "instrument_family": nsynth.FAMILIES.index(family),
                "instrument_family_str": family,
                "instrument_source": nsynth.SOURCES.index(source),
                "instrument_source_str": source,
                "qualities": [0] * 10,
                "qualities_str": ["dark", "tempo-synced"] if family == "bass" else [],
                "pitch": int(pitch[:3]),
                "velocity": int(pitch[4:]),
                "sample_rate": 16000,
            }
            sound(root / folder / "audio" / f"{name}.wav", 50 + 3 * int(pitch[:3]))
        (root / folder / "examples.json").write_text(json.dumps(examples, indent=4))
    return root


def write_emomusic(root: Path) -> Path:
    """Both tables, with tabs at the ends of cells as in the published ones."""
    songs = [
        (2, "The New Mystikal Troubadours", "development"),
        (3, "Max Lyall", "evaluation"),
        (4, "Björk 2", "development"),
    ]
    songs += [(number, f"Artist {chr(97 + number)}", "development") for number in range(5, 15)]
    rows = [
        (n, f"{n}.mp3\t", f"{artist}\t", f"Song {n}\t", "0.48", "1.33", "Blues\t", part) for n, artist, part in songs
    ]
    columns = ["song_id", "file_name", "Artist", "Song title", "start of the segment (min.sec)"]
    columns += ["end of the segment (min.sec)", "Genre", "Mediaeval 2013 set"]
    table(root / "annotations" / "songs_info.csv", columns, rows)
    degrees = [(n, 3.1 + 0.3 * (n % 7), 0.99, 5 - 0.2 * (n % 9), 0.67) for n, _, _ in songs]
    columns = ["song_id", "mean_arousal", "std_arousal", "mean_valence", "std_valence"]
    table(root / "annotations" / "static_annotations.csv", columns, degrees)
    for number, _, _ in songs:
        sound(root / "clips_45seconds" / f"{number}.mp3", 100 + 30 * number)
    return root


def write_extended_ballroom(root: Path) -> Path:
    """Three dances; two excerpts are versions of one song."""
    lines = ["<ballroom>"]
    for place, dance in enumerate(("Waltz", "Chacha", "Tango")):
        lines.append(f"  <{dance}>")
        for number in range(6):
            clip = f"10{place}6{number:02d}"
            other = f'<version id="10{place}601"/>' if number == 0 else ""
            name = quoteattr("Musica & Poesia" if number < 2 else f"{dance} {number}")
            lines.append(
                f'    <song album="A" artist={name} bpm="87" id="{clip}" title="Song" hash="{"0" * 32}">{other}</song>'
            )
            sound(root / dance / f"{clip}.mp3", 100 * (place + 1) + 7 * number)
        lines.append(f"  </{dance}>")
    (root / extended_ballroom.LIST_NAME).write_text("\n".join([*lines, "</ballroom>"]), encoding="utf-8")
    return root


def write_fsd50k(root: Path) -> Path:
    """Music and other sounds, labels propagated upwards."""
    guitar = "Electric_guitar,Guitar,Plucked_string_instrument,Musical_instrument,Music"
    trumpet = "Trumpet,Brass_instrument,Musical_instrument,Music"
    dev = [
        (64760, guitar, "/m/02sgy", "train"),
        (16399, trumpet, "/m/07gql", "train"),
        (345111, guitar, "/m/02sgy", "val"),
        (345112, trumpet, "/m/07gql", "val"),
        (21914, "Meow,Cat,Domestic_animals_and_pets,Animal", "/m/07qrkrw", "train"),
    ]
    evaluation = [(37199, f"Applause,{guitar}", "/m/028ght"), (41, trumpet, "/m/07gql"), (325636, "Fire", "/m/02_41")]
    table(root / "FSD50K.ground_truth" / "dev.csv", ("fname", "labels", "mids", "split"), dev)
    table(root / "FSD50K.ground_truth" / "eval.csv", ("fname", "labels", "mids"), evaluation)
    for part, rows in (("dev", dev), ("eval", evaluation)):
        info = {str(row[0]): {"title": "a.wav", "tags": [], "uploader": f"user {part} {row[0]}"} for row in rows}
        (root / "FSD50K.metadata").mkdir(exist_ok=True)
        (root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json").write_text(json.dumps(info))
        for i, row in enumerate(rows):
            if fsd50k_music.MUSIC in str(row[1]):
                sound(root / f"FSD50K.{part}_audio" / f"{row[0]}.wav", 150 + 60 * i)
    return root


def write_mtg_jamendo(root: Path) -> Path:
    """Every set of tags and every split: a track for each part."""
    for place, part in enumerate(("train", "validation", "test"), start=1):
        row = [f"track_{place:07d}", f"artist_{place:06d}", "album_000031", f"0{place}/{place}.mp3", "0.3"]
        row += ["genre---rock", "instrument---voice", "mood/theme---happy"]
        for number in range(N_SPLITS):
            for name, _ in SUBSETS.values():
                table(root / "data" / "splits" / f"split-{number}" / f"{name}-{part}.tsv", HEADER, [row], "\t")
        sound(root / "audio" / f"0{place}" / f"{place}.mp3", 200 + 50 * place)
    return root


def write_magnatagatune(root: Path) -> Path:
    """As in :mod:`tests.helpers.mtat`."""
    mtat.write_tables(root)
    mtat.write_audio(root)
    return root


def write_manifest(root: Path) -> Path:
    """A table of three clips."""
    rows = [(f"{split}.wav", split, i % 2) for i, split in enumerate(("train", "validation", "test"))]
    for name, _, _ in rows:
        sound(root / name)
    return table(root / "labels.csv", ("path", "split", "rock"), rows)


FOLDERS: dict[str, Callable[[Path], Path]] = {
    "emomusic": write_emomusic,
    "emotify": write_emotify,
    "extended_ballroom": write_extended_ballroom,
    "fma": write_fma,
    "fsd50k_music": write_fsd50k,
    "gtzan": write_gtzan,
    "magnatagatune": write_magnatagatune,
    "manifest": write_manifest,
    "mtg_jamendo": write_mtg_jamendo,
    "nsynth": write_nsynth,
    "openmic": write_openmic,
}
"""Dataset -> writes a small copy into a folder, and returns what ``--root`` is. msd and labelled_set have tests of their own."""

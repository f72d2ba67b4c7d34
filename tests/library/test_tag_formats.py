"""Tags in every format: read back by other programs, and nothing else in the file changes."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import pytest
import taglib
import tinytag
from mutagen.apev2 import APEv2
from mutagen.id3 import APIC, ID3, TCON, TIT2, TXXX
from mutagen.mp4 import MP4

from earmark.audio import load
from earmark.core.errors import FileTagsError
from earmark.library.tagfiles.formats.base import FIELDS
from earmark.library.tagfiles.undo import plan_undo, undo_file
from earmark.library.tagfiles.undo_log import UndoLog, read_log
from earmark.library.tagfiles.write import Request, Target, read_state, write_tags
from tests.helpers import sounds, tagged

VALUES = {
    "genre": ("Chanson française", "Rock"),
    "mood": ("Calm", "夜"),
    "scores": ("rock=0.912", "calm=0.500"),
    "model": ("first 1",),
}
TARGETS = {name: Target(values) for name, values in VALUES.items()}


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One undecorated song of every format."""
    folder = tmp_path_factory.mktemp("songs")
    return {suffix: tagged.make(folder / f"song{suffix}") for suffix in tagged.FORMATS}


def write(path: Path, targets: dict[str, Target] = TARGETS, **options: object) -> Path:
    """Write, with a log beside; returns the log."""
    log = path.with_name("log.jsonl")
    with UndoLog(log) as open_log:
        write_tags(path, Request(targets, **options), open_log)
    return log


def take_back(log: Path) -> None:
    (entry,) = read_log(log)[-1].entries
    undo = plan_undo(entry)
    assert not undo.conflicts
    with UndoLog(log, "undo", read_log(log)[-1].name) as open_log:
        undo_file(undo, open_log)


@pytest.mark.parametrize("suffix", tagged.FORMATS)
@pytest.mark.parametrize("decorated", [False, True], ids=["bare", "decorated"])
def test_all_else_stays_and_other_programs_read_it(
    songs: dict[str, Path], tmp_path: Path, suffix: str, decorated: bool
) -> None:
    path = Path(shutil.copy(songs[suffix], tmp_path))
    if decorated:
        tagged.decorate(path)
    audio, samples, others = tagged.packets(path), tagged.decoded(path), tagged.foreign(path)
    log = write(path)

    assert read_state(path).values == VALUES
    assert tagged.packets(path) == audio
    assert tagged.decoded(path) == samples
    assert tagged.foreign(path) == others or not decorated

    # FFmpeg gives the first of several values, or all with ";" between.
    read_by_ffmpeg = tagged.ffmpeg_metadata(path)
    mood = next(read_by_ffmpeg[name] for name in ("MOOD", "TMOO", "WM/MOOD") if name in read_by_ffmpeg)
    assert read_by_ffmpeg["GENRE"] in ("Chanson française", "Chanson française;Rock")
    assert mood in ("Calm", "Calm;夜")
    assert next(text for name, text in read_by_ffmpeg.items() if "EARMARK" in name and "MODEL" in name) == "first 1"

    with taglib.File(str(path)) as read:
        # TagLib reads ASF's extended list of attributes last, wherever the first value is.
        order = sorted if suffix == ".wma" else list
        assert order(read.tags["GENRE"]) == order(VALUES["genre"])
        assert order(read.tags["MOOD"]) == order(VALUES["mood"])
        if suffix not in (".m4a", ".wma"):  # there it only reports names that it knows
            assert read.tags["EARMARK_SCORES"] == list(VALUES["scores"])
            assert read.tags["EARMARK_MODEL"] == ["first 1"]
        if decorated:
            assert read.tags["TITLE"] == [tagged.TITLE]

    tiny = tinytag.TinyTag.get(path, image=True)
    assert {tiny.genre, *tiny.other["genre"]} == set(VALUES["genre"])
    if decorated and suffix != ".wma":
        assert tiny.images.front_cover.data == tagged.PICTURE

    take_back(log)
    assert set(read_state(path).values.values()) == {()}
    assert tagged.packets(path) == audio
    assert tagged.foreign(path) == others or not decorated
    if suffix in (".flac", ".wav", ".aiff"):
        assert path.read_bytes() == songs[suffix].read_bytes() or decorated


@pytest.mark.parametrize("suffix", tagged.FORMATS)
def test_values_of_other_programs_are_replaced_and_come_back(
    songs: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    path = Path(shutil.copy(songs[suffix], tmp_path))
    with taglib.File(str(path), save_on_exit=True) as file:
        file.tags["GENRE"] = ["Tango", "Söul"]
        file.tags["MOOD"] = ["Wild"]
        file.tags["TITLE"] = ["A title"]
    before = {name: set(values) for name, values in read_state(path).values.items()}
    assert before == {"genre": {"Tango", "Söul"}, "mood": {"Wild"}, "scores": set(), "model": set()}
    log = write(path, {"genre": Target(("Rock",)), "scores": Target(("rock=1.000",))})
    assert read_state(path).values["genre"] == ("Rock",)
    with taglib.File(str(path)) as file:
        assert file.tags["GENRE"] == ["Rock"]
        assert file.tags["MOOD"] == ["Wild"]
    take_back(log)
    with taglib.File(str(path)) as file:
        assert set(file.tags["GENRE"]) == {"Tango", "Söul"}
        assert file.tags["TITLE"] == ["A title"]
    assert read_state(path).values["scores"] == ()


@pytest.mark.parametrize("version", [3, 4])
def test_id3_frames_of_others_stay_byte_for_byte(songs: dict[str, Path], tmp_path: Path, version: int) -> None:
    body = b""
    body += tagged.id3_frame(b"TIT2", b"\x01\xff\xfeT\x00", version)
    body += tagged.id3_frame(b"COMM", b"\x00engsame\x00first", version)
    body += tagged.id3_frame(b"COMM", b"\x00engsame\x00second, of the same name", version)
    body += tagged.id3_frame(b"ZZZZ", b"nobody knows this frame", version)
    body += tagged.id3_frame(b"APIC", b"\x09 damaged", version)
    body += tagged.id3_frame(b"TXXX", b"\x00Mine\x00one", version)
    body += tagged.id3_frame(b"TXXX", b"\x00Mine\x00two", version)
    body += tagged.id3_frame(b"TALB", b"\x00read-only", version, 0x2000 if version == 3 else 0x1000)
    body += tagged.id3_frame(b"TYER", b"\x001999", version)
    body += tagged.id3_frame(b"APIC", b"\x00image/png\x00\x03\x00" + tagged.PICTURE, version)
    path = tmp_path / "song.mp3"
    audio = songs[".mp3"].read_bytes()
    audio = audio[10 + int.from_bytes(audio[8:10], "big") :]
    path.write_bytes(tagged.id3_tag(version, body) + audio)
    before = tagged.id3_frames(path.read_bytes())
    log = write(path)
    assert path.read_bytes()[3] == version
    assert path.read_bytes().endswith(audio)
    after = tagged.id3_frames(path.read_bytes())
    assert after[: len(before)] == before
    assert {header[:4] for header, _ in after[len(before) :]} == {b"TCON", b"TMOO", b"TXXX"}
    assert len(after) == len(before) + 4
    bodies = {header[:4]: body for header, body in after[len(before) :]}
    if version == 4:
        assert bodies[b"TCON"].rstrip(b"\0") == "\x03Chanson française\0Rock".encode()
    else:  # latin-1 where it can be, UTF-16 where not: there is no UTF-8 in this version
        assert bodies[b"TCON"].rstrip(b"\0") == "\0Chanson française\0Rock".encode("latin-1")
        assert bodies[b"TMOO"][0] == 1
    with taglib.File(str(path)) as file:
        assert file.tags["GENRE"] == list(VALUES["genre"])
        assert file.tags["MOOD"] == list(VALUES["mood"])
    take_back(log)
    assert tagged.id3_frames(path.read_bytes()) == before


def test_id3_unsynchronised_tags_stay_readable(songs: dict[str, Path], tmp_path: Path) -> None:
    audio = songs[".mp3"].read_bytes()
    audio = audio[10 + int.from_bytes(audio[8:10], "big") :]
    for version in (3, 4):
        picture = b"\x00image/png\x00\x03\x00" + tagged.PICTURE
        if version == 3:  # the whole tag, and sizes are those of before
            body = tagged.id3_frame(b"APIC", picture, 3) + tagged.id3_frame(b"TIT2", b"\x01\xff\xfeT\x00", 3)
            body = _unsynchronised(body)
        else:  # frame by frame
            body = tagged.id3_frame(b"APIC", _unsynchronised(picture), 4)
            body += tagged.id3_frame(b"TIT2", _unsynchronised(b"\x01\xff\xfeT\x00"), 4)
        path = tmp_path / f"{version}.mp3"
        path.write_bytes(tagged.id3_tag(version, body, flags=0x80) + audio)
        write(path)
        tags = ID3(path)
        assert tags["APIC:"].data == tagged.PICTURE
        assert str(tags["TIT2"]) == "T"
        assert tags["TCON"].genres == list(VALUES["genre"])
        assert tinytag.TinyTag.get(path, image=True).images.front_cover.data == tagged.PICTURE


def _unsynchronised(data: bytes) -> bytes:
    out = bytearray()
    for i, byte in enumerate(data):
        out.append(byte)
        if byte == 0xFF and (i + 1 == len(data) or data[i + 1] >= 0xE0 or data[i + 1] == 0):
            out.append(0)
    return bytes(out)


def test_id3_sizes_of_old_itunes(songs: dict[str, Path], tmp_path: Path) -> None:
    """It wrote plain sizes into ID3v2.4: our frames must not be lost behind them."""
    audio = songs[".mp3"].read_bytes()
    body = tagged.id3_frame(b"APIC", b"\x00image/png\x00\x03\x00" + tagged.PICTURE, 3)
    body += tagged.id3_frame(b"TIT2", b"\x00" + b"long" * 50, 3)
    path = tmp_path / "song.mp3"
    path.write_bytes(tagged.id3_tag(4, body) + audio[10 + int.from_bytes(audio[8:10], "big") :])
    write(path)
    with taglib.File(str(path)) as file:
        assert file.tags["TITLE"] == ["long" * 50]
        assert file.tags["GENRE"] == list(VALUES["genre"])
    assert ID3(path)["APIC:"].data == tagged.PICTURE


def test_id3v1_is_kept_and_only_its_genre_follows(songs: dict[str, Path], tmp_path: Path) -> None:
    v1 = b"TAG" + "Пesня".encode("cp1251").ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + b"Album".ljust(30, b" ")
    v1 += b"1999" + b"a comment of its own".ljust(28, b"\0") + b"\0\x07" + b"\x11"
    assert len(v1) == 128
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    path.write_bytes(path.read_bytes() + v1)
    assert read_state(path).values["genre"] == ("Rock",)
    log = write(path, {"genre": Target(("Jazz", "Rock"))})
    assert path.read_bytes()[-128:] == v1[:-1] + b"\x08"
    take_back(log)
    assert path.read_bytes()[-128:] == v1
    write(path, {"genre": Target(("No such genre there",))})
    assert path.read_bytes()[-1] == 255


def test_a_file_with_id3v1_alone_keeps_its_title_for_all_players(songs: dict[str, Path], tmp_path: Path) -> None:
    v1 = b"TAG" + b"The title".ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + b"Album".ljust(30, b"\0")
    v1 += b"1999" + b"comment".ljust(28, b"\0") + b"\0\x07" + b"\xff"
    audio = songs[".mp3"].read_bytes()
    path = tmp_path / "song.mp3"
    path.write_bytes(audio[10 + int.from_bytes(audio[8:10], "big") :] + v1)
    before = path.read_bytes()
    assert "ID3v1" in read_state(path).notes[0]
    log = write(path)
    read_by_ffmpeg = tagged.ffmpeg_metadata(path)
    assert (read_by_ffmpeg["TITLE"], read_by_ffmpeg["ARTIST"], read_by_ffmpeg["TRACK"]) == ("The title", "Artist", "7")
    take_back(log)
    assert path.read_bytes() == before


def test_ape_tags_at_the_end_of_an_mp3_stay(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    ape = APEv2()
    ape["Title"] = "From APE"
    ape["Mood"] = ["Wild", "Free"]
    ape["REPLAYGAIN_TRACK_GAIN"] = "-1 dB"
    ape.save(path)
    tail = path.read_bytes()[-150:]
    assert read_state(path).values["mood"] == ("Wild", "Free")  # so that it is not taken for empty
    assert any("APEv2 tag stays as it is" in note for note in read_state(path).notes)
    write(path)
    assert path.read_bytes()[-150:] == tail
    assert list(APEv2(path)["Mood"]) == ["Wild", "Free"]


def test_moods_where_some_programs_write_them(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    tags = ID3(path)
    tags.add(TXXX(encoding=3, desc="mood", text=["Wild"]))
    tags.save(path)
    assert read_state(path).values["mood"] == ("Wild",)
    log = write(path, {"mood": Target(("Wild", "Calm"))})
    assert ID3(path).getall("TMOO") == []
    assert [frame.text for frame in ID3(path).getall("TXXX") if frame.desc.upper() == "MOOD"] == [["Wild", "Calm"]]
    take_back(log)
    assert ID3(path)["TXXX:mood"].text == ["Wild"]


def test_numeric_genres_are_read_as_names_and_come_back_as_numbers(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    tags = ID3(path)
    tags.add(TCON(encoding=0, text="(17)(13)Own"))
    tags.save(path, v2_version=3)
    assert read_state(path).values["genre"] == ("Rock", "Pop", "Own")
    log = write(path, {"genre": Target(("Jazz",))})
    assert ID3(path)["TCON"].text == ["Jazz"]
    take_back(log)
    assert ID3(path, translate=False)["TCON"].text == ["(17)(13)Own"]


def test_the_old_numeric_genre_of_mp4_gives_way_and_comes_back(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".m4a"], tmp_path))
    file = MP4(path)
    file.tags._failed_atoms["gnre"] = [b"\x00\x00\x00\x12data" + bytes(8) + b"\x00\x12"]
    file["\xa9nam"] = "Title"
    file.save()
    assert b"gnre" in path.read_bytes()
    assert read_state(path).values["genre"] == ("Rock",)
    write(path, {"mood": Target(("Calm",))})
    assert b"gnre" in path.read_bytes()
    log = write(path, {"genre": Target(("Jazz",))})
    assert b"gnre" not in path.read_bytes()
    assert MP4(path)["\xa9gen"] == ["Jazz"]
    take_back(log)
    assert b"gnre" in path.read_bytes()
    assert "\xa9nam" in MP4(path)


def test_a_key_of_a_vorbis_comment_keeps_its_spelling_and_place(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".flac"], tmp_path))
    file = mutagen.File(path)
    file.tags[:] = [("Artist", "a"), ("Genre", "Old"), ("title", "t"), ("GENRE", "Older")]
    file.save()
    log = write(path, {"genre": Target(("New", "Newer"))})
    assert list(mutagen.File(path).tags) == [("Artist", "a"), ("Genre", "New"), ("Genre", "Newer"), ("title", "t")]
    take_back(log)
    assert list(mutagen.File(path).tags) == [("Artist", "a"), ("Genre", "Old"), ("GENRE", "Older"), ("title", "t")]


def test_a_genre_that_only_riff_knows_is_not_taken_for_empty(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".wav"], tmp_path))
    content = path.read_bytes()
    info = b"INFOIGNR" + (6).to_bytes(4, "little") + b"Tango\0"
    content += b"LIST" + len(info).to_bytes(4, "little") + info
    path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])
    assert read_state(path).values["genre"] == ("Tango",)
    write(path, {"mood": Target(("Calm",))})
    assert b"IGNR" in path.read_bytes()
    with taglib.File(str(path)) as file:
        assert file.tags["MOOD"] == ["Calm"]


@pytest.mark.parametrize("suffix", tagged.FORMATS)
def test_the_content_decides_not_the_name(songs: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / ("song.mp3" if suffix != ".mp3" else "song.flac")
    shutil.copy(songs[suffix], path)
    write(path)
    assert read_state(path).values == VALUES
    right = path.rename(path.with_suffix(suffix))
    with taglib.File(str(right)) as file:
        assert set(file.tags["GENRE"]) == set(VALUES["genre"])


def test_old_id3_and_other_formats_are_refused_in_words(songs: dict[str, Path], tmp_path: Path) -> None:
    old = tmp_path / "old.mp3"
    audio = songs[".mp3"].read_bytes()
    frame = b"TT2\x00\x00\x06\x00title"
    old.write_bytes(tagged.id3_tag(2, frame) + audio[10 + int.from_bytes(audio[8:10], "big") :])
    with pytest.raises(FileTagsError, match=r"ID3v2\.2.*convert them"):
        read_state(old)
    with pytest.raises(FileTagsError, match=r"not written into this format .matroska.*only into MP3"):
        read_state(tagged.make(tmp_path / "song.mka"))
    with pytest.raises(FileTagsError, match=r"not written into this format .aac"):
        read_state(tagged.make(tmp_path / "song.aac"))


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_comments_that_are_no_utf8_are_not_lost(songs: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    path = Path(shutil.copy(songs[suffix], tmp_path))
    file = mutagen.File(path)
    file["TITLE"] = ["marker: xyz"]
    file.save()
    content = path.read_bytes().replace(b"marker: xyz", b"marker: \xe9yz")
    if suffix == ".ogg":
        content = _ogg_checksums(content)
    path.write_bytes(content)
    with pytest.raises(FileTagsError, match=r"damaged \(TITLE"):
        read_state(path)
    assert path.read_bytes() == content


def _ogg_checksums(content: bytes) -> bytes:
    """Pages with checksums that are right again."""
    import io

    from mutagen.ogg import OggPage

    source, out = io.BytesIO(content), b""
    while source.tell() < len(content):
        out += OggPage(source).write()
    return out


def test_nothing_wanted_is_nothing_changed(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".mp3"], tmp_path))
    tags = ID3(path)
    tags.add(TIT2(encoding=3, text="t"))
    tags.add(APIC(encoding=3, mime="image/png", type=3, desc="", data=tagged.PICTURE))
    tags.save(path)
    before = tagged.id3_frames(path.read_bytes())
    write(path, {name: Target(()) for name in FIELDS})
    assert tagged.id3_frames(path.read_bytes()) == before


def mp4(path: Path, *, movflags: str = "", chapters: bool = False, video: str | None = None) -> Path:
    """A song of 3 seconds, with chapters, in fragments, or beside a picture."""
    codec = "libopus" if path.suffix == ".ogg" else "aac"
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        if video is not None:
            picture = container.add_stream(video, rate=5)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=48_000, layout="stereo")
        if chapters:
            container.set_chapters(
                [
                    {
                        "id": k,
                        "start": 1_000 * k,
                        "end": 1_000 * (k + 1),
                        "time_base": Fraction(1, 1_000),
                        "metadata": {},
                    }
                    for k in range(3)
                ]
            )
        if video is not None:
            for k in range(15):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * k, np.uint8), format="rgb24")
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        samples = sounds.music(3, 48_000, 2)
        resampler = av.AudioResampler(sound.codec_context.format.name, "stereo", 48_000, frame_size=960)
        part = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        part.sample_rate, part.pts = 48_000, 0
        for frame in [*resampler.resample(part), *resampler.resample(None)]:
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def streams(path: Path) -> tuple[list[tuple[int, int | None, bytes]], list[tuple[float, float]]]:
    """Packets of all streams, and the chapters."""
    with av.open(str(path)) as container:
        chapters = [
            (float(one["start"] * one["time_base"]), float(one["end"] * one["time_base"]))
            for one in container.chapters()
        ]
        return [(one.stream_index, one.pts, bytes(one)) for one in container.demux() if one.size], chapters


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("chapters.m4b", {"chapters": True}),
        ("chapters in front.m4b", {"chapters": True, "movflags": "faststart"}),
        ("fragments.m4a", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
        ("fragments with offsets.m4a", {"movflags": "frag_keyframe+empty_moov"}),
        ("dash.m4a", {"movflags": "dash"}),
        ("index in front.m4a", {"movflags": "faststart"}),
        ("video.mp4", {"video": "mpeg4"}),
        ("video in fragments.mp4", {"video": "mpeg4", "movflags": "frag_keyframe+empty_moov+default_base_moof"}),
        ("chapters of a video.mp4", {"video": "mpeg4", "chapters": True}),
        ("video.ogg", {"video": "libvpx"}),
    ],
)
def test_shapes_of_mp4_and_sound_beside_pictures(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = mp4(tmp_path / name, **options)
    before, samples = streams(path), load(path, 16_000)
    assert len(before[1]) == (3 if options.get("chapters") else 0)
    assert len(samples) / 16_000 == pytest.approx(3, abs=0.1)
    log = write(path)
    assert read_state(path).values == VALUES
    for _ in range(2):
        assert streams(path) == before
        np.testing.assert_array_equal(load(path, 16_000), samples)
        if log is not None:
            take_back(log)
            log = None
    assert set(read_state(path).values.values()) == {()}


def test_fragments_whose_offsets_would_be_wrong_are_left_alone(tmp_path: Path) -> None:
    """mutagen moves the offsets of the first fragment only."""
    path = mp4(tmp_path / "a.mp4", video="mpeg4", movflags="frag_keyframe+empty_moov")
    content = path.read_bytes()
    with pytest.raises(FileTagsError, match="its audio would not be found as it was: left as it is"):
        write(path)
    assert path.read_bytes() == content


def safe(n: int) -> bytes:
    return bytes(n >> shift & 127 for shift in (21, 14, 7, 0))


def found(name: str, song: bytes) -> bytes:
    """A song with tags around it as some programs leave them."""
    if song[:3] == b"ID3":
        song = song[10 + song[8] * 128 + song[9] :]
    title = tagged.id3_frame(b"TIT2", b"\x03Loose", 4)
    front = tagged.id3_tag(4, title + bytes(64))
    old = b"TAG" + b"Loose".ljust(124, b"\0") + b"\xff"
    lyrics = b"LYRICSBEGIN" + b"IND0000200" + b"LYR00009[00:01]la"
    lyrics += b"%06d" % len(lyrics) + b"LYRICS200"
    return {
        "in front": front + song,
        "in front and behind": front + song + old,
        "two": front + tagged.id3_tag(4, title + bytes(300)) + song,
        "at the end": song + b"ID3\4\0\x10" + safe(len(title)) + title + b"3DI\4\0\x10" + safe(len(title)),
        "lyrics": song + lyrics + old,
        "zeros": front + bytes(100_000) + song,
        "junk": song[: len(song) // 2] + bytes((31 * i + 7) % 253 for i in range(383)) + song[len(song) // 2 :],
    }[name]


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        *((".flac", name) for name in ("in front", "in front and behind")),
        *((".mp3", name) for name in ("in front and behind", "two", "at the end", "lyrics", "zeros", "junk")),
    ],
)
def test_tags_as_they_are_found_and_undone(songs: dict[str, Path], tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"a{suffix}"
    content = found(name, songs[suffix].read_bytes())
    path.write_bytes(content)
    samples = load(path, 16_000)
    log = write(path)
    assert read_state(path).values == VALUES
    np.testing.assert_array_equal(load(path, 16_000), samples)
    take_back(log)
    assert set(read_state(path).values.values()) == {()}
    np.testing.assert_array_equal(load(path, 16_000), samples)
    assert path.read_bytes() == content

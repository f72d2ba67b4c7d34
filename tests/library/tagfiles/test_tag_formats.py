"""Tags in every format: read back by other programs, and nothing else in the file changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import mutagen
import pytest
import taglib
import tinytag
from mutagen.apev2 import APEv2

from earmark.core.errors import FileTagsError
from earmark.library.tagfiles.write import Target, read_state
from tests.helpers import sounds, tagged
from tests.helpers.tag_writing import VALUES, ours, take_back, write


@pytest.mark.slow
@pytest.mark.parametrize("suffix", tagged.FORMATS)
@pytest.mark.parametrize("decorated", [False, True], ids=["bare", "decorated"])
def test_all_else_stays_and_other_programs_read_it(
    songs: dict[str, Path], tmp_path: Path, suffix: str, decorated: bool
) -> None:
    path = Path(shutil.copy(songs[suffix], tmp_path))
    if decorated:
        tagged.decorate(path)
    audio, samples, others = tagged.packets(path), tagged.decoded(path), tagged.foreign(path)
    content = path.read_bytes()
    log = write(path)

    assert ours(path) == VALUES
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

    if suffix in tagged.APE_FORMATS:
        ape = APEv2(path)
        assert list(ape["genre"]) == list(VALUES["genre"])
        assert not decorated or ape["Cover Art (Front)"].value.endswith(tagged.PICTURE)
    else:
        tiny = tinytag.TinyTag.get(path, image=True)
        assert {tiny.genre, *tiny.other["genre"]} == set(VALUES["genre"])
        if decorated and suffix != ".wma":
            assert tiny.images.front_cover.data == tagged.PICTURE

    is_exact = take_back(log)
    assert set(ours(path).values()) == {()}
    assert tagged.packets(path) == audio
    assert tagged.foreign(path) == others or not decorated
    assert (path.read_bytes() == content) == is_exact
    assert is_exact or (
        suffix in (".m4a", ".wma") and not decorated
    )  # there mutagen adds an object that it never removes


@pytest.mark.parametrize("suffix", tagged.FORMATS)
def test_values_of_other_programs_are_replaced_and_come_back(
    songs: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    path = Path(shutil.copy(songs[suffix], tmp_path))
    with taglib.File(str(path), save_on_exit=True) as file:
        file.tags["GENRE"] = ["Tango", "Söul"]
        file.tags["MOOD"] = ["Wild"]
        file.tags["TITLE"] = ["A title"]
    before = {name: set(values) for name, values in read_state(path).values.items() if values}
    assert before == {"genre": {"Tango", "Söul"}, "mood": {"Wild"}}
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
    assert ours(path) == VALUES
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
    with pytest.raises(FileTagsError, match="not written into Matroska: no library for Python keeps all else"):
        read_state(tagged.make(tmp_path / "song.mka"))
    caf = sounds.write_int_wav(tmp_path / "song.wav", sounds.music(0.2, 8_000)[0], 8_000)
    with av.open(str(caf)) as source, av.open(str(tmp_path / "song.caf"), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            packet.stream = stream
            copy.mux(packet)
    with pytest.raises(
        FileTagsError, match=r"not written into this format .caf.*only into MP3, WAV, .*, Musepack, AAC$"
    ):
        read_state(tmp_path / "song.caf")


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

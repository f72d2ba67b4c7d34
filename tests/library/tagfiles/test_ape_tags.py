"""APEv2 tags as they are found in WavPack, Monkey's Audio, Musepack and AAC: what is not ours stays, and undo is exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import taglib
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TCON, TIT2, ParseID3v1

from earmark.core.errors import FileTagsError
from earmark.library.scan.content import read_content
from earmark.library.tagfiles.undo import plan_undo, undo_file
from earmark.library.tagfiles.undo_log import UndoLog, read_log
from earmark.library.tagfiles.write import Target, read_state
from tests.helpers import hand_built, tagged
from tests.helpers.tag_writing import take_back, write
from tests.helpers.tagged import BINARY, LINK, READ_ONLY, ape_item, ape_tag

V1 = b"TAG" + b"The title".ljust(30, b"\0") + b"Artist".ljust(30, b"\0") + b"Album".ljust(30, b"\0")
V1 += b"1999" + b"comment".ljust(28, b"\0") + b"\0\x07" + b"\x11"
ROCK = {"genre": Target(("Jazz", "Rock")), "scores": Target(("rock=0.900",))}

Song = Callable[..., Path]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Sound without any tag."""
    folder = tmp_path_factory.mktemp("bare")
    made = {suffix: tagged.make(folder / f"song{suffix}", 0.3).read_bytes() for suffix in tagged.APE_FORMATS}
    return {suffix: tagged.without_ape_tag(content) for suffix, content in made.items()}


@pytest.fixture
def song(bare: dict[str, bytes], tmp_path: Path) -> Song:
    """A song with something behind its sound."""

    def make(*behind: bytes, suffix: str = ".mpc", front: bytes = b"") -> Path:
        path = tmp_path / f"song{suffix}"
        path.write_bytes(front + bare[suffix] + b"".join(behind))
        return path

    return make


def back_and_forth(path: Path, targets: dict[str, Target] = ROCK) -> bytes:
    """Write, undo, undo the undo, and undo again: always to the byte. Returns the file as it was written."""
    content, key = path.read_bytes(), read_content(path).key
    log = write(path, targets)
    written = path.read_bytes()
    assert written != content
    for expected in (content, written, content):
        assert read_content(path).key == key
        assert take_back(log)
        assert path.read_bytes() == expected
    return written


@pytest.mark.parametrize("suffix", tagged.APE_FORMATS)
def test_items_of_others_stay_where_they_are(song: Song, suffix: str) -> None:
    odd = [
        ape_item("Cover Art (Front)", b"front.png\0" + tagged.PICTURE, BINARY),
        ape_item("Artist", b"Somebody\0Somebody Else"),
        ape_item("ARTIST", b"in capitals"),
        ape_item("Year", b"1999", READ_ONLY),
        ape_item("Related", b"https://example.org/", LINK | READ_ONLY),
        ape_item("Comment", b"no UTF-8: \xe9"),
        ape_item("Empty", b""),
        ape_item("Reserved", b"?", 0b110),
    ]
    written = back_and_forth(song(ape_tag(*odd), suffix=suffix))
    ours = [ape_item("Genre", b"Jazz\0Rock"), ape_item("EARMARK_SCORES", b"rock=0.900")]
    assert tagged.ape_items(written) == odd + ours


def test_musepack_of_both_stream_versions(tmp_path: Path) -> None:
    for name, content in (("7.mpc", hand_built.musepack_7(0.3)), ("8.mpc", hand_built.musepack_8(0.3))):
        path = tmp_path / name
        path.write_bytes(content)
        assert read_state(path).kind == "Musepack (APEv2)"
        back_and_forth(path)


def test_a_field_keeps_its_place_and_the_case_of_its_key(song: Song) -> None:
    title, album = ape_item("Title", b"t"), ape_item("Album", b"a")
    path = song(ape_tag(title, ape_item("GENRE", b"Tango\0S\xc3\xb6ul"), album))
    assert read_state(path).values["genre"] == ("Tango", "Söul")
    written = back_and_forth(path, {"genre": Target(("Rock",)), "mood": Target(("Calm",))})
    assert tagged.ape_items(written) == [title, ape_item("GENRE", b"Rock"), album, ape_item("Mood", b"Calm")]


def test_keys_that_differ_in_case_only_are_one_field(song: Song) -> None:
    title, album = ape_item("Title", b"t"), ape_item("Album", b"a")
    path = song(ape_tag(ape_item("genre", b"Old"), title, ape_item("GENRE", b"Older"), album))
    assert read_state(path).values["genre"] == ("Old", "Older")
    written = back_and_forth(path, {"genre": Target(("New",))})
    assert tagged.ape_items(written) == [ape_item("genre", b"New"), title, album]


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (ape_tag(ape_item("Genre", b"Tango", READ_ONLY)), "its Genre is marked as read-only"),
        (ape_tag(ape_item("Genre", b"\0\1", BINARY)), "its Genre is no text"),
        (ape_tag(ape_item("Genre", b"file://x", LINK)), "its Genre is no text"),
        (ape_tag(ape_item("Title", b"t"), flags=READ_ONLY), "its APEv2 tag is marked as read-only"),
        (ape_tag(ape_item("Title", b"t"), header=False, version=1000), "its tag is APEv1, which no program writes"),
        (ape_tag(ape_item("Title", b"t"), header=False)[4:], "item 1 of 1 is cut off"),
        (ape_tag(ape_item("Title", b"t"))[32:], "its header is not where its footer says"),
        (ape_tag(ape_item("Title", b"t")[:-1] + b"\0x", b"\xff" * 9), "item 2 of 2 is cut off"),
        (ape_tag(b"\xff\xff\0\0" + ape_item("Title", b"t")[4:]), "item 1 of 1 is cut off"),
    ],
)
def test_what_may_not_or_cannot_be_changed(song: Song, tag: bytes, reason: str) -> None:
    path = song(tag)
    content = path.read_bytes()
    with pytest.raises(FileTagsError, match=reason):
        write(path, ROCK)
    assert path.read_bytes() == content
    assert list(path.parent.glob(".*")) == []


def test_a_read_only_item_of_another_field_does_not_matter(song: Song) -> None:
    year = ape_item("Year", b"1999", READ_ONLY)
    assert tagged.ape_items(back_and_forth(song(ape_tag(year))))[0] == year


def test_tags_as_some_programs_leave_them(song: Song) -> None:
    title = ape_item("Title", b"t")
    no_header = song(ape_tag(title, header=False))
    assert back_and_forth(no_header)[-200:].count(b"APETAGEX") == 1
    too_many = song(ape_tag(title, n_items=9))
    log = write(too_many, ROCK)
    assert tagged.ape_items(too_many.read_bytes())[0] == title
    (entry,) = read_log(log)[-1].entries
    assert entry.is_exact is False  # the count is right afterwards
    too_few = song(ape_tag(title, ape_item("Album", b"not counted"), n_items=1))
    written = back_and_forth(too_few)
    assert b"not counted" in written
    assert APEv2(too_few)["Title"] == "t"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", tagged.APE_FORMATS)
def test_id3v1_is_kept_and_only_its_genre_follows(song: Song, suffix: str) -> None:
    lyrics = b"LYRICSBEGIN" + b"IND0000200" + b"LYR00009[00:01]la"
    lyrics += b"%06d" % len(lyrics) + b"LYRICS200"
    for behind in (V1, lyrics + V1):
        written = back_and_forth(song(ape_tag(ape_item("Title", b"t")), behind, suffix=suffix))
        assert written.endswith(behind[:-1] + b"\x08")
        path = song(ape_tag(ape_item("Title", b"t")), behind, suffix=suffix)
        assert read_state(path).values["genre"] == ("Rock",)  # number 17
        write(path, {"genre": Target(("No such genre there",))})
        assert path.read_bytes()[-1] == 255


@pytest.mark.parametrize("suffix", [".wv", ".ape", ".mpc"])
def test_a_file_with_id3v1_alone_keeps_its_title_for_all_players(song: Song, suffix: str) -> None:
    path = song(V1, suffix=suffix)
    assert "ID3v1" in read_state(path).notes[0]
    back_and_forth(path)
    write(path, ROCK)
    with taglib.File(str(path)) as file:
        assert (file.tags["TITLE"], file.tags["ARTIST"], file.tags["ALBUM"]) == (["The title"], ["Artist"], ["Album"])
        assert (file.tags["DATE"], file.tags["TRACKNUMBER"], file.tags["COMMENT"]) == (["1999"], ["7"], ["comment"])
        assert file.tags["GENRE"] == ["Jazz", "Rock"]


@pytest.mark.slow
def test_a_new_tag_stands_before_lyrics3_which_stands_before_id3v1(song: Song) -> None:
    lyrics = b"LYRICSBEGIN" + b"IND0000200" + b"LYR00009[00:01]la"
    lyrics += b"%06dLYRICS200" % len(lyrics)
    for suffix in (".wv", ".ape", ".mpc"):
        written = back_and_forth(song(lyrics, V1, suffix=suffix))
        assert written.endswith(lyrics + V1[:-1] + b"\x08")


@pytest.mark.parametrize("suffix", [".mp3", ".mpc"])
def test_a_genre_comes_back_where_the_id3v1_tag_that_held_it_is_gone(tmp_path: Path, suffix: str) -> None:
    """mutagen removes ID3v1 where it saves an APEv2 tag."""
    path = tagged.make(tmp_path / f"song{suffix}", 0.3)
    path.write_bytes(path.read_bytes() + V1)
    log = write(path, ROCK)
    path.write_bytes(path.read_bytes()[: -len(V1)])
    (entry,) = read_log(log)[-1].entries
    undo = plan_undo(entry)
    assert undo.losses
    with UndoLog(log, "undo", "x") as open_log:
        undo_file(undo, open_log)
    assert read_state(path).values["genre"] == ("Rock",)  # number 17
    assert read_state(path).values["scores"] == ()


def test_a_tag_without_items(song: Song) -> None:
    for header in (True, False):
        for behind in (b"", V1):
            path = song(ape_tag(header=header), behind)
            others = tagged.without_ape_tag(path.read_bytes()) if not behind else None
            log = write(path, ROCK)
            assert read_state(path).values["genre"] == ("Jazz", "Rock")
            take_back(log)
            assert read_state(path).values["genre"] == (("Rock",) if behind else ())
            assert others is None or tagged.without_ape_tag(path.read_bytes()) == others


@pytest.mark.slow
@pytest.mark.parametrize("suffix", tagged.APE_FORMATS)
def test_a_picture_of_megabytes(song: Song, suffix: str) -> None:
    picture = ape_item("Cover Art (Front)", b"front.jpg\0" + bytes(range(256)) * 12_000, BINARY)
    written = back_and_forth(song(ape_tag(picture), V1, suffix=suffix))
    assert tagged.ape_items(written[: -len(V1)])[0] == picture


@pytest.mark.parametrize("suffix", tagged.APE_FORMATS)
def test_three_letters_in_an_apev2_tag_are_no_id3v1_tag(song: Song, suffix: str) -> None:
    """Where ID3v1 would begin, 128 bytes before the end. (In an MP3 mutagen takes them for it: that one is left alone.)"""
    tag = ape_tag(ape_item("Comment", b"x" * 200))
    path = song(tag[:-128] + b"TAG" + tag[-125:], suffix=suffix)
    (item,) = tagged.ape_items(path.read_bytes())
    assert b"TAG" in item
    assert tagged.ape_items(back_and_forth(path))[0] == item
    mp3 = tagged.make(path.with_name("song.mp3"), 0.3)
    mp3.write_bytes(content := mp3.read_bytes() + ape_tag(item))
    with pytest.raises(FileTagsError, match="would not survive unchanged"):
        write(mp3, ROCK)
    assert mp3.read_bytes() == content


@pytest.mark.slow
def test_only_genre_and_mood_of_an_mp3s_apev2_tag_are_ours_to_read(tmp_path: Path) -> None:
    path = tagged.make(tmp_path / "song.mp3", 0.3)
    items = (
        ape_item("Genre", b"Tango\0Waltz"),
        ape_item("Model", b"T"),
        ape_item("Scores", b"9"),
        ape_item("x", b"\xe9"),
    )
    path.write_bytes(path.read_bytes() + ape_tag(*items))
    state = read_state(path)
    assert {field: values for field, values in state.values.items() if values} == {"genre": ("Tango", "Waltz")}
    assert any("its APEv2 tag stays as it is" in note for note in state.notes)
    assert back_and_forth(path).endswith(ape_tag(*items))
    path.write_bytes(path.read_bytes() + V1)
    assert read_state(path).values["genre"] == ("Tango", "Waltz")  # ID3v1 has another one, which no program prefers
    assert read_content(path).genre == "Tango; Waltz"
    assert back_and_forth(path).endswith(ape_tag(*items) + V1[:-1] + b"\x08")


def test_a_tag_that_says_the_same_as_id3v1_is_not_taken_for_ours(song: Song) -> None:
    path = song(V1)
    log = write(path, ROCK)
    items = tagged.ape_items(path.read_bytes()[: -len(V1)])
    copies = [item for item in items if b"Genre" not in item and b"EARMARK" not in item]
    assert len(copies) == 6
    take_back(log)
    back_and_forth(song(ape_tag(*copies), V1))


@pytest.mark.slow
def test_an_id3_tag_that_says_the_same_as_id3v1_is_not_taken_for_ours(tmp_path: Path) -> None:
    tags = ID3()
    for name, frame in ParseID3v1(V1, 4).items():
        if name != "TCON":
            tags.add(frame)
    path = tagged.make(tmp_path / "song.mp3", 0.3)
    tags.save(path, v1=0)
    path.write_bytes(path.read_bytes() + V1)
    back_and_forth(path)


# AAC ------------------------------------------------------------------------------------------------------


def id3(*frames: bytes) -> bytes:
    return tagged.id3_tag(4, b"".join(frames))


TITLE, TANGO = tagged.id3_frame(b"TIT2", b"\3From ID3", 4), tagged.id3_frame(b"TCON", b"\3Tango", 4)


def test_aac_with_id3_alone_is_written_there(song: Song) -> None:
    """An APEv2 tag with two fields would hide the title from FFmpeg, which then leaves out ID3."""
    path = song(suffix=".aac", front=id3(TITLE))
    assert read_state(path).kind == "AAC (ID3v2.4)"
    back_and_forth(path)
    write(path, ROCK)
    read_by_ffmpeg = tagged.ffmpeg_metadata(path)
    assert (read_by_ffmpeg["TITLE"], read_by_ffmpeg["GENRE"]) == ("From ID3", "Jazz")
    with taglib.File(str(path)) as file:
        assert (file.tags["TITLE"], file.tags["GENRE"]) == (["From ID3"], ["Jazz", "Rock"])
    assert read_content(path).title == "From ID3"
    assert read_content(path).genre == "Jazz; Rock"


def test_aac_with_an_id3_tag_without_frames(song: Song) -> None:
    """Undo takes the tag away, and what is left is a file for APEv2."""
    for padding in (0, 100):
        path = song(suffix=".aac", front=tagged.id3_tag(4, b"", padding=padding))
        bare = path.read_bytes()[10 + padding :]
        log = write(path, ROCK)
        take_back(log)
        assert path.read_bytes().endswith(bare)
        assert read_state(path).values["genre"] == ()


def test_aac_with_both_is_written_to_apev2_with_a_note(song: Song) -> None:
    path = song(ape_tag(ape_item("Title", b"From APE")), suffix=".aac", front=id3(TITLE, TANGO))
    state = read_state(path)
    assert state.kind == "AAC (APEv2)"
    assert state.values["genre"] == ("Tango",)  # so that it is not taken for empty
    assert any("its ID3v2 tag stays as it is" in note for note in state.notes)
    written = back_and_forth(path)
    assert written.startswith(id3(TITLE, TANGO))
    assert read_content(path).title == "From APE"


def test_undo_where_another_program_changed_the_kind_of_the_tag(song: Song) -> None:
    for first in ("APEv2", "ID3v2"):
        if first == "APEv2":
            path = song(ape_tag(ape_item("Genre", b"Old")), suffix=".aac")
        else:
            path = song(suffix=".aac", front=id3(tagged.id3_frame(b"TCON", b"\3Old", 4)))
        log = write(path, ROCK)
        content = tagged.without_ape_tag(path.read_bytes())
        tags = ID3()
        if first == "APEv2":
            tags.add(TIT2(encoding=3, text="T"))
            tags.add(TCON(encoding=3, text=["Jazz", "Rock"]))
            path.write_bytes(content)
            tags.save(path)
        else:
            ID3(path).delete()
            other = APEv2()
            other["Title"], other["Genre"] = "T", ["Jazz", "Rock"]
            other.save(path)
        (entry,) = read_log(log)[-1].entries
        undo = plan_undo(entry)
        assert {change.field for change in undo.plan.changes} == {"genre"}
        with UndoLog(log, "undo", "x") as open_log:
            undo_file(undo, open_log)
        assert read_state(path).values["genre"] == ("Old",)
        log.unlink()

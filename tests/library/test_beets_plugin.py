"""The plugin in a real beets: imports, the command, files and library as other programs see them."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import mutagen
import pytest
import yaml

from earmark.core.musical_key import MusicalKey
from earmark.tagging.runtime import DEFAULT_MODEL, find_model, read_card
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import load_tagger
from tests.conftest import ROOT
from tests.helpers import sounds
from tests.helpers.degrees import CARD as GRADED
from tests.helpers.onnx_files import tiny

pytestmark = pytest.mark.slow

pytest.importorskip("beets")
mediafile = pytest.importorskip("mediafile")

CLIPS = ROOT / "examples" / "clips"
ALL = {"genres": {"threshold": 0}, "moods": {"threshold": 0}, "write": True}
"""So that every track gets two genres and three moods, whatever the model thinks of it."""

WATCHED = """
import sys
from beets import ui
try:
    ui.main(sys.argv[1:])
finally:
    print("loaded" if "onnxruntime" in sys.modules else "not loaded")
"""
"""beets, and whether the model was loaded."""

Beet = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def scores_by_name() -> dict[str, TagScores]:
    tagger = load_tagger()
    return {path.name: tagger.tag(path) for path in sorted(CLIPS.iterdir())}


def expected(scores: TagScores, category: str, n: int) -> list[str]:
    names = [tag.tag for tag in scores.top(0) if tag.category == category]
    return [" ".join(word.capitalize() for word in name.split()) for name in names[:n]]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """An album of three, without genres but for the last."""
    folder = tmp_path / "new" / "album"
    folder.mkdir(parents=True)
    for i, name in enumerate(("01-piano.flac", "03-rock.mp3", "05-jazz.m4a"), start=1):
        shutil.copy(CLIPS / name, folder / name)
        tags = mutagen.File(folder / name, easy=True)
        tags.delete()
        tags.update({"title": name, "artist": "Someone", "album": "Clips", "tracknumber": str(i)})
        if name == "05-jazz.m4a":
            tags["genre"] = ["Bebop"]
        tags.save()
    return folder


@pytest.fixture
def beet(tmp_path: Path) -> Beet:
    """Runs the program in a beets of its own. ``options`` are the plugin's, ``rest`` the rest of the configuration."""

    def run(
        *arguments: object,
        options: object = ALL,
        code: int = 0,
        program: Sequence[str] = ("-m", "beets"),
        **rest: object,
    ) -> subprocess.CompletedProcess:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        config = {
            "directory": str(tmp_path / "library"),
            "library": str(home / "library.db"),
            "plugins": "earmark",
            "import": {"copy": True, "autotag": False},
            "earmark": options,
            **rest,
        }
        (home / "config.yaml").write_text(yaml.safe_dump(config))
        done = subprocess.run(
            [sys.executable, *program, *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "BEETSDIR": str(home)},
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def listed(beet: Beet, *query: str) -> dict[str, tuple[str, str]]:
    """Title -> genres and moods of the library."""
    lines = beet("list", "-f", "$title/$genres/$mood", *query).stdout.splitlines()
    return {title: (genres, mood.replace("$mood", "")) for title, genres, mood in (line.split("/") for line in lines)}


def imported(tmp_path: Path, name: str) -> mutagen.FileType:
    (path,) = (tmp_path / "library").rglob(f"*{Path(name).suffix}")
    return mutagen.File(path)


def test_an_import_fills_library_and_files_and_leaves_what_is_there(
    beet: Beet, music: Path, tmp_path: Path, scores_by_name: dict[str, TagScores]
) -> None:
    beet("import", "-q", music.parent)
    rows = listed(beet)
    assert len(rows) == 3
    for name, (genres, moods) in rows.items():
        wanted = ["Bebop"] if name == "05-jazz.m4a" else expected(scores_by_name[name], "genre", 2)
        assert genres.split("; ") == wanted
        assert moods.split("; ") == expected(scores_by_name[name], "mood", 3)
    piano, rock, jazz = ("01-piano.flac", "03-rock.mp3", "05-jazz.m4a")
    flac, mp3, m4a = (imported(tmp_path, name) for name in (piano, rock, jazz))
    assert flac.tags["GENRE"] == expected(scores_by_name[piano], "genre", 2)
    assert flac.tags["MOOD"] == expected(scores_by_name[piano], "mood", 3)
    assert mp3.tags["TCON"].text == expected(scores_by_name[rock], "genre", 2)
    assert mp3.tags["TMOO"].text == expected(scores_by_name[rock], "mood", 3)
    assert not mp3.tags.getall("TXXX:MOOD")
    assert m4a.tags["\xa9gen"] == ["Bebop"]
    assert [bytes(v).decode() for v in m4a.tags["----:com.apple.iTunes:MOOD"]] == expected(
        scores_by_name[jazz], "mood", 3
    )
    (album,) = beet("list", "-a", "-f", "$genres").stdout.splitlines()
    assert album  # the album has genres, too
    first_mood = expected(scores_by_name[rock], "mood", 1)[0]
    assert rock in listed(beet, f"mood:{first_mood}")
    assert set(listed(beet, f"earmark_model:{DEFAULT_MODEL}")) == set(rows)


def test_files_are_written_when_beets_writes_them(
    beet: Beet, music: Path, tmp_path: Path, scores_by_name: dict[str, TagScores]
) -> None:
    options = {**ALL, "write": "auto"}
    beet("import", "-q", music, options=options)  # as it is: beets leaves the files alone
    mp3 = imported(tmp_path, "03-rock.mp3")
    assert not {"TMOO", "TCON"} & set(mp3.tags)
    beet("write", options=options)
    assert imported(tmp_path, "03-rock.mp3").tags["TMOO"].text == expected(scores_by_name["03-rock.mp3"], "mood", 3)


def test_an_import_leaves_tracks_alone_where_it_is_asked_to(beet: Beet, music: Path, tmp_path: Path) -> None:
    beet("import", "-q", music, options={"auto": False})
    assert set(listed(beet).values()) == {("", ""), ("Bebop", "")}
    mp3 = imported(tmp_path, "03-rock.mp3")
    assert not {"TMOO", "TCON"} & set(mp3.tags)  # no empty frames either


def test_the_command_shows_fills_and_replaces(
    beet: Beet, music: Path, tmp_path: Path, scores_by_name: dict[str, TagScores]
) -> None:
    beet("import", "-q", music, options={"auto": False})
    before = listed(beet)
    files = {path: path.read_bytes() for path in (tmp_path / "library").rglob("*.*")}

    shown = beet("earmark", "-p").stdout
    assert expected(scores_by_name["03-rock.mp3"], "genre", 2)[0] in shown
    assert listed(beet) == before

    beet("earmark", "-W", "title:rock")
    after = listed(beet)
    assert after["03-rock.mp3"][0].split("; ") == expected(scores_by_name["03-rock.mp3"], "genre", 2)
    assert {name: after[name] for name in before if name != "03-rock.mp3"} == {
        name: before[name] for name in before if name != "03-rock.mp3"
    }
    assert all(path.read_bytes() == content for path, content in files.items())

    again = beet("earmark", "-W", "title:rock")
    assert again.stdout == ""  # it lacks nothing any more

    beet("earmark", "--force", "title:jazz")
    assert listed(beet)["05-jazz.m4a"][0].split("; ") == expected(scores_by_name["05-jazz.m4a"], "genre", 2)
    assert imported(tmp_path, "05-jazz.m4a").tags["\xa9gen"] == expected(scores_by_name["05-jazz.m4a"], "genre", 2)


def uses_the_model(beet: Beet, *arguments: object, options: object) -> bool:
    """Whether a run loads the model."""
    said = beet(*arguments, options=options, program=("-c", WATCHED)).stdout.splitlines()[-1]
    assert said in ("loaded", "not loaded")
    return said == "loaded"


@pytest.fixture
def quick(tmp_path: Path) -> dict[str, object]:
    """Options with which a second is tagged in no time: each track is rock, and some are calm or soft."""
    return {"model": str(tiny(tmp_path / "quick.onnx", GRADED)), "genres": {"threshold": 0, "max": 1}}


@pytest.fixture
def seconds(tmp_path: Path) -> Path:
    """Two tracks of a second, one of which has a genre."""
    folder = tmp_path / "seconds"
    folder.mkdir()
    for name, genre in (("one.mp3", []), ("two.flac", ["Bebop"])):
        tags = mutagen.File(sounds.write(folder / name, sounds.music(1, 16_000), 16_000), easy=True)
        tags.update({"title": name, "artist": "Someone", "album": "Seconds", "genre": genre})
        tags.save()
    return folder


@pytest.mark.parametrize("mode", ["fill", "merge", "overwrite"])
def test_a_second_run_does_not_listen(beet: Beet, seconds: Path, quick: dict, mode: str) -> None:
    options = {
        **quick,
        "genres": {**quick["genres"], "mode": mode},
        "moods": {"threshold": 1.0, "mode": mode},  # so that none is found
    }
    beet("import", "-q", seconds, options={**options, "auto": False})
    assert uses_the_model(beet, "earmark", options=options)
    filled = listed(beet)
    assert all(genres and not mood for genres, mood in filled.values())
    for again in ((), ("--force", "title:one")):
        assert not uses_the_model(beet, "earmark", *again, options=options)
    assert listed(beet) == filled


def test_the_command_does_not_tag_again_what_import_has_tagged(beet: Beet, seconds: Path, quick: dict) -> None:
    assert uses_the_model(beet, "import", "-q", seconds, options={**quick, "moods": {"threshold": 1.0}})
    assert not uses_the_model(beet, "earmark", options={**quick, "moods": {"threshold": 1.0}})


def test_it_tags_again_where_the_answer_may_differ(beet: Beet, seconds: Path, quick: dict, tmp_path: Path) -> None:
    without = {**quick, "moods": {"threshold": 1.0}}
    beet("import", "-q", seconds, options=without)
    assert uses_the_model(beet, "earmark", "title:one", options={**quick, "moods": {"threshold": 0}})
    assert listed(beet)["one.mp3"][1]
    assert not uses_the_model(beet, "earmark", "title:two", options=without)
    (flac,) = (tmp_path / "library").rglob("*.flac")
    sounds.write(flac, sounds.music(3, 16_000), 16_000)  # another recording in its place
    beet("update", "-F", "length", options=without)
    assert uses_the_model(beet, "earmark", options=without)


def test_what_was_found_before_is_used_without_tagging_again(beet: Beet, seconds: Path, quick: dict) -> None:
    options = {**quick, "moods": {"threshold": 0}}
    beet("import", "-q", seconds, options=options)
    moods = listed(beet)["one.mp3"][1]
    assert moods
    beet("modify", "-y", "title:one", "mood=", "genres=Polka", options=options)
    assert not uses_the_model(beet, "earmark", "title:one", options=options)
    assert listed(beet)["one.mp3"] == ("Polka", moods)
    assert not uses_the_model(beet, "earmark", "--force", options=options)
    assert {genres for genres, _ in listed(beet).values()} == {"Rock"}


def test_what_import_left_in_the_library_is_written_by_the_command(
    beet: Beet, seconds: Path, quick: dict, tmp_path: Path
) -> None:
    options = {**quick, "moods": {"threshold": 0}}
    beet("import", "-q", seconds, options=options)  # with autotag: no, beets writes nothing
    files = {path: path.read_bytes() for path in (tmp_path / "library").rglob("*.*")}
    assert not {"TMOO", "TCON"} & set(imported(tmp_path, "one.mp3").tags)

    assert beet("earmark", "-W", options=options).stdout == ""
    assert "Rock" in beet("earmark", "-w", "-p", options=options).stdout
    assert all(path.read_bytes() == content for path, content in files.items())

    done = beet("earmark", "-w", options=options)
    assert "2 tracks: 2 written into files" in done.stderr
    assert imported(tmp_path, "one.mp3").tags["TCON"].text == ["Rock"]
    assert "; ".join(imported(tmp_path, "one.mp3").tags["TMOO"].text) == listed(beet)["one.mp3"][1]
    files = {path: path.read_bytes() for path in files}
    again = beet("earmark", "-w", options=options)
    assert (again.stdout, again.stderr) == ("", "earmark: 2 tracks: nothing to do\n")
    assert all(path.read_bytes() == content for path, content in files.items())


def test_changes_that_are_not_earmarks_stay_in_the_library(
    beet: Beet, seconds: Path, quick: dict, tmp_path: Path
) -> None:
    beet("import", "-q", seconds, options={**quick, "write": True})
    beet("modify", "-y", "-W", "title:one", "artist=Other", options=quick)
    assert beet("earmark", "-w", options=quick).stdout == ""
    assert imported(tmp_path, "one.mp3").tags["TPE1"].text == ["Someone"]


def test_a_mapping_decides_on_words_and_merge_keeps_what_is_there(beet: Beet, music: Path, tmp_path: Path) -> None:
    beet("import", "-q", music, options={"auto": False})
    genres = [tag.name for tag in read_card(find_model()).vocabulary if tag.category == "genre"]
    words = "\n".join(f'"{tag}" = ["Word", "{tag.title()}ish"]' for tag in genres)
    (tmp_path / "home" / "words.toml").write_text(f"[genre]\n{words}\n")
    options = {"mapping": "words.toml", "genres": {"threshold": 0, "max": 1, "mode": "merge"}}
    beet("earmark", options=options)
    rows = listed(beet)
    assert rows["05-jazz.m4a"] == ("Bebop; Word", "")
    assert rows["03-rock.mp3"] == ("Word", "")


def test_degrees_are_no_moods(beet: Beet, music: Path, tmp_path: Path) -> None:
    model = tiny(tmp_path / "graded.onnx", GRADED)
    beet("import", "-q", music.parent, options={**ALL, "model": str(model)})
    rows = listed(beet)
    assert len(rows) == 3
    assert all(set(moods.split("; ")) == {"Calm", "Soft"} for _, moods in rows.values())


def test_with_id3v23_moods_are_kept_in_the_frame_that_it_has(beet: Beet, music: Path, tmp_path: Path) -> None:
    beet("import", "-q", music, id3v23=True)
    tags = imported(tmp_path, "03-rock.mp3").tags
    assert tags.version[:2] == (2, 3)
    assert len(tags["TXXX:MOOD"].text[0].split("/")) == 3  # beets' own way with several values in ID3v2.3
    shown = listed(beet)["03-rock.mp3"]
    beet("update", id3v23=True)
    assert listed(beet)["03-rock.mp3"] == shown


def test_broken_files_are_reported_and_the_rest_goes_on(beet: Beet, music: Path, tmp_path: Path) -> None:
    beet("import", "-q", music, options={"auto": False})
    (flac,) = (tmp_path / "library").rglob("*.flac")
    flac.unlink()
    done = beet("earmark")
    assert f"{flac}: not tagged: no such file" in done.stderr
    assert "3 tracks: 2 tagged, 2 changed, 2 written into files, 1 not readable" in done.stderr
    rows = listed(beet)
    assert rows["01-piano.flac"] == ("", "")
    assert rows["03-rock.mp3"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": DEFAULT_MODEL[:-1]}, f"did you mean {DEFAULT_MODEL}"),
        ({"mapping": "none.toml"}, "cannot be read"),
        ({"genres": {"threshold": 7}}, "must be a number from 0 to 1"),
        ({"genres": {"mode": "replace"}}, "mode"),
        ({"moods": {"max": -1, "threshold": 0}}, "max_moods -1"),
        ({"atuo": False}, "atuo: no such option; did you mean auto?"),
        ({"moods": {"treshold": 1}, "color": 1}, "moods: treshold: no such option; did you mean threshold?"),
        (
            {"color": 1},
            "color: no such option; there are: auto, model, mapping, write, genres, moods, bpm, initial_key",
        ),
        ({"write": "sometimes"}, "write 'sometimes': must be auto, yes or no"),
        ({"auto": "maybe"}, "auto 'maybe': must be yes or no"),
    ],
)
def test_wrong_options_stop_an_import_before_it_begins(
    beet: Beet, music: Path, tmp_path: Path, options: dict, message: str
) -> None:
    done = beet("import", "-q", music, options=options, code=1)
    assert message in done.stderr
    assert not list((tmp_path / "library").rglob("*.*"))
    assert message in beet("earmark", options=options, code=1).stderr


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".opus", ".m4a", ".wma", ".wav", ".aiff"])
def test_moods_go_into_every_format_and_out_again(tmp_path: Path, suffix: str) -> None:
    from beetsplug.earmark import mood_field

    class File(mediafile.MediaFile):
        mood = mood_field(id3v23=False)

    path = sounds.write(tmp_path / f"a{suffix}", sounds.music(1, 48_000), 48_000)
    for moods in (["Calm", "Sad"], ["Calm"], None):
        file = File(path)
        file.mood = moods
        file.save()
        assert File(path).mood == moods
    left = repr(mutagen.File(path).tags or "").lower()
    assert "mood" not in left
    assert "tmoo" not in left


def test_tempo_and_key_go_into_the_fields_of_beets(beet: Beet, music: Path, tmp_path: Path) -> None:
    options = {"genres": {"max": 0}, "moods": {"max": 0}, "bpm": True, "initial_key": True, "write": True}
    beet("import", "-q", music, options=options)
    rows = beet("list", "-f", "$title/$bpm/$initial_key/$earmark_bpm/$earmark_initial_key").stdout.splitlines()
    tagger = load_tagger(tempo=True, key=True)
    for name, bpm, key, found_bpm, found_key in (row.split("/") for row in rows):
        scores = tagger.tag(CLIPS / name)
        assert scores.tempo.bpm is not None
        assert scores.key.key is not None
        assert int(bpm) == int(found_bpm) == math.floor(scores.tempo.bpm + 0.5)
        assert MusicalKey.parse(key) == MusicalKey.parse(found_key) == scores.key.key
        assert mediafile.MediaFile(next((tmp_path / "library").rglob(f"*{Path(name).suffix}"))).bpm == int(bpm)
    assert not uses_the_model(beet, "earmark", options=options)
    beet("modify", "-y", "bpm=99", "initial_key=c", options=options)
    beet("earmark", options=options)
    assert {row.split("/")[1] for row in beet("list", "-f", "$title/$bpm").stdout.splitlines()} == {"99"}
    beet("earmark", "--force", options=options)
    assert beet("list", "-f", "$title/$bpm").stdout.splitlines() == ["/".join(row.split("/")[:2]) for row in rows]


@pytest.mark.parametrize("option", ["bpm", "initial_key"])
def test_switches_are_yes_or_no(beet: Beet, music: Path, option: str) -> None:
    assert f"{option} 'fast': must be yes or no" in beet("import", music, options={option: "fast"}, code=1).stderr

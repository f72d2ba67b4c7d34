"""The plugin in a real beets: imports, the command, files and library as other programs see them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mutagen
import pytest
import yaml

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

Beet = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def heard() -> dict[str, TagScores]:
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

    def run(*arguments: object, options: object = ALL, code: int = 0, **rest: object) -> subprocess.CompletedProcess:
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
            [sys.executable, "-m", "beets", *map(str, arguments)],
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
    beet: Beet, music: Path, tmp_path: Path, heard: dict[str, TagScores]
) -> None:
    beet("import", "-q", music.parent)
    rows = listed(beet)
    assert len(rows) == 3
    for name, (genres, moods) in rows.items():
        wanted = ["Bebop"] if name == "05-jazz.m4a" else expected(heard[name], "genre", 2)
        assert genres.split("; ") == wanted
        assert moods.split("; ") == expected(heard[name], "mood", 3)
    piano, rock, jazz = ("01-piano.flac", "03-rock.mp3", "05-jazz.m4a")
    flac, mp3, m4a = (imported(tmp_path, name) for name in (piano, rock, jazz))
    assert flac.tags["GENRE"] == expected(heard[piano], "genre", 2)
    assert flac.tags["MOOD"] == expected(heard[piano], "mood", 3)
    assert mp3.tags["TCON"].text == expected(heard[rock], "genre", 2)
    assert mp3.tags["TMOO"].text == expected(heard[rock], "mood", 3)
    assert not mp3.tags.getall("TXXX:MOOD")
    assert m4a.tags["\xa9gen"] == ["Bebop"]
    assert [bytes(v).decode() for v in m4a.tags["----:com.apple.iTunes:MOOD"]] == expected(heard[jazz], "mood", 3)
    (album,) = beet("list", "-a", "-f", "$genres").stdout.splitlines()
    assert album  # the album has genres, too
    first_mood = expected(heard[rock], "mood", 1)[0]
    assert rock in listed(beet, f"mood:{first_mood}")
    assert set(listed(beet, f"earmark_model:{DEFAULT_MODEL}")) == set(rows)


def test_files_are_written_when_beets_writes_them(
    beet: Beet, music: Path, tmp_path: Path, heard: dict[str, TagScores]
) -> None:
    options = {**ALL, "write": "auto"}
    beet("import", "-q", music, options=options)  # as it is: beets leaves the files alone
    mp3 = imported(tmp_path, "03-rock.mp3")
    assert not {"TMOO", "TCON"} & set(mp3.tags)
    beet("write", options=options)
    assert imported(tmp_path, "03-rock.mp3").tags["TMOO"].text == expected(heard["03-rock.mp3"], "mood", 3)


def test_an_import_leaves_tracks_alone_where_it_is_told_to(beet: Beet, music: Path, tmp_path: Path) -> None:
    beet("import", "-q", music, options={"auto": False})
    assert set(listed(beet).values()) == {("", ""), ("Bebop", "")}
    mp3 = imported(tmp_path, "03-rock.mp3")
    assert not {"TMOO", "TCON"} & set(mp3.tags)  # no empty frames either


def test_the_command_shows_fills_and_replaces(
    beet: Beet, music: Path, tmp_path: Path, heard: dict[str, TagScores]
) -> None:
    beet("import", "-q", music, options={"auto": False})
    before = listed(beet)
    files = {path: path.read_bytes() for path in (tmp_path / "library").rglob("*.*")}

    shown = beet("earmark", "-p").stdout
    assert expected(heard["03-rock.mp3"], "genre", 2)[0] in shown
    assert listed(beet) == before

    beet("earmark", "-W", "title:rock")
    after = listed(beet)
    assert after["03-rock.mp3"][0].split("; ") == expected(heard["03-rock.mp3"], "genre", 2)
    assert {name: after[name] for name in before if name != "03-rock.mp3"} == {
        name: before[name] for name in before if name != "03-rock.mp3"
    }
    assert all(path.read_bytes() == content for path, content in files.items())

    again = beet("earmark", "title:rock")
    assert again.stdout == ""  # it lacks nothing any more

    beet("earmark", "--force", "title:jazz")
    assert listed(beet)["05-jazz.m4a"][0].split("; ") == expected(heard["05-jazz.m4a"], "genre", 2)
    assert imported(tmp_path, "05-jazz.m4a").tags["\xa9gen"] == expected(heard["05-jazz.m4a"], "genre", 2)


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


def test_broken_files_are_told_and_the_rest_goes_on(beet: Beet, music: Path, tmp_path: Path) -> None:
    beet("import", "-q", music, options={"auto": False})
    (flac,) = (tmp_path / "library").rglob("*.flac")
    flac.unlink()
    done = beet("earmark")
    assert f"{flac}: not tagged: no such file" in done.stderr
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
    ],
)
def test_wrong_options_stop_an_import_before_it_begins(
    beet: Beet, music: Path, tmp_path: Path, options: dict, message: str
) -> None:
    done = beet("import", "-q", music, options=options, code=1)
    assert message in done.stderr
    assert not list((tmp_path / "library").rglob("*.*"))


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

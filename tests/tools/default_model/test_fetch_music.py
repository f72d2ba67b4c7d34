"""The command that downloads the music of earmark-2, with packages and repositories made for the test."""

from __future__ import annotations

import csv
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from tools.default_model.__main__ import fetch_music as command
from tools.default_model.music import download
from tools.default_model.music.fetch import fetch_music
from tools.default_model.music.kept_apart import ComposerTitles, normalize, title_from_name
from tools.default_model.music.listing import is_wanted, read_listing
from tools.default_model.music.sources import Source, read_sources
from tools.default_model.music.tracks import build_tracks, read_tracks, split_of

from earmark.core.errors import ConfigError, DataError
from earmark.datasets.labelled_set.songs import read_songs
from tests.helpers.sounds import music, write

RATE_HZ = 16_000
MACLEOD = """repo,path,seconds,title,genre,instruments,feel,bpm
owner/songs,music/Kevin MacLeod - Named He.mp3,30,Quite Another,Jazz,Piano,Calm,90
other/repo,music/x.mp3,30,Pixel Polka - faster,Polka,"Synths, Kit",Bouncy,120
other/repo,music/y.mp3,30,Café del Sol,Latin,Guitar,Relaxed,90
"""


def song(path: Path, seed: int, seconds: float = 21.0, gain: float = 1.0, **tags: str) -> Path:
    """Made music with tags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = write(path.with_name(f"plain-{path.name}"), gain * music(seconds, RATE_HZ, seed=seed), RATE_HZ)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        target.metadata.update(tags)
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    plain.unlink()
    return path


def repository(mirror: Path, name: str, work: Path) -> None:
    """Commit a folder into a bare repository of the mirror."""
    bare = mirror / name.replace("/", "+") / "repo"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "music"], ["clone", "-q", "--bare", ".", str(bare)]):
        subprocess.run([*git, *words], cwd=work, check=True)


def package(cache: Path, name: str, tree: Path) -> Path:
    """Build a Debian package from a folder."""
    control = tree / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: t\n"
    )
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", "--root-owner-group", str(tree), str(file)], check=True, capture_output=True)
    return file


def source(name: str, location: str, kind: str = "git", **fields: object) -> Source:
    return Source(name, kind, location, "CC0", "LICENSE", **fields)  # type: ignore[arg-type]


@pytest.fixture
def composer(tmp_path: Path) -> Path:
    table = tmp_path / "macleod.csv"
    table.write_text(MACLEOD, encoding="utf-8")
    return table


def fetch(tmp_path: Path, composer: Path, *sources: Source, **options: object) -> str:
    return fetch_music(sources, tmp_path / "out", composer, mirror=tmp_path / "mirror", **options)  # type: ignore[arg-type]


def rows(tmp_path: Path, table: str = "tracks.csv") -> list[dict[str, str]]:
    with (tmp_path / "out" / table).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.skipif(subprocess.run(["which", "dpkg-deb"], capture_output=True).returncode != 0, reason="no dpkg-deb")
def test_a_package_gives_its_music_also_from_zip_files_and_no_sounds(tmp_path: Path, composer: Path) -> None:
    tree = tmp_path / "tree"
    song(tree / "usr/share/game/music/one.flac", 1)
    song(tree / "usr/share/game/music/short.flac", 2, seconds=5)
    song(tree / "usr/share/game/sounds/horn.flac", 3)
    inner = song(tmp_path / "two.flac", 4)
    with zipfile.ZipFile(tree / "usr/share/game/data.pk3", "w") as archive:
        archive.write(inner, "music/two.flac")
        archive.write(inner, "sounds/noise.flac")
    package(tmp_path / "out/cache", "game-music", tree)
    text = fetch(tmp_path, composer, source("game", "game-music", "debian"))
    found = rows(tmp_path)
    assert [row["track_id"] for row in found] == [
        "game/usr/share/game/data.pk3/music/two.flac",
        "game/usr/share/game/music/one.flac",
    ]
    assert all((tmp_path / "out" / row["path"]).is_file() for row in found)
    assert [float(row["duration_s"]) for row in found] == pytest.approx([21.0, 21.0])
    assert {row["group"] for row in found} == {"game"}
    assert "| shorter than 20 s | game | 1 |" in text
    assert len(read_songs(tmp_path / "out/songs.csv")) == 2
    assert read_tracks(tmp_path / "out/tracks.csv")[0].duration_s == pytest.approx(21.0)


@pytest.mark.slow
def test_what_is_kept_apart_is_never_written(tmp_path: Path, composer: Path) -> None:
    work = tmp_path / "work"
    song(work / "music/Kevin MacLeod - Named He.flac", 1, title="Unlisted")
    song(work / "music/07_-_Cafe_Del_Sol_(1).flac", 2, artist="Kevin MacLeod")
    song(work / "music/Pixel Polka - Faster.flac", 3, artist="kevin macleod", title="Pixel Polka – faster")
    song(work / "music/Pixel Polka - slower.flac", 4, artist="Kevin MacLeod")
    song(work / "music/Pixel Polka - faster (2).flac", 5, comment="incompetech.com", title="Another Polka")
    song(work / "music/Some_Song_by_Kevin_MacLeod.flac", 6)
    song(work / "music/net.flac", 7, artist="Someone", comment="from Magnatune")
    song(work / "music/03 - Revolver.flac", 8)
    song(work / "music/Someone Else - Own.flac", 9)
    repository(tmp_path / "mirror", "owner/songs", work)
    fetch(tmp_path, composer, source("songs", "owner/songs", group="artist", needs_artist=True, reviewed="a test"))
    found = {row["title"]: row for row in rows(tmp_path)}
    assert set(found) == {"Café del Sol", "Pixel Polka - faster", "Own"}
    assert len(list((tmp_path / "out/audio/songs").iterdir())) == 3
    assert found["Pixel Polka - faster"]["instruments"] == "Synths, Kit"
    assert found["Own"]["artist"] == "Someone Else"
    listing = read_listing(tmp_path / "out/listings/songs.json", _of("songs", needs_artist=True))
    assert listing is not None
    assert dict(listing.left_out) == {"kept apart": 5, "artist unknown": 1}


def _of(name: str, **fields: object) -> Source:
    return source(name, f"owner/{name}", **fields)


def test_a_file_that_the_table_names_counts_whatever_it_is_called(composer: Path) -> None:
    titles = ComposerTitles(composer)
    found = titles.find("owner/songs", "music/Kevin MacLeod - Named He.mp3", "Unlisted")
    assert found is not None
    assert found.title == "Quite Another"
    assert titles.find("elsewhere/songs", "music/Kevin MacLeod - Named He.mp3", "") is None
    assert titles.find("elsewhere/songs", "Cafe del Sol.mp3", "Kevin MacLeod - Café Del Sol") is not None


@pytest.mark.slow
def test_a_source_whose_credits_name_kept_apart_music_waits_for_a_look(tmp_path: Path, composer: Path) -> None:
    for name, credit in (("one", "Music: Kevin Mac Leod"), ("two", "Music: Someone")):
        song(tmp_path / name / "a.flac", len(name) + len(credit))
        (tmp_path / name / "CREDITS.md").write_text(credit)
        repository(tmp_path / "mirror", f"owner/{name}", tmp_path / name)
    with pytest.raises(DataError, match=r"CREDITS.md names music that is kept apart"):
        fetch(tmp_path, composer, _of("one"), _of("two"))
    assert [row["source"] for row in rows(tmp_path)] == ["two"]
    fetch(tmp_path, composer, _of("one", reviewed="of another song"), _of("two"))
    assert [row["source"] for row in rows(tmp_path)] == ["one", "two"]


@pytest.mark.slow
def test_duplicates_are_dropped(tmp_path: Path, composer: Path) -> None:
    song(tmp_path / "one/a.flac", 1, artist="Ann", title="First Song")
    song(tmp_path / "one/same bytes.flac", 1, artist="Ann", title="First Song")
    song(tmp_path / "two/quieter.mp3", 1, gain=0.4)
    song(tmp_path / "two/b.flac", 2, artist="ann", title="02 - First song!")
    song(tmp_path / "two/c.flac", 3, artist="Bob", title="First Song")
    for name in ("one", "two"):
        repository(tmp_path / "mirror", f"owner/{name}", tmp_path / name)
    text = fetch(tmp_path, composer, _of("one"), _of("two"))
    assert [row["track_id"] for row in rows(tmp_path)] == ["one/a.flac", "two/c.flac"]
    for reason in (
        "duplicate: same file | one | 1",
        "duplicate: same recording | two | 1",
        "duplicate: same artist and title in another source | two | 1",
    ):
        assert reason in text


@pytest.mark.slow
def test_splits_follow_the_group_and_packages_with_a_common_artist_are_one(tmp_path: Path, composer: Path) -> None:
    song(tmp_path / "one/a.flac", 1, artist="Ann", title="A")
    song(tmp_path / "two/b.flac", 2, artist="ANN", title="B")
    song(tmp_path / "two/c.flac", 3)
    song(tmp_path / "three/d.flac", 4, artist="Bob", title="D")
    song(tmp_path / "measured/e.flac", 5, artist="Cid", title="E")
    for name in ("one", "two", "three", "measured"):
        repository(tmp_path / "mirror", f"owner/{name}", tmp_path / name)
    fetch(
        tmp_path,
        composer,
        _of("one"),
        _of("two"),
        _of("three", group="artist"),
        _of("measured", use="measure-only"),
    )
    found = rows(tmp_path)
    assert [row["group"] for row in found] == ["one", "one", "one", "artist bob"]
    assert [row["split"] for row in found] == [split_of("one")] * 3 + [split_of("artist bob")]
    assert [row["split"] for row in rows(tmp_path, "measure_only.csv")] == ["measure-only"]
    assert len(read_songs(tmp_path / "out/songs.csv")) == 4


def test_a_tenth_of_the_groups_is_for_validation_and_a_tenth_for_the_test() -> None:
    splits = [split_of(f"artist {k}") for k in range(2000)]
    assert 160 < splits.count("validation") < 240
    assert 160 < splits.count("test") < 240


def test_at_most_half_of_the_composers_titles_is_trained_on(composer: Path) -> None:
    table = "repo,path,title,genre,instruments,feel\n" + "".join(f"r,{k}.mp3,Title{k} x,,,\n" for k in range(400))
    composer.write_text(table)
    titles = ComposerTitles(composer)
    found = [titles.find("r", f"{k}.mp3", "") for k in range(400)]
    assert 150 < sum(title is not None and title.split == "train" for title in found) <= 200


def test_no_music_has_a_table_of_its_own(tmp_path: Path, composer: Path) -> None:
    song(tmp_path / "one/sounds/word.flac", 1, seconds=2)
    repository(tmp_path / "mirror", "owner/one", tmp_path / "one")
    fetch(tmp_path, composer, _of("one", content="speech"))
    assert rows(tmp_path) == []
    assert [row["content"] for row in rows(tmp_path, "no_music.csv")] == ["speech"]


@pytest.mark.slow
def test_what_is_done_is_not_done_again(tmp_path: Path, composer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k, name in enumerate(("one", "two")):
        song(tmp_path / name / "a.flac", k)
        repository(tmp_path / "mirror", f"owner/{name}", tmp_path / name)
    stopping: Callable[..., object] = download.members

    def stopped(source: Source, *rest: object) -> object:
        if source.name == "two":
            raise KeyboardInterrupt
        return stopping(source, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("tools.default_model.music.listing.members", stopped)
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, composer, _of("one"), _of("two"))
    (tmp_path / "mirror/owner+one").rename(tmp_path / "gone")  # "one" is not read again
    fetch(tmp_path, composer, _of("one"), _of("two"))
    first = (tmp_path / "out/tracks.csv").read_bytes()
    fetch(tmp_path, composer, _of("one"), _of("two"), only=["two"])
    assert (tmp_path / "out/tracks.csv").read_bytes() == first
    assert len(rows(tmp_path)) == 2


@pytest.mark.slow
def test_names_may_end_with_the_artist(tmp_path: Path, composer: Path) -> None:
    song(tmp_path / "one/Restless - Heart - Jimena.flac", 1)
    song(tmp_path / "one/plain.flac", 2)
    repository(tmp_path / "mirror", "owner/one", tmp_path / "one")
    fetch(tmp_path, composer, _of("one", artist_last=True))
    assert [(row["artist"], row["title"]) for row in rows(tmp_path)] == [("Jimena", "Restless - Heart"), ("", "plain")]


@pytest.mark.slow
def test_a_file_that_the_copy_lacks_is_counted(tmp_path: Path, composer: Path) -> None:
    song(tmp_path / "one/a.flac", 1)
    song(tmp_path / "one/b.flac", 2)
    repository(tmp_path / "mirror", "owner/one", tmp_path / "one")
    git = ["git", f"--git-dir={tmp_path}/mirror/owner+one/repo"]
    blob = subprocess.run([*git, "rev-parse", "HEAD:b.flac"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "mirror/owner+one/repo/objects" / blob[:2] / blob[2:]).unlink()
    text = fetch(tmp_path, composer, _of("one"))
    assert [row["track_id"] for row in rows(tmp_path)] == ["one/a.flac"]
    assert "| not in the copy of the repository (too large) | one | 1 |" in text


def test_wrong_names_and_a_missing_table_are_refused(tmp_path: Path, composer: Path) -> None:
    with pytest.raises(ConfigError, match="--only three: unknown; known are one"):
        fetch(tmp_path, composer, _of("one"), only=["three"])
    with pytest.raises(ConfigError, match=r"nowhere.csv: not there"):
        fetch(tmp_path, tmp_path / "nowhere.csv", _of("one"))


def test_the_table_of_sources() -> None:
    sources = read_sources()
    assert len({s.name for s in sources}) == len(sources) > 80
    assert all(s.use == "measure-only" for s in sources if s.licence.startswith("unknown"))
    assert callable(command)


def test_problems_of_a_table_of_sources_are_reported_together(tmp_path: Path) -> None:
    table = tmp_path / "sources.yaml"
    table.write_text("- {name: a, kind: zip, location: x, licence: CC0, licence_at: y}\n- {name: b, color: red}\n")
    with pytest.raises(DataError) as raised:
        read_sources(table)
    for text in ("kind 'zip' must be one of debian, git", "unknown field 'color'", "b: licence is missing"):
        assert text in str(raised.value)


def test_patterns() -> None:
    plain = source("a", "x")
    assert is_wanted(plain, "usr/share/music/a.ogg")
    assert not is_wanted(plain, "usr/share/SFX/a.ogg")
    assert not is_wanted(plain, "usr/share/music/a.txt")
    assert is_wanted(source("a", "x", files=("*/sounds/*",), leave_out=("*/b.*",)), "usr/sounds/a.ogg")
    assert not is_wanted(source("a", "x", files=("*/sounds/*",), leave_out=("*/b.*",)), "usr/sounds/b.ogg")


@pytest.mark.parametrize(
    ("written", "title"),
    [("01. A_Song (1)", "a song"), ("8bit Boss", "8Bit Boss!"), ("Don't & Do", "dont and do"), ("12 - Ténor", "Tenor")],
)
def test_titles_are_compared_by_their_letters(written: str, title: str) -> None:
    assert normalize(written) == normalize(title)


def test_versions_of_a_piece_are_titles_of_their_own() -> None:
    assert normalize("Polka - faster") != normalize("Polka - slower")
    assert title_from_name("a/Kevin_MacLeod_-_Polka.mp3", "Kevin MacLeod") == ("Kevin MacLeod", "Polka")


def test_nothing_is_listed_twice() -> None:
    assert build_tracks([]) == ([], {})

"""What `earmark tag` and `earmark library scan` take: folders with all sorts of files, playlists, stdin."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest

from earmark.core.audio_formats import audio_suffixes
from tests.helpers import sounds, videos
from tests.helpers.command import COMMAND, earmark_here, records

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audio in containers of video, videos with more and less sound than pictures or none, and other files."""
    folder = tmp_path_factory.mktemp("downloads")
    for name in ("a.webm", "b.weba", "c.mp4", "d.m4v", "e.mov", "f.mkv", "g.mp3"):
        path = folder / name
        if name == "g.mp3":
            sounds.write(path, sounds.music(10, 44_100), 44_100)
        else:
            made = path.with_suffix(".webm") if name == "b.weba" else path
            videos.write(made, video_seconds=0).rename(path)
    videos.write(folder / "h.mp4", video_seconds=14)
    videos.write(folder / "i.mkv", video_seconds=5)
    videos.write(folder / "j.avi")
    videos.write(folder / "k.wmv", video_seconds=14)
    videos.write(folder / "mute.mp4", sound_seconds=None)
    videos.write(folder / "mute.webm", sound_seconds=None)
    for name in ("cover.jpg", "notes.txt", "more.TXT", ".hidden.txt"):
        (folder / name).touch()
    return folder


def test_containers_of_video_are_tagged_and_the_rest_is_counted(downloads: Path) -> None:
    done = earmark_here("tag", downloads, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    found = records(done)
    assert "".join(Path(item["path"]).stem for item in found) == "abcdefghijk"
    assert {item["status"] for item in found} == {"ok"}
    assert all(item["duration_seconds"] == pytest.approx(10, abs=0.1) for item in found)
    assert "11 tagged, 0 failed" in done.stderr
    assert "passed over: 2 .txt, 1 .jpg, 1 .mp4 without sound, 1 .webm without sound" in done.stderr
    assert earmark_here("tag", downloads, "--quiet").stderr == ""


def test_a_video_without_sound_that_is_named_is_an_error(downloads: Path) -> None:
    done = earmark_here("tag", downloads / "mute.mp4", "--format", "jsonl")
    assert done.returncode == 1
    (record,) = records(done)
    assert (record["status"], record["error"][:14]) == ("error", "holds no audio")


def test_a_scan_counts_videos_without_sound_and_opens_them_once(downloads: Path, tmp_path: Path) -> None:
    index = tmp_path / "library.sqlite"
    for new, unchanged in ((11, 0), (0, 11)):
        done = earmark_here("library", "scan", downloads, "--index", index, "--format", "json")
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert (summary["new"], summary["unchanged"], summary["failed"]) == (new, unchanged, 0)
        assert (summary["without_sound"], summary["failed_before"]) == (2, 0)
        assert summary["passed_over"] == {".txt": 2, ".jpg": 1}
    text = earmark_here("library", "scan", downloads, "--index", index).stdout
    assert "2 videos without sound, passed over" in text
    assert "passed over: 2 .txt, 1 .jpg" in text
    info = earmark_here("library", "info", "--failed", "--index", index)
    assert "11 tagged, 0 that cannot be, 0 missing, 2 videos without sound" in info.stdout
    assert "failed" not in info.stdout
    found = json.loads(earmark_here("library", "info", "--failed", "--index", index, "--format", "json").stdout)
    assert (found["files"]["error"], found["without_sound"], found["failed"]) == (0, 2, [])
    assert "failed" not in earmark_here("library", "stats", "--index", index).stdout
    named = earmark_here("library", "scan", downloads / "mute.mp4", "--index", tmp_path / "other.sqlite")
    assert named.returncode == 1
    assert "holds no audio" in named.stderr


def test_loops_of_links_are_notes(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    sounds.write(tmp_path / "album" / "1.wav", sounds.music(10, 16_000), 16_000)
    (tmp_path / "album" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    done = earmark_here("tag", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note " in done.stderr
    assert "album/up: a link to a folder that it is in" in done.stderr
    assert "self: a link to itself" in done.stderr
    assert "error" not in done.stderr
    assert earmark_here("tag", tmp_path, "--quiet").stderr == ""
    index = tmp_path / "library.sqlite"
    scan = earmark_here("library", "scan", tmp_path, "--index", index)
    assert scan.returncode == 0
    assert "album/up: a link to a folder that it is in" in scan.stderr
    assert earmark_here("library", "scan", tmp_path, "--index", index, "--quiet").stderr == ""


def test_a_backup_in_itself_1100_folders_deep(tmp_path: Path) -> None:
    """Removed by the shell, since shutil.rmtree calls itself for every level."""
    top = tmp_path / "deep"
    path = top
    path.mkdir()
    sounds.write(top / "z.wav", sounds.music(1, 16_000), 16_000)
    for level in range(1_100):
        path = path / "a"
        path.mkdir()
        if level == 1_050:
            sounds.write(path / "y.wav", sounds.music(1, 16_000), 16_000)
    try:
        done = earmark_here("tag", top, "--format", "jsonl", "--taggram", tmp_path / "pictures")
        assert done.returncode == 0, done.stderr
        assert [Path(item["path"]).name for item in records(done)] == ["y.wav", "z.wav"]
        scan = earmark_here("library", "scan", top, "--index", tmp_path / "library.sqlite", "--format", "json")
        assert scan.returncode == 0, scan.stderr
        assert json.loads(scan.stdout)["new"] == 2
    finally:
        subprocess.run(["rm", "-r", top, tmp_path / "pictures"], check=True)


def test_playlists(downloads: Path, tmp_path: Path) -> None:
    path = tmp_path / "party.m3u8"
    path.write_text(f"#EXTM3U\n{downloads / 'a.webm'}\nhttps://example.org/a.mp3\ngone.mp3\n", encoding="utf-8-sig")
    done = earmark_here("tag", path, "--format", "jsonl")
    assert done.returncode == 1
    assert [(item["path"], item["status"], item["error"]) for item in records(done)] == [
        (str(downloads / "a.webm"), "ok", None),
        (str(tmp_path / "gone.mp3"), "error", "no such file"),
    ]
    assert "https://example.org/a.mp3: an address, left out" in done.stderr
    (tmp_path / "a.pls").write_text(f"[playlist]\nFile1={(downloads / 'g.mp3').as_uri()}\n")
    assert earmark_here("tag", tmp_path / "a.pls").returncode == 0
    index = tmp_path / "library.sqlite"
    scan = earmark_here("library", "scan", path, "--index", index, "--format", "json")
    assert scan.returncode == 1
    assert json.loads(scan.stdout)["new"] == 1
    assert "gone.mp3: no such file" in scan.stderr
    again = earmark_here("library", "scan", tmp_path / "a.pls", path, "--index", index, "--format", "json")
    assert (json.loads(again.stdout)["new"], json.loads(again.stdout)["unchanged"]) == (1, 1)
    watch = earmark_here("library", "scan", path, "--index", index, "--watch")
    assert (watch.returncode, "read once" in watch.stderr) == (2, True)


def test_a_folder_without_audio_says_which_endings_are_taken(tmp_path: Path) -> None:
    nothing = earmark_here("tag", tmp_path)
    assert (nothing.returncode, nothing.stderr) == (1, "earmark: no audio files found there\n")
    (tmp_path / "notes.txt").write_text("la")
    done = earmark_here("tag", tmp_path)
    assert done.returncode == 1
    assert "passed over: 1 .txt" in done.stderr
    assert set(audio_suffixes()) <= set(re.split(r"[\s;]+", done.stderr))
    assert earmark_here("tag", tmp_path, "--quiet").stderr == nothing.stderr


def from_stdin(content: bytes, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return earmark_here(*arguments, piped=content, cwd=cwd)


def test_a_process_reads_stdin(downloads: Path) -> None:
    """As a shell starts it: audio, a list of paths, and nothing."""

    def run(content: bytes, *arguments: str) -> tuple[int, str, str]:
        done = subprocess.run([*COMMAND, *arguments], input=content, capture_output=True, timeout=300, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    song = downloads / "g.mp3"
    code, out, said = run(song.read_bytes(), "tag", "-", "--format", "jsonl")
    assert code == 0, said
    assert json.loads(out)["path"] == "-"
    code, out, said = run(os.fsencode(song), "tag", "-", "--format", "jsonl")
    assert code == 0, said
    assert json.loads(out)["path"] == str(song)
    code, _, said = run(b"", "tag", "-")
    assert (code, "no audio files found" in said) == (1, True)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".aac", ".opus", ".m4a", ".aiff", ".mka"])
def test_audio_from_stdin(tmp_path: Path, suffix: str) -> None:
    path = sounds.write(tmp_path / f"song{suffix}", sounds.music(3, 48_000), 48_000)
    done = from_stdin(path.read_bytes(), "tag", "-", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    (piped,), (direct,) = records(done), records(earmark_here("tag", path, "--format", "jsonl"))
    assert piped.pop("path") == "-"
    assert direct.pop("path") == str(path)
    assert piped == direct


def test_lists_of_paths_from_stdin(downloads: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode("caf\xe9 –.mp3".encode("latin-1", "replace"))
    odd.write_bytes((downloads / "g.mp3").read_bytes())
    two_lines = tmp_path / "two\nlines.mp3"
    two_lines.write_bytes(odd.read_bytes())
    (tmp_path / "list.m3u").write_text("two")
    names = [str(downloads / "a.webm"), str(odd), str(tmp_path / "list.m3u"), str(tmp_path / "gone.mp3")]
    for content in ("\n".join(names), "\ufeff" + "\r\n".join(names) + "\r\n", "\0".join(names) + "\0"):
        done = from_stdin(os.fsencode(content), "tag", "-", "--format", "csv")
        assert done.returncode == 1
        paths = [line.partition(",")[0] for line in done.stdout.splitlines()[1:]]
        assert paths == [names[0], names[1], names[3]]
        assert "list.m3u: a playlist in a list of paths: left out" in done.stderr
    done = from_stdin(os.fsencode(f"{two_lines}\0{odd}\0"), "tag", downloads / "g.mp3", "-", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    assert [item["path"] for item in records(done)][1] == str(two_lines)
    scan = from_stdin(
        os.fsencode(f"{odd}\n"), "library", "scan", "-", "--index", tmp_path / "i.sqlite", "--format", "json"
    )
    assert json.loads(scan.stdout)["new"] == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\0"])
def test_lists_in_other_encodings_from_stdin(downloads: Path, tmp_path: Path, encoding: str, ends: str) -> None:
    """Never as single letters between NUL: "." and "/" are folders. Without a byte order mark lines alone are known."""
    song = tmp_path / "söng 曲.mp3"
    song.write_bytes((downloads / "g.mp3").read_bytes())
    listed = f"{song}{ends}/gone/a.mp3{ends}"
    with chdir(tmp_path):
        done = from_stdin(listed.encode(encoding), "tag", "-", "--format", "jsonl")
    named = [(item["path"], item["status"]) for item in records(done)]
    assert named == [(str(song), "ok"), ("/gone/a.mp3", "error")]


@pytest.mark.parametrize("suffix", [".m3u8", ".pls"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_playlist_from_stdin_is_as_one_that_is_named(downloads: Path, suffix: str, encoding: str) -> None:
    names = ["./a.webm", "https://example.org/a.mp3", (downloads / "g.mp3").as_uri(), "gone.mp3", "other.m3u"]
    if suffix == ".pls":
        text = "\r\n".join(["[playlist]", *(f"File{n}={name}" for n, name in enumerate(names, 1))])
    else:
        text = "\n".join(["#EXTM3U", "#EXTINF:9,Song", *names])
    with chdir(downloads):
        done = from_stdin(text.encode(encoding), "tag", "-", "--format", "jsonl")
    named = [(item["path"], item["status"]) for item in records(done)]
    assert named == [("a.webm", "ok"), (str(downloads / "g.mp3"), "ok"), ("gone.mp3", "error")]
    assert "-: https://example.org/a.mp3: an address, left out" in done.stderr
    assert "other.m3u: a playlist in a playlist, left out" in done.stderr


def test_letters_between_nul_are_paths_and_zeros_are_audio(downloads: Path, tmp_path: Path) -> None:
    for letter in "ABC":
        (tmp_path / letter).mkdir()
        (tmp_path / letter / "1.mp3").write_bytes((downloads / "g.mp3").read_bytes())
    with chdir(tmp_path):
        done = from_stdin(b"A\0\0B\0C\0", "tag", "-", "--format", "jsonl")
    assert [item["path"] for item in records(done)] == ["A/1.mp3", "B/1.mp3", "C/1.mp3"]
    zeros = from_stdin(bytes(70_000) + (downloads / "g.mp3").read_bytes(), "tag", "-", "--format", "jsonl")
    assert [(item["path"], item["status"]) for item in records(zeros)] == [("-", "ok")], zeros.stderr


@pytest.mark.parametrize("separator", ["\n", "\0"])
def test_a_list_of_names_with_control_characters(downloads: Path, tmp_path: Path, separator: str) -> None:
    """Audio has such characters, too; it is a list where the half of its names is there."""
    names = ["esc\x1b[31m.mp3", "bell\x07.mp3", "del\x7f.mp3", "\x01.mp3", "caf\udce9\x02.mp3"]
    names += ["two\nlines\x03.mp3", "cr\r\x04.mp3"] if separator == "\0" else []
    for name in names:
        (tmp_path / name).write_bytes((downloads / "g.mp3").read_bytes())
    for end in ("", separator):
        listed = separator.join([*names, "gone\x05.mp3"]) + end
        done = from_stdin(os.fsencode(listed), "library", "scan", "-", "--index", tmp_path / "i.sqlite", cwd=tmp_path)
        assert done.returncode == 1
        assert [line for line in done.stderr.splitlines() if "no such file" in line and "gone" in line]
        assert f"{len(names)} files" in done.stdout


def test_audio_is_no_list_though_a_file_is_called_as_it_begins(downloads: Path, tmp_path: Path) -> None:
    """A folder "flac" is "fLaC", too, where case does not count, and so begins every FLAC."""
    song = sounds.write(tmp_path / "song.flac", sounds.music(3, 44_100), 44_100)
    (tmp_path / "fLaC").mkdir()
    done = from_stdin(song.read_bytes(), "tag", "-", "--format", "jsonl", cwd=tmp_path)
    assert [(item["path"], item["status"]) for item in records(done)] == [("-", "ok")]


def test_layer_one_begins_as_text_of_utf_16(tmp_path: Path) -> None:
    """Its frames begin with FF FE where they have a checksum."""
    rng = np.random.default_rng(0)
    with chdir(tmp_path):
        done = from_stdin(b"\xff\xfe" + rng.bytes(5_000), "tag", "-", "--format", "jsonl")
    assert [item["path"] for item in records(done)] == ["-"]


def test_what_stdin_cannot_be(downloads: Path, tmp_path: Path) -> None:
    nothing = from_stdin(b"", "tag", "-")
    assert (nothing.returncode, "no audio files found" in nothing.stderr) == (1, True)
    song = (downloads / "g.mp3").read_bytes()
    for arguments, says in (
        (("tag", "-", "-"), "stdin can be read only once"),
        (("tag", "-", "--write"), "can be written into files"),
        (("library", "scan", "-", "--index", tmp_path / "i.sqlite"), "takes a list of paths from stdin"),
        (("library", "scan", "-", "--watch", "--index", tmp_path / "i.sqlite"), "read once"),
    ):
        done = from_stdin(song, *arguments)
        assert done.returncode == 2, arguments
        assert says in done.stderr
    broken = from_stdin(b"\1\2\3" * 1_000, "tag", "-", "--format", "jsonl")
    assert broken.returncode == 1
    assert records(broken)[0]["path"] == "-"


@pytest.mark.parametrize(
    "arguments",
    [
        ["tag", ""],
        ["tag", "song.mp3", ""],
        ["tag", "", "--write", "--apply"],
        ["tag", "song.mp3", "--taggram", ""],
        ["tag", "song.mp3", "--write", "--map", ""],
        ["library", "scan", ""],
        ["library", "search", "", "--index", ""],
        ["library", "export", "--out", ""],
        ["library", "playlist", "--out", ""],
    ],
)
def test_an_empty_path_is_not_the_current_folder(tmp_path: Path, arguments: list[str]) -> None:
    """As of a script's variable that is not set: nothing must be written into what happens to be here."""
    song = sounds.write(tmp_path / "song.mp3", sounds.music(1, 16_000), 16_000)
    before = song.read_bytes()
    done = earmark_here(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "is no path" in done.stderr
    assert song.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["song.mp3"]


def test_help_says_what_is_taken() -> None:
    text = re.sub(r"\s+", " ", earmark_here("tag", "--help").stdout)
    assert "- reads stdin" in text
    assert ".m3u" in text

"""Files are the old ones or the new ones: links, permissions, full disks, damage, logs and undoing."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import resource
import shutil
import signal
from collections import namedtuple
from pathlib import Path
from typing import Any, NoReturn

import pytest
from mutagen.id3 import ID3

from earmark.core.errors import ConfigError, DataError, FileTagsError
from earmark.library.tagfiles import write as writing
from earmark.library.tagfiles.formats import probe_format
from earmark.library.tagfiles.undo import FileUndo, pick_run, plan_undo, undo_file, undone_by
from earmark.library.tagfiles.undo_log import UndoLog, default_undo_log, read_log
from earmark.library.tagfiles.write import Request, Target, read_state, write_tags
from tests.helpers import sounds, tagged

ROCK = {"genre": Target(("Rock",))}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tagged.make(tmp_path_factory.mktemp("original") / "song.mp3")
    tagged.decorate(path)
    return path


@pytest.fixture
def song(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original, tmp_path))


def write(path: Path, targets: dict = ROCK, **options: object) -> Path:
    log = path.with_name("log.jsonl")
    with UndoLog(log) as open_log:
        write_tags(path, Request(targets, **options), open_log)
        open_log.finish()
    return log


def nothing_left(folder: Path) -> bool:
    return not [path for path in folder.rglob("*") if path.name.startswith(".")]


def refused(path: Path, words: str, **options: object) -> None:
    before = path.read_bytes()
    with pytest.raises(FileTagsError, match=words) as raised:
        write(path, **options)
    assert raised.value.path == path
    assert path.read_bytes() == before
    assert nothing_left(path.parent)
    assert all(entry.outcome == "failed" for run in read_log(path.with_name("log.jsonl")) for entry in run.entries)


def test_permissions_attributes_and_times_stay(song: Path) -> None:
    song.chmod(0o640)
    os.utime(song, ns=(1_000_000_001, 1_000_000_000_123_456_789))
    try:
        os.setxattr(song, "user.rating", b"\x00\xff five")
        attributes = {"user.rating": b"\x00\xff five"}
    except OSError:
        attributes = {}
    if os.geteuid() == 0:
        os.chown(song, 1234, 4321)
    before = song.stat()
    write(song, keep_mtime=True)
    after = song.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mtime_ns == before.st_mtime_ns
    assert {name: os.getxattr(song, name) for name in attributes} == attributes
    write(song, {"genre": Target(("Jazz",))})
    assert song.stat().st_mtime_ns > before.st_mtime_ns
    assert song.stat().st_uid == before.st_uid


def test_links_are_followed_and_stay_links(song: Path) -> None:
    link = song.with_name("link.mp3")
    link.symlink_to("song.mp3")
    second = song.with_name("second.mp3")
    second.hardlink_to(song)
    state = read_state(link)
    assert "a link" in state.notes[0]
    assert "1 more name(s)" in state.notes[1]
    log = write(link)
    assert link.is_symlink()
    assert read_state(song).values["genre"] == ("Rock",)
    assert read_state(second).values["genre"] == ()
    assert read_log(log)[0].entries[0].path == song.resolve()


@pytest.mark.parametrize(
    "name", ["a b'\"$(x)&;.mp3", "-n.mp3", "日本 é.mp3", b"\xff\xfe latin \xe9.mp3", "x" * 251 + ".mp3", "none"]
)
def test_odd_names(song: Path, name: str | bytes) -> None:
    odd = song.rename(song.with_name(os.fsdecode(name)))
    log = write(odd)
    assert read_state(odd).values["genre"] == ("Rock",)
    (entry,) = read_log(log)[0].entries
    assert entry.path == odd.resolve()
    with UndoLog(log, "undo", read_log(log)[0].name) as open_log:
        undo_file(plan_undo(entry), open_log)
    assert read_state(odd).values["genre"] == ()
    assert nothing_left(odd.parent)


def test_read_only_files_and_folders_are_reported(song: Path) -> None:
    song.chmod(0o444)
    assert read_state(song).not_writable == "is read-only: left as it is"
    refused(song, "is read-only: left as it is")
    song.chmod(0o644)
    folder = song.parent / "sealed"
    folder.mkdir()
    inside = song.rename(folder / "song.mp3")
    log = song.parent / "log.jsonl"
    folder.chmod(0o555)
    try:
        with UndoLog(log) as open_log, pytest.raises(FileTagsError, match=r"its folder is read-only \(.*sealed\)"):
            write_tags(inside, Request(ROCK), open_log)
    finally:
        folder.chmod(0o755)


def test_what_is_no_song(tmp_path: Path, original: Path) -> None:
    empty = tmp_path / "empty.mp3"
    empty.touch()
    refused(empty, "the file is empty")
    text = tmp_path / "text.mp3"
    text.write_text("dear friend\n" * 1000)
    refused(text, "not audio")
    with pytest.raises(FileTagsError, match="no such file"):
        read_state(tmp_path / "none.mp3")
    with pytest.raises(FileTagsError, match="is a folder"):
        read_state(tmp_path)
    loop = tmp_path / "loop.mp3"
    loop.symlink_to(loop)
    with pytest.raises(FileTagsError):
        read_state(loop)
    os.mkfifo(tmp_path / "pipe.mp3")
    with pytest.raises(FileTagsError, match="not a regular file"):
        read_state(tmp_path / "pipe.mp3")
    only_tags = tmp_path / "tags.mp3"
    content = original.read_bytes()
    only_tags.write_bytes(content[: 10 + sum(b << s for b, s in zip(content[6:10], (21, 14, 7, 0), strict=True))])
    refused(only_tags, "not audio|holds no audio")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", tagged.FORMATS)
def test_truncated_and_damaged_files_stay_or_keep_their_audio(tmp_path: Path, suffix: str) -> None:
    """Wherever a file is cut or damaged: it is written with all its audio, or it is left as it is. Never anything else."""
    whole = tagged.make(tmp_path / f"whole{suffix}", 0.3)
    tagged.decorate(whole)
    content = whole.read_bytes()
    n_written = 0
    for i, share in enumerate((0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999)):
        for how in ("cut", "zeros", "ones"):
            place = int(len(content) * share)
            bad = content[:place]
            if how != "cut":
                bad += (b"\0" if how == "zeros" else b"\xff") * 40 + content[place + 40 :]
            path = tmp_path / f"{i} {how}{suffix}"
            path.write_bytes(bad)
            try:
                audio = tagged.packets(path)
            except Exception:  # noqa: BLE001  not for FFmpeg either
                audio = None
            try:
                write(path)
            except FileTagsError:
                assert path.read_bytes() == bad
            else:
                n_written += 1
                assert tagged.packets(path) == audio
                assert read_state(path).values["genre"] == ("Rock",)
    assert nothing_left(tmp_path)
    assert n_written


def test_too_little_space_is_reported_before_anything_is_copied(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    refused(song, r"not enough space on its disk: a copy needs 1\.\d MB, 0\.0 MB are free")


def test_a_copy_that_cannot_be_finished_leaves_nothing_behind(song: Path) -> None:
    """The system refuses to let the copy grow: as with a full disk, in the midst of it."""
    with song.open("ab") as file:
        file.write(bytes(200_000))
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        refused(song, "File too large.*left as it is")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert read_log(song.with_name("log.jsonl"))[0].n_changed == 0
    write(song)
    assert read_state(song).values["genre"] == ("Rock",)


def test_other_audio_than_was_scanned_is_not_written_to(song: Path) -> None:
    refused(song, "holds other audio than was scanned", content_key="audio-" + "0" * 32)


def test_a_file_that_another_program_changed_is_left_alone(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(song, "its genre was changed by another program", expected={"genre": ("Jazz",)})
    check = writing._check

    def meddle(temporary: Path, *rest: object) -> None:
        check(temporary, *rest)  # type: ignore[arg-type]
        with song.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(writing, "_check", meddle)
    with pytest.raises(FileTagsError, match="was changed by another program meanwhile"):
        write(song)
    assert song.read_bytes().endswith(b"more")
    assert nothing_left(song.parent)


@pytest.mark.parametrize("harm", ["audio", "picture", "value", "crash"])
def test_what_would_harm_the_file_is_found_before_it_is_replaced(
    song: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """mutagen fails in every way, and the file must not be harmed."""
    save = ID3.save

    def bad_save(self: ID3, file: object, **options: object) -> None:
        if isinstance(file, io.BytesIO):  # a single frame, rendered in memory
            save(self, file, **options)
            return
        if harm == "crash":
            raise ValueError("cannot do that")
        if harm == "picture":
            self.unknown_frames.pop(0)
        if harm == "value":
            self.unknown_frames[:] = [frame for frame in self.unknown_frames if not frame.startswith(b"TCON")]
        save(self, file, **options)
        if harm == "audio":
            file.seek(-1000, 2)  # type: ignore[attr-defined]
            file.write(b"\0\1\2")  # type: ignore[attr-defined]

    monkeypatch.setattr(ID3, "save", bad_save)
    reasons = {
        "audio": "would not survive unchanged",
        "picture": "other tags of it",
        "value": r"would be read back as \(\)",
        "crash": "cannot be written .ValueError: cannot do that",
    }
    refused(song, reasons[harm])


def test_the_log_has_every_event(song: Path) -> None:
    log = write(song, {"genre": Target(("Rock", "Été")), "scores": Target(("rock=0.900",))})
    lines = [json.loads(line) for line in log.read_text(encoding="ascii").splitlines()]
    assert [line["event"] for line in lines] == ["run", "intent", "done", "end"]
    intent = lines[1]
    assert intent["path"] == str(song.resolve())
    assert intent["content_key"].startswith("audio-")
    assert intent["time"].endswith("+00:00")
    assert intent["run"] == lines[0]["run"]
    assert intent["fields"]["genre"] == {"before": [], "before_raw": [], "after": ["Rock", "Été"]}
    assert default_undo_log(Path("/x/library.sqlite")) == Path("/x/library.undo.jsonl")


def test_without_a_change_no_log_is_written(tmp_path: Path) -> None:
    with UndoLog(tmp_path / "deep" / "log.jsonl"):
        pass
    assert read_log(tmp_path / "deep" / "log.jsonl") == []
    assert read_log(tmp_path / "none.jsonl") == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with UndoLog(tmp_path / "log.jsonl"), pytest.raises(DataError, match=str(os.getpid())):
        UndoLog(tmp_path / "log.jsonl").__enter__()


def test_undo_leaves_alone_what_was_changed_since(song: Path) -> None:
    log = write(song, {"genre": Target(("Rock",)), "mood": Target(("Calm",))})
    tags = ID3(song)
    tags["TCON"].text = ["Mine"]
    tags.save(song)
    undo = plan_undo(read_log(log)[0].entries[0])
    assert [item.field for item in undo.plan.changes] == ["mood"]
    assert {loss.why for loss in undo.losses} == {"changed since"}
    assert undo.conflicts == ("its genre holds ['Mine'] by now, not ['Rock']: left as it is",)
    with UndoLog(log, "undo", read_log(log)[0].name) as open_log:
        undo_file(undo, open_log)
    assert read_state(song).values["genre"] == ("Mine",)
    assert read_state(song).values["mood"] == ()


def log_and_undo(path: Path, **how: Any) -> tuple[FileUndo, Path]:
    """Write, with the time of long ago before; returns the plan of its undo, and the log."""
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    log = write(path)
    assert path.stat().st_mtime_ns > LONG_AGO_NS
    return plan_undo(read_log(log)[-1].entries[0], **how), log


def carry_out(undo: FileUndo, log: Path) -> None:
    with UndoLog(log, "undo", "x") as open_log:
        undo_file(undo, open_log)
        open_log.finish()


LONG_AGO_NS = 1_000_000_000_123_456_700


def test_undo_gives_back_the_modification_time_and_every_byte(song: Path) -> None:
    content = song.read_bytes()
    undo, log = log_and_undo(song)
    assert undo.losses == ()
    written = song.stat()
    carry_out(undo, log)
    assert song.read_bytes() == content
    assert song.stat().st_mtime_ns == LONG_AGO_NS
    carry_out(plan_undo(read_log(log)[-1].entries[0]), log)  # and the undo of the undo, those of the file as written
    assert (song.stat().st_size, song.stat().st_mtime_ns) == (written.st_size, written.st_mtime_ns)


@pytest.mark.parametrize("mtime", ["present", "now"])
def test_undo_gives_another_modification_time_where_that_is_wanted(song: Path, mtime: str) -> None:
    undo, log = log_and_undo(song, mtime=mtime)
    assert undo.losses == ()
    written_ns = song.stat().st_mtime_ns
    carry_out(undo, log)
    now_ns = song.stat().st_mtime_ns
    assert now_ns == written_ns if mtime == "present" else now_ns > written_ns


def test_a_file_that_kept_its_modification_time_keeps_it(song: Path) -> None:
    os.utime(song, ns=(LONG_AGO_NS, LONG_AGO_NS))
    log = write(song, keep_mtime=True)
    carry_out(plan_undo(read_log(log)[0].entries[0]), log)
    assert song.stat().st_mtime_ns == LONG_AGO_NS


@pytest.mark.parametrize("how", ["tags", "time"])
def test_undo_of_a_file_that_was_changed_since_says_what_it_does_not_give_back(song: Path, how: str) -> None:
    _, log = log_and_undo(song)
    if how == "tags":
        tags = ID3(song)
        tags["TIT2"].text = ["Another title"]
        tags.save(song)
    os.utime(song)
    undo = plan_undo(read_log(log)[0].entries[0])
    assert [(loss.what, loss.why) for loss in undo.losses] == [
        ("the modification time", "changed since"),
        ("perhaps some bytes", "changed since"),
    ]
    before_ns = song.stat().st_mtime_ns
    carry_out(undo, log)
    assert song.stat().st_mtime_ns > before_ns  # so that other programs see the change
    assert read_state(song).values["genre"] == ()


def test_undo_by_an_old_log_says_what_it_does_not_give_back(song: Path) -> None:
    undo, log = log_and_undo(song)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    new = {"intent": ("bytes", "mtime_ns", "links"), "done": ("bytes", "mtime_ns", "exact")}
    for event in events:
        for key in new.get(event["event"], ()):
            del event[key]
    log.write_text("".join(json.dumps(event) + "\n" for event in events))
    undo = plan_undo(read_log(log)[0].entries[0])
    assert {loss.what for loss in undo.losses} == {"the modification time", "perhaps some bytes"}
    assert {loss.why for loss in undo.losses} == {"written by an earmark before 0.3.0"}
    carry_out(undo, log)
    assert read_state(song).values["genre"] == ()
    assert song.stat().st_mtime_ns > LONG_AGO_NS


def test_undo_says_which_files_get_back_other_bytes_and_which_lost_a_hard_link(tmp_path: Path) -> None:
    path = tagged.make(tmp_path / "song.wma", 0.3)  # mutagen never removes the object for free space that it adds
    content = path.read_bytes()
    (tmp_path / "second name.wma").hardlink_to(path)
    undo, log = log_and_undo(path)
    assert [(loss.what, loss.why) for loss in undo.losses] == [
        ("some bytes", "free space beside the tags"),
        ("the hard links", "its other names are other files now"),
    ]
    carry_out(undo, log)
    assert path.read_bytes() != content
    assert path.stat().st_mtime_ns == LONG_AGO_NS


def test_undo_of_what_was_interrupted(song: Path) -> None:
    _, log = log_and_undo(song)
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2]))
    undo = plan_undo(read_log(log)[0].entries[0])
    assert [loss.what for loss in undo.losses] == ["perhaps some bytes"]
    carry_out(undo, log)
    assert song.stat().st_mtime_ns == LONG_AGO_NS


def test_where_undo_cannot_be_tried_the_file_is_written_all_the_same(
    song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "scratch_copy", _full_disk)
    undo, log = log_and_undo(song)
    assert read_log(log)[0].entries[0].is_exact is None
    assert [loss.what for loss in undo.losses] == ["perhaps some bytes"]
    assert read_state(song).values["genre"] == ("Rock",)


def test_ctrl_c_in_the_moment_of_replacing_can_be_undone(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = song.read_bytes()
    replace = os.replace

    def replace_and_press(source: Path, target: Path) -> None:
        replace(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace_and_press)
        with pytest.raises(KeyboardInterrupt):
            write(song)
    log = song.with_name("log.jsonl")
    (entry,) = read_log(log)[0].entries
    assert entry.outcome == "interrupted"
    assert read_state(song).values["genre"] == ("Rock",)
    carry_out(plan_undo(entry), log)
    assert song.read_bytes() == content


def test_a_change_meanwhile_that_keeps_length_and_modification_time_is_kept(
    song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tag editor wrote into free space, and was asked to keep the time."""
    check = writing._check

    def edited_meanwhile(*args: Any) -> Any:
        status = song.stat()
        with song.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x11")
        os.utime(song, ns=(status.st_atime_ns, status.st_mtime_ns))
        return check(*args)

    monkeypatch.setattr(writing, "_check", edited_meanwhile)
    with pytest.raises(FileTagsError, match="changed by another program meanwhile"):
        write(song)
    assert song.read_bytes()[-1] == 0x11


def _full_disk(_: Path) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_undo_where_another_program_changed_the_version_of_the_tag(song: Path) -> None:
    write(song, {"genre": Target(("Old", "Older"))})
    log = write(song)
    ID3(song).save(song, v2_version=3, v23_sep=None)
    with UndoLog(log, "undo", "x") as open_log:
        undo_file(plan_undo(read_log(log)[-1].entries[0]), open_log)
    assert read_state(song).kind == "MP3 (ID3v2.3)"
    assert read_state(song).values["genre"] == ("Old", "Older")


@pytest.mark.slow
def test_an_undo_can_be_undone_and_runs_are_distinguished(song: Path) -> None:
    write(song)
    log = write(song, {"genre": Target(("Jazz",))})
    first, second = read_log(log)
    assert first.name < second.name
    assert pick_run([first, second], None, log) is second
    with UndoLog(log, "undo", second.name) as open_log:
        undo_file(plan_undo(second.entries[0]), open_log)
    assert read_state(song).values["genre"] == ("Rock",)
    runs = read_log(log)
    assert undone_by(runs, runs[1]) is None  # not finished: it may have been stopped
    assert pick_run(runs, None, log).name == second.name
    with UndoLog(log, "undo", second.name) as open_log:
        open_log.finish()
    runs = read_log(log)
    assert undone_by(runs, runs[1]) is runs[3]
    assert pick_run(runs, None, log).name == first.name
    with UndoLog(log, "undo", runs[2].name) as open_log:
        undo_file(plan_undo(runs[2].entries[0]), open_log)
    assert read_state(song).values["genre"] == ("Jazz",)
    with pytest.raises(ConfigError, match=f"no run 'x{first.name}'.*did you mean"):
        pick_run(runs, f"x{first.name}", log)
    song.unlink()
    with pytest.raises(FileTagsError, match="no such file"):
        plan_undo(runs[0].entries[0])


def test_a_log_that_was_cut_off_or_is_none(song: Path) -> None:
    log = write(song)
    with log.open("ab") as file:
        file.write(b'{"event": "intent", "run": "x", "numb')
    assert len(read_log(log)) == 1
    write(song, {"genre": Target(("Jazz",))})
    assert [run.n_changed for run in read_log(log)] == [1, 1]
    assert read_log(log)[1].entries[0].fields["genre"].before == ("Rock",)
    log.write_text('{"event": "done", "run": "nobody", "number": 1}\n')
    with pytest.raises(DataError, match="not an undo log of earmark, or damaged"):
        read_log(log)
    log.write_text('{"event": "run", "run": "x", "format": 99}\n')
    with pytest.raises(DataError, match="newer earmark"):
        read_log(log)


def test_what_a_killed_process_left_is_deleted(song: Path) -> None:
    log = write(song)
    lines = log.read_bytes().splitlines(keepends=True)
    left = song.with_name(json.loads(lines[1])["temporary"])
    left.write_bytes(b"half a song")
    foreign = song.with_name(".earmark-somebody-elses.mp3")
    foreign.write_bytes(b"x")
    log.write_bytes(b"".join(lines[:2]))  # killed before it was done
    assert read_log(log)[0].entries[0].outcome == "interrupted"
    with UndoLog(log):
        pass
    assert not left.exists()
    assert foreign.exists()
    assert plan_undo(read_log(log)[0].entries[0]).plan  # the file shows that it was done


def test_a_silent_wav_of_floats_and_a_tiny_one(tmp_path: Path) -> None:
    for n in (1, 1001):  # an odd number of bytes is padded in RIFF
        path = sounds.write(tmp_path / f"{n}.wav", sounds.music(0.1, 8000)[:, :n], 8000)
        audio = tagged.packets(path)
        write(path)
        assert tagged.packets(path) == audio
        assert read_state(path).values["genre"] == ("Rock",)


@pytest.mark.parametrize("size", [2**40, 2**61, 2**63, 2**64 - 1])
def test_a_header_of_wma_that_claims_any_size(tmp_path: Path, size: int) -> None:
    """Reading so many bytes at once is an error of Python's own."""
    path = tagged.make(tmp_path / "a.wma")
    content = bytearray(path.read_bytes())
    content[16:24] = size.to_bytes(8, "little")
    path.write_bytes(content)
    with contextlib.suppress(FileTagsError), UndoLog(tmp_path / "undo.jsonl") as log:
        write_tags(path, Request({"genre": Target(("Rock",))}), log)
    assert path.read_bytes()[16:24] == size.to_bytes(8, "little") or probe_format(path).genre == "Rock"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".wav", ".aiff"])
def test_what_undo_could_not_take_back_is_not_written(tmp_path: Path, suffix: str) -> None:
    """Sizes of the last chunk that do not fit the file: some can be written into once, and never again."""
    whole = tagged.make(tmp_path / f"whole{suffix}")
    write(whole)
    content = whole.read_bytes()
    at = content.rindex(b"id3 " if suffix == ".wav" else b"ID3 ") + 4
    order = "little" if suffix == ".wav" else "big"
    size, n_refused = int.from_bytes(content[at : at + 4], order), 0
    for claimed in [size - 100, size - 1, *(size + n for n in (2, 100, 1_000, 1_288, 4_000, 100_000, 2**31))]:
        path = tmp_path / f"{claimed}{suffix}"
        path.write_bytes(content[:at] + claimed.to_bytes(4, order) + content[at + 4 :])
        before, former = path.read_bytes(), read_state(path).values["genre"]
        log = tmp_path / f"{claimed}.jsonl"
        with UndoLog(log) as open_log:
            try:
                write_tags(path, Request({"genre": Target(("Polka", "Jazz"))}), open_log)
            except FileTagsError:
                n_refused += 1
                assert path.read_bytes() == before
                continue
        (run,) = read_log(log)
        with UndoLog(log, "undo", run.name) as open_log:
            undo_file(plan_undo(run.entries[0]), open_log)
        assert read_state(path).values["genre"] == former
    assert n_refused

"""Files that are replaced whole: links, permissions, long names, devices and pipes stay what they are."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from earmark.core.atomic_files import refuse_existing, write_atomic, write_together, written_beside
from earmark.core.errors import ConfigError
from earmark.library.export import file_to_write
from tests.helpers.command import COMMAND


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    for name, before in (("there", b"old"), ("not yet", None)):
        target, link = tmp_path / "disk" / name, tmp_path / name
        if before is not None:
            target.write_bytes(before)
        link.symlink_to(target)
        write_atomic(link, b"new")
        assert link.is_symlink()
        assert target.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["disk", "not yet", "not yet", "there", "there"]


def test_permissions_stay(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    for mode in (0o600, 0o664, 0o444):
        path.chmod(mode)
        write_atomic(path, b"new")
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_every_name_that_the_system_allows(tmp_path: Path) -> None:
    for name in ("a" * 255, "é" * 127, "a" * 251 + ".csv"):
        write_atomic(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"
        with file_to_write(tmp_path / name, force=True) as file:
            file.write(b"newer")
        assert (tmp_path / name).read_bytes() == b"newer"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refuse_existing([pipe], force=False)
    for write in (lambda: write_atomic(pipe, b"new"), lambda: _write_with_the_exporter(pipe)):
        thread = threading.Thread(target=write)
        thread.start()
        assert pipe.read_bytes() == b"new"
        thread.join()
        assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def _write_with_the_exporter(path: Path) -> None:
    with file_to_write(path, force=False) as file:
        file.write(b"new")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices, and replace them")
def test_a_device_is_written_to(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        device.open("wb").close()
    except PermissionError:
        pytest.skip("no devices here")
    write_atomic(device, b"new")
    _write_with_the_exporter(device)
    assert stat.S_ISCHR(device.stat().st_mode)


def test_what_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for path in (tmp_path, tmp_path / "a"):
        with pytest.raises(ConfigError, match="--force"):
            refuse_existing([path], force=False)


def test_several_files_are_the_old_ones_after_an_error(tmp_path: Path) -> None:
    old, new = tmp_path / "a", tmp_path / "b"
    old.write_bytes(b"old")
    with pytest.raises(OSError, match="c"):
        write_together({old: b"1", new: b"2", tmp_path / "gone" / "c": b"3"})
    assert old.read_bytes() == b"old"
    with pytest.raises(ZeroDivisionError), written_beside(old) as part:
        part.write_bytes(b"half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.slow
def test_a_full_disk_is_no_wrong_usage(tmp_path: Path) -> None:
    """Exit code 1, and the file's name: of a file that may have no byte, and of one where none can be."""
    index, music = tmp_path / "library.sqlite", tmp_path / "music"
    music.mkdir()

    def run(kib: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        limited = f'ulimit -f {kib}; trap "" XFSZ; exec "$@"'
        command = ["bash", "-c", limited, "bash", *COMMAND, "library", *map(str, arguments), "--index", str(index)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    locked = run("0", "scan", music)
    assert locked.returncode == 1
    assert "library.sqlite.lock: cannot be written to and locked" in locked.stderr
    assert run("unlimited", "scan", music).returncode == 0
    done = run("unlimited", "export", "--out", index / "a.csv")
    assert done.returncode == 1
    assert "a.csv: cannot be written" in done.stderr
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")]

"""Files inside Debian packages and git repositories, one after the other, without unpacking the rest."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from earmark.core.errors import DataError
from tools.default_model.music.sources import Source

ZIP_SUFFIXES = (".zip", ".pk3", ".love")

Wanted = Callable[[str], bool]


@dataclass(frozen=True)
class Member:
    """A file of a source.

    Attributes:
        path: inside the package or repository; inside a ZIP file: its path, a slash, and the path inside.
        content: None where the copy of the repository does not have it.
    """

    path: str
    content: bytes | None


def members(source: Source, cache: Path, mirror: Path | None, wanted: Wanted) -> Iterator[Member]:
    """The wanted files of a source; it is downloaded if it is not there.

    Args:
        source: a package or repository.
        cache: folder for packages and clones.
        mirror: folder with bare repositories OWNER+NAME/repo; others are cloned.
        wanted: of a path, whether its content is.

    Raises:
        DataError: it cannot be downloaded or read.
    """
    if source.kind == "debian":
        yield from _of_package(_package(source.location, cache), wanted)
    else:
        yield from _of_repository(_repository(source.location, cache, mirror), wanted)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataError(f"`{' '.join(command)}` ended with exit code {done.returncode}: {done.stderr.strip()[-500:]}")


def _package(name: str, cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    if not (there := sorted(cache.glob(f"{name}_*.deb"))):
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _run(["apt-get", "download", "-q", name], Path(folder))
            for file in Path(folder).glob("*.deb"):
                file.rename(cache / file.name)
        there = sorted(cache.glob(f"{name}_*.deb"))
    if not there:
        raise DataError(f"`apt-get download {name}` gave no package; run `apt-get update` first")
    return there[-1]


def _of_package(package: Path, wanted: Wanted) -> Iterator[Member]:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for entry in archive:
                    path = entry.name.removeprefix("./")
                    if not entry.isfile() or not (wanted(path) or path.endswith(ZIP_SUFFIXES)):
                        continue
                    file = archive.extractfile(entry)
                    assert file is not None
                    if not path.endswith(ZIP_SUFFIXES):
                        yield Member(path, file.read())
                        continue
                    with tempfile.TemporaryFile(dir=package.parent) as whole:
                        while block := file.read(1 << 20):
                            whole.write(block)
                        with zipfile.ZipFile(whole) as inner:
                            for name in inner.namelist():
                                if wanted(f"{path}/{name}"):
                                    yield Member(f"{path}/{name}", inner.read(name))
                while process.stdout.read(1 << 16):  # padding after the archive
                    pass
        except (tarfile.TarError, zipfile.BadZipFile) as error:
            process.kill()
            raise DataError(f"{package}: damaged ({error}); remove it, and it is downloaded again") from error
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise DataError(f"{package}: damaged; remove it, and it is downloaded again")


def _repository(name: str, cache: Path, mirror: Path | None) -> Path:
    folder = name.replace("/", "+")
    if mirror is not None and (mirror / folder / "repo").is_dir():
        return mirror / folder / "repo"
    if not (cache / folder).is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as part:
            address = f"https://github.com/{name}.git"
            _run(["git", "clone", "-q", "--bare", "--depth", "1", address, "repo"], Path(part))
            (Path(part) / "repo").rename(cache / folder)
    return cache / folder


def _of_repository(repository: Path, wanted: Wanted) -> Iterator[Member]:
    git = ["git", f"--git-dir={repository}"]
    environment = {**os.environ, "GIT_NO_LAZY_FETCH": "1"}
    listed = subprocess.run([*git, "ls-tree", "-r", "-z", "HEAD"], capture_output=True, env=environment, check=False)
    if listed.returncode:
        raise DataError(f"{repository}: {listed.stderr.decode(errors='replace').strip()}")
    with subprocess.Popen(
        [*git, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in listed.stdout.split(b"\0"):
            if b" blob " not in line:
                continue
            blob, path = line.partition(b"\t")[0].split()[-1], os.fsdecode(line.partition(b"\t")[2])
            if not wanted(path):
                continue
            process.stdin.write(blob + b"\n")
            process.stdin.flush()
            header = process.stdout.readline().split()
            if header[1:2] == [b"missing"]:
                yield Member(path, None)
                continue
            content = process.stdout.read(int(header[2]))
            process.stdout.read(1)
            yield Member(path, content)

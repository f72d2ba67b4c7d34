"""What an install takes on disk, package by package, and what each extra adds.

    make web    # to count the page, too
    python benchmarks/install_size.py --out docs/results/install_size.md

Makes environments with `venv`, without pip in them, installs this checkout with the versions of constraints.txt, runs
the command once, so that compiled modules count, and adds up the blocks of all files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
import venv
from importlib.metadata import distributions
from pathlib import Path

from machine import cpu_name

ROOT = Path(__file__).parent.parent
PAGE = Path("earmark", "service", "page")
EXTRAS = ("library", "serve", "plot", "pandas")
SMALL_MB = 1.0


def megabytes(paths: list[Path]) -> float:
    """What files take on disk, in millions of bytes."""
    return sum(path.lstat().st_blocks * 512 for path in paths) / 1e6


def install(folder: Path, what: str, *options: str) -> Path:
    """A new environment with this checkout; returns its site-packages."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", *options, "-c", ROOT / "constraints.txt", what], check=True)
    subprocess.run([folder / "bin" / "earmark", "--help"], check=True, stdout=subprocess.DEVNULL)
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return Path(found.stdout.strip())


def total_megabytes(folder: Path) -> float:
    """All of an environment."""
    return megabytes(list(folder.rglob("*")))


def by_package(site: Path) -> dict[str, float]:
    """Package -> megabytes of its files, the largest first."""
    sizes = {
        one.name: megabytes([path for file in one.files or () if (path := Path(str(one.locate_file(file)))).is_file()])
        for one in distributions(path=[str(site)])
    }
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the page there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = install(folder / "light", str(ROOT))
        total, packages = total_megabytes(folder / "light"), by_package(site)
        page = total_megabytes(site / PAGE)
        plain = install(folder / "plain", str(ROOT), "--no-compile")
        uncompiled = total_megabytes(folder / "plain") - megabytes(list(plain.rglob("*.pyc")))
        with_extras = {
            extra: total_megabytes(folder / extra) for extra in EXTRAS if install(folder / extra, f"{ROOT}[{extra}]")
        }
        venv.create(folder / "pip", with_pip=True)
        venv.create(folder / "empty", with_pip=False)
        pip = total_megabytes(folder / "pip") - total_megabytes(folder / "empty")
    small = {name: size for name, size in packages.items() if size < SMALL_MB}
    rows = [
        ("light install, the page included", total),
        ("the same without the page (no `make web` before)", total - page),
        ("the same with the page, `pip install --no-compile`: modules are compiled at every start if they cannot be kept", uncompiled),
        ("pip and setuptools, which `python -m venv` adds (not counted above; `venv --without-pip` and uv do without)", pip),
        *((f"`earmark[{extra}]` adds", size - total) for extra, size in with_extras.items()),
    ]  # fmt: skip
    lines = [
        "# What an install takes on disk",
        "",
        f"Written by `python {' '.join(['benchmarks/install_size.py', *sys.argv[1:]])}`: files' blocks, in millions of bytes. "
        f"{cpu_name()}, {sysconfig.get_platform()}, Python {sys.version.split()[0]}.",
        "",
        "| what | MB |",
        "|---|---:|",
        *(f"| {what} | {size:.0f} |" for what, size in rows),
        "",
        "| package of the light install | MB |",
        "|---|---:|",
        *(f"| {name} | {size:.1f} |" for name, size in packages.items() if size >= SMALL_MB),
        f"| {len(small)} others | {sum(small.values()):.1f} |",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

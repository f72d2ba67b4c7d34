"""What an install takes on disk, package by package, and what each extra adds.

    make web    # to count the page, too
    python benchmarks/install_size.py --out docs/results/install_size.md

Makes environments with `venv`, without pip in them, installs this checkout with the versions of constraints.txt, tags
a clip, so that modules compiled then count, and adds up the blocks of all files.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
from importlib.metadata import distributions
from pathlib import Path

from machine import cpu_name

ROOT = Path(__file__).parent.parent
CLIP = ROOT / "examples" / "clips" / "03-rock.mp3"
SLIM = ROOT / "tools" / "slim_install.py"
PAGE = Path("earmark", "service", "page")
EXTRAS = ("library", "serve", "plot", "pandas")
SMALL_MB = 1.0
USES = {
    "av": "decoding: FFmpeg, a third of it video codecs that its libraries are linked with",
    "onnxruntime": "the networks; two fifths a second copy, for programs in C",
    "numpy": "arrays; a third OpenBLAS, a fifth tests",
    "earmark": "a third the page, a quarter the models",
    "Pygments": "Rich asks for it; unused",
    "rich": "tables, colours and progress bars on terminals",
    "protobuf": "ONNX Runtime asks for it; unused",
    "mutagen": "tags in files",
    "packaging": "ONNX Runtime asks for it",
    "click": "the command line",
    "platformdirs": "where indexes and models are kept",
}
OLDER = "onnxruntime<1.27"
"""Versions whose package is smaller."""
WHY = """\
`pip install .` with the page takes more than 300 MB because PyAV, ONNX Runtime and NumPy alone are {three:.0f}. Their wheels hold what earmark
does not read, and pip cannot leave out parts of a wheel. ONNX Runtime's has the whole runtime twice, of which Python loads one, and grows from version
to version. Of the rest only Rich could go, and with it Pygments and markdown-it-py, which it asks for and earmark never
loads ({rich:.0f} MB); tables, wide characters and progress bars would have to be code of earmark's own. pydantic is not part of the light
install; `earmark[serve]` brings it, through FastAPI.

Smaller, and nothing is missing:

- `pip install . '{older}'`: an earlier ONNX Runtime, which prints the same for the example clips. earmark sets no upper bound itself: it would stand in the way of
  fixes and of newer Pythons. ONNX Runtime up to 1.24 asks for SymPy, too, and takes more.
- `pip install --no-compile .`, or uv, which does not compile either: modules are compiled when they are first used. Where they cannot be kept then (a
  read-only image), each start takes longer.
- `tools/slim_install.py --apply`, run by the Python of the environment, removes what nothing of earmark reads, unless another package asks for it.
  `tests/cli/test_light_install.py` tags, embeds, scans and shows cards afterwards.
- Without `make web` before, the package has no page. At `/` the service says how to add it.
"""


def megabytes(paths: list[Path]) -> float:
    """What files take on disk, in millions of bytes."""
    return sum(path.lstat().st_blocks * 512 for path in paths) / 1e6


def install(folder: Path, what: str, *options: str) -> Path:
    """A new environment with this checkout; returns its site-packages."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", *options, "-c", ROOT / "constraints.txt", what], check=True)
    tag_a_clip(folder)
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return Path(found.stdout.strip())


def tag_a_clip(folder: Path) -> None:
    """Run `earmark tag` of an environment."""
    command = [folder / "bin" / "earmark", "tag", CLIP, "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)


def slim(folder: Path) -> str:
    """Remove from an environment what is never read; returns the report."""
    command = [folder / "bin" / "python", SLIM, "--apply"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


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
        install(folder / "plain", str(ROOT), "--no-compile")
        uncompiled = total_megabytes(folder / "plain")
        removed = slim(folder / "light")
        slim(folder / "plain")
        slimmed = {name: total_megabytes(folder / name) for name in ("light", "plain")}
        for name in slimmed:
            tag_a_clip(folder / name)
        install(folder / "older", str(ROOT), OLDER)
        older = total_megabytes(folder / "older")
        with_extras = {
            extra: total_megabytes(folder / extra) for extra in EXTRAS if install(folder / extra, f"{ROOT}[{extra}]")
        }
        venv.create(folder / "pip", with_pip=True)
        venv.create(folder / "empty", with_pip=False)
        pip = total_megabytes(folder / "pip") - total_megabytes(folder / "empty")
    small = {name: size for name, size in packages.items() if size < SMALL_MB}
    three, rich = (
        sum(packages[name] for name in names)
        for names in (("av", "onnxruntime", "numpy"), ("rich", "Pygments", "markdown-it-py", "mdurl"))
    )
    why = WHY.format(three=three, rich=rich, older=OLDER)
    rows = [
        ("light install, the page included", total),
        ("the same without the page (no `make web` before)", total - page),
        (f"`pip install . '{OLDER}'`, the page included", older),
        ("`pip install --no-compile .`, the page included: modules are compiled and kept when they are first used", uncompiled),
        ("light install, the page included, after `tools/slim_install.py --apply`", slimmed["light"]),
        ("`pip install --no-compile .`, the page included, after `tools/slim_install.py --apply`", slimmed["plain"]),
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
        "| package of the light install | MB | for |",
        "|---|---:|---|",
        *(f"| {name} | {size:.1f} | {USES.get(name, '')} |" for name, size in packages.items() if size >= SMALL_MB),
        f"| {len(small)} others | {sum(small.values()):.1f} | |",
        "",
        "| what `tools/slim_install.py --apply` removes of it | MB |",
        "|---|---:|",
        *(f"| {why} | {size} |" for size, why in re.findall(r"([\d.]+) MB  (.+)", removed) if why != "removed"),
        "",
        *why.splitlines(),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Removes from an environment what was installed with earmark and is never read by it: see docs/results/install_size.md.

    .venv-demo/bin/python tools/slim_install.py           # says what, and how much
    .venv-demo/bin/python tools/slim_install.py --apply

For images and small disks; run by the environment's own Python. Tagging, libraries and embeddings stay as they are
(tests/cli/test_light_install.py). What another installed package asks for is kept. `pip check` reports what is missing, and a
later `pip install` brings it back. Tried on Linux; ONNX Runtime's second copy has other names elsewhere, and stays there.
"""

from __future__ import annotations

import argparse
import re
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from pathlib import Path

ASKERS = {
    "onnxruntime": {"earmark"},
    "numpy": {"earmark", "onnxruntime", "soxr", "usearch"},
    "pygments": {"rich"},
    "markdown-it-py": {"rich"},
    "mdurl": {"markdown-it-py"},
    "protobuf": {"onnxruntime"},
    "flatbuffers": {"onnxruntime"},
}
"""Distribution -> the ones that ask for it, and do for earmark without what goes. Where another one does, too, all is kept."""

PARTS = (
    ("onnxruntime", "capi/libonnxruntime.so*", "ONNX Runtime once more, for programs in C; Python has its own copy"),
    ("onnxruntime", "backend", "ONNX Runtime's tools for models"),
    ("onnxruntime", "datasets", "ONNX Runtime's tools for models"),
    ("onnxruntime", "quantization", "ONNX Runtime's tools for models"),
    ("onnxruntime", "tools", "ONNX Runtime's tools for models"),
    ("onnxruntime", "transformers", "ONNX Runtime's tools for models"),
    ("numpy", "**/tests", "NumPy's tests"),
    ("numpy", "**/*.pyi", "NumPy's types, for checkers"),
)
"""Distribution, what of it, why it is there."""

WHOLE = {
    "pygments": "colours of source code, which Rich can print",
    "markdown-it-py": "Markdown, which Rich can print",
    "mdurl": "Markdown, which Rich can print",
    "protobuf": "ONNX Runtime's tools for models",
    "flatbuffers": "ONNX Runtime's tools for models",
}
"""Distributions of which nothing is read."""


def normalized(name: str) -> str:
    """A distribution's name as packaging compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def files_below(paths: Iterable[Path]) -> Iterator[Path]:
    """All files of files and folders."""
    for path in paths:
        yield from (found for found in path.rglob("*") if not found.is_dir()) if path.is_dir() else (path,)


def removable(site: Path) -> dict[str, set[Path]]:
    """Why it is there -> files of site-packages that can go."""
    installed = {normalized(one.name): one for one in distributions(path=[str(site)])}
    asked: dict[str, set[str]] = {name: set() for name in ASKERS}
    for name, one in installed.items():
        for line in one.requires or ():
            wanted = normalized(re.split(r"[^\w.-]", line, maxsplit=1)[0])
            if wanted in asked and "extra ==" not in line:
                asked[wanted].add(name)
    free = {name for name, askers in asked.items() if name in installed and askers <= ASKERS[name]}
    found: dict[str, set[Path]] = {}
    for name, pattern, why in PARTS:
        if name in free:
            found.setdefault(why, set()).update(files_below((site / name).glob(pattern)))
    for name, why in WHOLE.items():
        if name in free:
            files = (Path(str(file.locate())) for file in installed[name].files or ())
            found.setdefault(why, set()).update(file for file in files if file.is_file() and site in file.parents)
    taken: set[Path] = set()  # NumPy's tests have types, too
    for paths in found.values():
        paths -= taken
        taken |= paths
    return {why: paths for why, paths in found.items() if paths}


def remove(files: Iterable[Path], site: Path) -> None:
    """Remove files, and the folders that are empty then."""
    for file in files:
        file.unlink(missing_ok=True)
        folder = file.parent
        while folder != site and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apply", action="store_true", help="remove it; without, only say what would be")
    options = parser.parse_args()
    site = Path(sysconfig.get_path("purelib"))
    if not (site / "earmark").is_dir():
        parser.error(f"no earmark in {site}: run this with the Python of the environment that it is installed in")
    total = 0.0
    for why, files in removable(site).items():
        size = sum(file.lstat().st_blocks * 512 for file in files) / 1e6
        total += size
        print(f"{size:6.1f} MB  {why}")
        if options.apply:
            remove(files, site)
    print(f"{total:6.1f} MB  {'removed' if options.apply else 'can go: add --apply'}")


if __name__ == "__main__":
    main()

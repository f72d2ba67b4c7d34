"""Writes docs/models.md: every architecture with its paper, input, window, weights and multiplications.

    python benchmarks/architectures.py --out docs/models.md

Without --out it is printed only. Nothing is timed: the page is the same on every machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from earmark.models.summary import summarise_all
from earmark.models.summary_page import to_markdown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    text = to_markdown(summarise_all())
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

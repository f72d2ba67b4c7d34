"""How much of a library's neighbourhoods its map keeps, beside principal components and scikit-learn's t-SNE.

    python benchmarks/map.py --index FILE --out docs/results/map.md

The index is that of a library whose files have genres in their own tags.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import cpu_name
from sklearn.manifold import TSNE

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.helpers.made_library import make_large_index  # noqa: E402

from earmark.core.cpu import available_cores  # noqa: E402
from earmark.library.index.track_index import Index  # noqa: E402
from earmark.library.map.page import map_page  # noqa: E402
from earmark.library.map.projection import nearest_rows, principal_components, project  # noqa: E402
from earmark.library.neighbours import unit_vectors  # noqa: E402
from earmark.library.query.search import Tracks  # noqa: E402
from earmark.library.similar import track_vectors  # noqa: E402

NEIGHBOURS = 15
SAME_GENRE = 5


def nearest_places(places: np.ndarray, n: int) -> np.ndarray:
    """``(n_points, n)``: of each point the nearest others in the plane."""
    apart = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1)[:, :n]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--tracks", type=int, default=20_000, help="of the made-up library (default: 20,000)")
    parser.add_argument("--out", type=Path, help="write the page there as well")
    options = parser.parse_args()
    with Index.open(options.index) as index:
        tracks = Tracks.load(index)
        rows = np.array(sorted(tracks.rows_by_key.values()))
        vectors = track_vectors(index, tracks)[rows]
    unit = unit_vectors(vectors)
    genre = np.array([tracks.texts("file-genre")[row] for row in rows])
    known = np.flatnonzero(genre != "")
    nearest = nearest_rows(unit, NEIGHBOURS)
    table = []
    for name, place in (
        ("two principal components", principal_components),
        ("`earmark library map`", project),
        ("t-SNE of scikit-learn, its defaults", lambda x: TSNE(random_state=0).fit_transform(x)),
    ):
        cpu = time.process_time()
        places = place(unit)
        cpu = time.process_time() - cpu
        kept = [len({*a} & {*b}) for a, b in zip(nearest, nearest_places(places, NEIGHBOURS), strict=True)]
        near = known[nearest_places(places[known], SAME_GENRE)]
        same = (genre[near] == genre[known][:, None]).mean()
        table.append(f"| {name} | {np.mean(kept) / NEIGHBOURS:.0%} | {same:.0%} | {cpu:.1f} s |")
    in_full = known[nearest_rows(unit[known], SAME_GENRE)]
    with tempfile.TemporaryDirectory() as folder:
        with Index.open(make_large_index(Path(folder) / "i.sqlite", options.tracks, embedding_dims=384)) as index:
            large = Tracks.load(index)
            large_vectors = track_vectors(index, large)
        cpu = time.process_time()
        places = project(large_vectors)
        cpu = time.process_time() - cpu
        size = len(map_page(large, np.arange(len(large)), places))
    lines = [
        "# The map of a library",
        "",
        f"Written by `python benchmarks/map.py --index FILE --out docs/results/map.md`, with the index of {len(rows)} tracks: "
        f"the songs of Emotify and excerpts of many styles; {len(known)} of them have a genre of Emotify's in their tags. Machine: "
        f"{cpu_name()}, {available_cores()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"NumPy {np.__version__}; load: {os.getloadavg()[0]:.1f}.",
        "",
        f"| places | of the {NEIGHBOURS} nearest tracks, still among the {NEIGHBOURS} nearest | of the {SAME_GENRE} nearest "
        "with a genre, of the same one | CPU time |",
        "|---|---|---|---|",
        *table,
        f"| none: the embeddings, {unit.shape[1]} numbers | | {(genre[in_full] == genre[known][:, None]).mean():.0%} | |",
        "",
        f"{options.tracks:,} made-up tracks with embeddings of 384 numbers: {cpu:.0f} s of CPU time, "
        f"a page of {size / 1e6:.1f} MB.",
        "",
    ]
    text = "\n".join(lines)
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

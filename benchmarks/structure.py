"""The shape of the code: modules, lines, and how many floors of imports stand on each other.

    python benchmarks/structure.py                   # this checkout
    python benchmarks/structure.py ../old/src        # another one beside it

A floor is one more than the highest of all that it imports, imports inside functions included, those for types alone
not. They are counted for the parts of the package: its folders, and modules beside them.
"""

from __future__ import annotations

import argparse
import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


def imports(package: Path) -> dict[str, set[str]]:
    """Module -> modules of the package that it imports."""
    paths = {".".join(path.relative_to(package.parent).with_suffix("").parts): path for path in package.rglob("*.py")}
    paths = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    found: dict[str, set[str]] = {}
    for name, path in paths.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                node.body = []
        targets: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                targets.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                targets.update(inner & paths.keys() or {node.module})
        found[name] = {target for target in targets if target in paths and target != name}
    return found


def floors(graph: dict[str, set[str]]) -> int:
    """Length of the longest chain of imports."""

    @cache
    def height(name: str, above: frozenset[str] = frozenset()) -> int:
        below = graph[name] - above - {name}
        return 1 + max((height(one, above | {name}) for one in below), default=0)

    return max(map(height, graph))


def parts(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same between the parts of the package; `earmark` itself and `__main__` only hand on."""

    def part(name: str) -> str:
        return ".".join(name.split(".")[:2])

    kept = {name: targets for name, targets in graph.items() if part(name) not in ("earmark", "earmark.__main__")}
    out: dict[str, set[str]] = {part(name): set() for name in kept}
    for name, targets in kept.items():
        out[part(name)] |= {part(target) for target in targets if part(target) in out} - {part(name)}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("src", nargs="*", type=Path, default=[ROOT / "src"])
    for src in parser.parse_args().src:
        files = list((src / "earmark").rglob("*.py"))
        lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
        graph = imports(src / "earmark")
        small = [path for path, n in lines.items() if n < 50]
        print(f"{src}:")
        print(f"  modules                  {len(files)}, lines {sum(lines.values()):,}")
        print(
            f"  under 50 lines           {len(small)}, without __init__.py {sum(p.stem != '__init__' for p in small)}"
        )
        print(f"  over 300 lines           {sum(n > 300 for n in lines.values())}")
        print(f"  entries in src/earmark   {len([p for p in (src / 'earmark').iterdir() if p.name != '__pycache__'])}")
        print(f"  floors of parts          {floors(parts(graph))}")


if __name__ == "__main__":
    main()

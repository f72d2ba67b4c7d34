"""Puts a finished model into the package as the one that tags when none is named, and writes again what names or quotes it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from earmark.core.atomic_files import write_atomic, write_together
from earmark.core.card import ModelCard
from earmark.core.errors import DataError, ModelError
from earmark.core.published_weights import published_names
from earmark.tagging.runtime import OnnxModel
from earmark.tagging.tagger import Tagger

ROOT = Path(__file__).parents[2]
BUNDLED = Path("src/earmark/tagging/bundled")
EXAMPLE_CLIP = Path("examples/clips/03-rock.mp3")
_LINE_LENGTH = 120  # of Python, as in pyproject.toml

NAMED: dict[str, str] = {
    "src/earmark/tagging/runtime.py": r'^DEFAULT_MODEL = "([^"\n]+)"$',
    "docs/contributing.md": r'^-DEFAULT_MODEL = "([^"\n]+)"$',
}
"""Files with the bundled model's name in one line."""

QUOTED: dict[str, str] = {
    "README.md": r'(?<=^```json\n)(\{"path": "examples/clips/[^`]*?\n)(?=```$)',
    "docs/service.md": r'(?<=^```json\n)(\{"results": [^`]*?\n)(?=```$)',
    "src/earmark/service/schemas.py": r"^EXAMPLE_RECORD(?:: [^=\n]+)? = (\{\n.*?^\}\n)",
}
"""Files with what the bundled model says of a clip."""


def bundle_model(path: Path, root: Path = ROOT) -> list[Path]:
    """Make a model the bundled one: its files, the name in the source, and the examples that quote it.

    The former model's files are removed. What else the docs say of a model (its page, measurements) is not written here.

    Args:
        path: NAME.onnx, with its card beside it, as :func:`earmark.export.export_onnx` writes both. May be the bundled
            one itself: its examples are written again.
        root: of the checkout.

    Returns:
        The files that were changed or removed, relative to ``root``.

    Raises:
        ModelError: the network, its card inside and the card beside it do not agree; nothing is changed then.
        DataError: a file of the checkout is not as expected; nothing is changed then.
    """
    card = _checked(path)
    texts = dict(_texts(path, card, root))
    folder = root / BUNDLED
    wanted = {
        folder / f"{card.name}.onnx": path.read_bytes(),
        folder / f"{card.name}.json": path.with_suffix(".json").read_bytes(),
    }
    changed = [file for file, content in wanted.items() if not file.is_file() or file.read_bytes() != content]
    write_together({file: wanted[file] for file in changed})
    for file, text in texts.items():
        if file.read_text(encoding="utf-8") != text:
            write_atomic(file, text.encode())
            changed.append(file)
    for file in sorted({*folder.glob("*.onnx"), *folder.glob("*.json")} - wanted.keys()):
        file.unlink()
        changed.append(file)
    return [file.relative_to(root) for file in changed]


def _checked(path: Path) -> ModelCard:
    """The card beside a model file. Raises ModelError, with all problems, where it is not that of the file."""
    inside = OnnxModel(path).card  # raises where the network has another number of tags, or windows of another length
    beside = ModelCard.read(path.with_suffix(".json"))
    one, other = json.loads(inside.to_json()), json.loads(beside.to_json())
    problems = [
        f"{name} is not the same in the card inside the file and in {path.stem}.json"
        for name in one
        if name != "weights_sha256" and one[name] != other[name]
    ]
    if beside.weights_sha256 != hashlib.sha256(path.read_bytes()).hexdigest():
        problems.append(f"weights_sha256 in {path.stem}.json is that of another file")
    if path.suffix != ".onnx" or path.stem != beside.name:
        problems.append(f"the file must have the name on its card: {beside.name}.onnx")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", beside.name):
        problems.append(f"name {beside.name!r}: must be small letters, digits, '.', '_' or '-'")
    if beside.name in published_names():
        problems.append(f"name {beside.name!r}: a published network is called so")
    if problems:
        raise ModelError("\n".join(f"{path}: {problem}" for problem in problems))
    return beside


def _texts(path: Path, card: ModelCard, root: Path) -> Iterator[tuple[Path, str]]:
    """Each file that names or quotes the bundled model, and its text with this one."""
    record = Tagger.from_file(path).tag(root / EXAMPLE_CLIP).to_record(2)
    of_readme = record | {"path": EXAMPLE_CLIP.as_posix()}
    of_service = record | {"path": EXAMPLE_CLIP.name}
    new = dict.fromkeys(NAMED, card.name) | {
        "README.md": f"{wrapped(of_readme)}\n",
        "docs/service.md": f'{{"results": [{wrapped(of_service, 2)}]}}\n',
        "src/earmark/service/schemas.py": _as_python(of_service),
    }
    for name, pattern in {**NAMED, **QUOTED}.items():
        text = (root / name).read_text(encoding="utf-8")
        found = list(re.finditer(pattern, text, re.MULTILINE | re.DOTALL))
        if len(found) != 1:
            raise DataError(f"{name}: {pattern!r} must be there once, is there {len(found)} times")
        start, end = found[0].span(1)
        yield root / name, text[:start] + new[name] + text[end:]


def wrapped(record: dict[str, Any], indent: int = 1, width: int = 115) -> str:
    """A record as JSON for reading: lines of at most ``width``, a line for each object in a list."""
    lines = ["{"]
    for place, (key, value) in enumerate(record.items()):
        end = "}" if place == len(record) - 1 else ","
        objects = bool(value) and isinstance(value, list) and isinstance(value[0], dict)
        item = f"{json.dumps(key)}: "
        if objects:
            inner = f",\n{' ' * (indent + len(item) + 1)}".join(json.dumps(one, ensure_ascii=False) for one in value)
            item += f"[{inner}]{end}"
        else:
            item += f"{json.dumps(value, ensure_ascii=False)}{end}"
        if lines[-1] == "{":
            lines[-1] += item
        elif not objects and len(lines[-1]) + 1 + len(item) <= width:
            lines[-1] += f" {item}"
        else:
            lines.extend((" " * indent + item).split("\n"))
    return "\n".join(lines)


def _as_python(record: dict[str, Any]) -> str:
    """``{...}`` as ruff formats it: a line for each key, for each object in a list, and for each item of what is too long."""
    lines = ["{"]
    for key, value in record.items():
        line = f"    {_literal(key)}: {_literal(value)},"
        if value and isinstance(value, list):
            lines += [f"    {_literal(key)}: [", *(f"        {_literal(one)}," for one in value), "    ],"]
        elif isinstance(value, dict) and len(line) > _LINE_LENGTH:
            items = (f"        {_literal(inner)}: {_literal(one)}," for inner, one in value.items())
            lines += [f"    {_literal(key)}: {{", *items, "    },"]
        else:
            lines.append(line)
    return "\n".join([*lines, "}"]) + "\n"


def _literal(value: Any) -> str:
    """A value as Python, with the quotation marks that ruff wants."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(key)}: {_literal(one)}' for key, one in value.items())}}}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)

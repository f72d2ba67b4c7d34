"""Figures as SVG inside a page: their colours follow the page's light and dark style, and their text has the page's font."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib.figure import Figure

from earmark.plots.drawing import Drawing
from earmark.plots.style import BLACK, BLUE, GREEN, GREY, GRID, HEADING, PALE, VERMILLION, house_style

COLOURS = {
    BLACK: "var(--ink)",
    GREY: "var(--muted)",
    PALE: "var(--soft)",
    GRID: "var(--grid)",
    BLUE: "var(--a)",
    VERMILLION: "var(--b)",
    GREEN: "var(--c)",
    "#FFFFFF": "var(--card)",
}
"""Colour of the plots -> variable of the page's style. Other colours stay as they are."""

_BY_HEX = {colour.lower(): variable for colour, variable in COLOURS.items()}
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_NUMERIC = {"d", "x", "y", "width", "height", "transform", "viewBox", "points"}
_LEFT_OUT = {"font-family", "stroke-linecap", "stroke-linejoin"}  # the page has its own
_DEFAULTS = {"text-anchor: start", "opacity: 1", "stroke-width: 1"}


def inline_svg(drawing: Drawing, key: str) -> Markup:
    """One figure as an ``<svg>`` element, without the title and the line under it, which the page's caption replaces.

    Args:
        drawing: what to show. Its hints become titles, which a browser shows under the mouse.
        key: begins all ids, so that they are unique on a page; letters, digits and hyphens.

    Returns:
        The element. The same drawing gives the same text.
    """
    headings = [text for text in drawing.figure.texts if text.get_gid() == HEADING]
    label = next((text.get_text() for text in headings), drawing.name)
    for text in headings:
        text.set_visible(False)
    try:
        return figure_svg(drawing.figure, key, label.replace(r"\$", "$"), drawing.hints, crop=True)
    finally:
        for text in headings:
            text.set_visible(True)


def figure_svg(
    figure: Figure, key: str, label: str, hints: Mapping[str, Sequence[str]] | None = None, *, crop: bool = False
) -> Markup:
    """A Matplotlib figure as an ``<svg>`` element.

    Args:
        figure: what to show.
        key: begins all ids.
        label: what it shows, for screen readers.
        hints: as those of :class:`Drawing`.
        crop: cut it to what is drawn, which takes a second drawing.
    """
    out = io.BytesIO()
    with house_style({"svg.fonttype": "none"}):
        figure.savefig(
            out,
            format="svg",
            transparent=True,
            bbox_inches="tight" if crop else None,
            pad_inches=0.03,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    root = ElementTree.fromstring(out.getvalue())
    _drop_namespaces(root)
    for unwanted in ("metadata", "style"):
        for parent in root.iter():
            for child in parent.findall(unwanted):
                parent.remove(child)
    _add_hints(root, hints or {})
    _shorten_ids(root, key)
    defined = {path for defs in root.iter("defs") for path in defs.findall("path")}
    for element in root.iter():
        _restyle(element, styled=element not in defined)
    _flatten(root)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    width = float(root.attrib["viewBox"].split()[2])
    root.attrib.update({"role": "img", "aria-label": label, "style": f"max-width:{1.6 * width:.0f}px"})
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _drop_namespaces(root: ElementTree.Element) -> None:
    """HTML knows SVG's elements without them."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in list(element.attrib):
            if "}" in name:
                element.attrib[name.rpartition("}")[2]] = element.attrib.pop(name)
        for text in (element.text, element.tail):
            if text is not None and not text.strip():
                element.text = element.text if element.text and element.text.strip() else None
        if element.tail and not element.tail.strip():
            element.tail = None


def _add_hints(root: ElementTree.Element, hints: Mapping[str, Sequence[str]]) -> None:
    """A title for each marker, or, where a group has none, each path outside of definitions."""
    for group in root.iter("g"):
        texts = hints.get(group.get("id", ""), ())
        defined = {element for defs in group.iter("defs") for element in defs.iter()}
        shapes = list(group.iter("use")) or [path for path in group.iter("path") if path not in defined]
        if len(shapes) != len(texts):
            continue  # no hint rather than a wrong one: Matplotlib leaves out what is outside the picture
        for shape, text in zip(shapes, texts, strict=True):
            ElementTree.SubElement(shape, "title").text = text


def _shorten_ids(root: ElementTree.Element, key: str) -> None:
    """Ids that are referred to get short names that begin with the key; the others are removed."""
    used: dict[str, str] = {}
    for element in root.iter():
        named = [element.get("href", "").removeprefix("#")]
        named += [name for value in element.attrib.values() for name in _REFERENCE.findall(value)]
        for name in filter(None, named):
            used.setdefault(name, f"{key}-{len(used)}")
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in used:
            element.set("id", used[own])
        if (target := element.get("href", "")).startswith("#"):
            element.set("href", f"#{used[target[1:]]}")
        for attribute, value in element.attrib.items():
            element.set(attribute, _REFERENCE.sub(lambda found: f"url(#{used[found[1]]})", value))


def _restyle(element: ElementTree.Element, *, styled: bool) -> None:
    """Short numbers, and colours of the page. A marker that is used elsewhere has its style there."""
    for name in _NUMERIC & set(element.attrib):
        value = element.attrib[name].replace("rotate(-0 ", "rotate(0 ")
        value = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.1f}", value)
        element.attrib[name] = " ".join(value.split())
    if element.attrib.get("transform", "").startswith("rotate(0 ") and "x" in element.attrib:
        del element.attrib["transform"]
    if not styled:
        element.attrib.pop("style", None)
        return
    kept = []
    for declaration in filter(None, (part.strip() for part in element.attrib.pop("style", "").split(";"))):
        name, _, value = declaration.partition(": ")
        if name == "font":  # e.g. 7px 'DejaVu Sans', ...: the size alone
            kept += [f"font-size: {size[0]}" for size in (re.search(r"[\d.]+px", value),) if size]
            kept += ["font-weight: bold"] if "bold" in value or "700" in value else []
        elif name not in _LEFT_OUT and declaration not in _DEFAULTS:
            kept.append(f"{name}: {_BY_HEX.get(value.lower(), value)}")
    if element.tag == "text" and not any(part.startswith("fill:") for part in kept):
        kept.append("fill: var(--ink)")
    if element.tag in ("path", "use") and not any(part.startswith("fill:") for part in kept) and kept:
        kept.append("fill: var(--ink)")
    if kept:
        element.set("style", ";".join(part.replace(": ", ":") for part in kept))


def _flatten(element: ElementTree.Element) -> None:
    """Groups without attributes are replaced by their content; empty ones are removed."""
    children: list[ElementTree.Element] = []
    for child in list(element):
        _flatten(child)
        if child.tag == "g" and not child.attrib:
            children += list(child)
        elif child.tag == "path" and child.get("style") == "fill:none":
            continue  # the background of a figure or of axes, which is the page's
        elif len(child) or child.tag not in ("g", "defs"):
            children.append(child)
    element[:] = children

"""Small charts as SVG for a page of HTML: colours come from the page's style, so that they follow light and dark.

Classes that a style must know: ``axis`` ``grid`` ``tick`` ``label`` (text), ``a`` ``b`` ``c`` (three colours for lines, dots
and bars), ``soft`` (pale), ``ideal`` (dashed).
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

_WIDTH, _HEIGHT = 380.0, 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 14.0, 10.0, 40.0
_LETTER = 6.0  # a letter's width in the units of the picture, at the size that the page's style gives


def plain(text: str) -> str:
    """Text for HTML: nothing in it is markup, and nothing in it breaks the file, whatever a tag or a file is called."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    printable = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") else c for c in readable)
    return html.escape(printable, quote=True)


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        label: with the unit.
        low, high: its ends.
        ticks: where, and what stands there.
        logarithmic: to the base 10; low must be above 0.
    """

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, 0..1 between the ends."""
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = (math.log10(max(x, low)) for x in (value, low, high))
        return (value - low) / (high - low)


def unit_axis(label: str, *, percent: bool = False) -> Axis:
    """From 0 to 1."""
    at = (0.0, 0.25, 0.5, 0.75, 1.0)
    return Axis(label, 0, 1, tuple((x, f"{x:.0%}" if percent else f"{x:g}") for x in at))


def linear_axis(label: str, low: float, high: float, n_ticks: int = 5, *, exact: bool = False) -> Axis:
    """Round ticks; the axis goes on to those beyond its ends, or, where it is to be exact, has none there."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / max(1, n_ticks - 1)
    power = 10 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [(i * step, f"{i * step:.6g}") for i in range(first, last + 1)]
    if exact:
        return Axis(label, low, high, tuple(tick for tick in ticks if low <= tick[0] <= high))
    return Axis(label, first * step, last * step, tuple(ticks))


def log_axis(label: str, low: float, high: float) -> Axis:
    """Ticks at 1, 10, 100 and so on, and between them where these are few."""
    low, high = max(low, 1e-9), max(high, low * 1.01, 1e-8)
    bases = (1, 2, 5) if math.log10(high / low) < 2 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    at = [base * 10.0**power for power in powers for base in bases]
    ticks = tuple((x, f"{x:,.6g}") for x in at if low * 0.999 <= x <= high * 1.001)
    if len(ticks) < 3:
        ticks = linear_axis("", low, high, exact=True).ticks
    return Axis(label, low, high, ticks, logarithmic=True)


@dataclass
class Chart:
    """A chart with two axes; what is drawn later lies above.

    Attributes:
        title: what it shows, for those who do not see it.
        x, y: its axes.
        height: in the units of the picture, whose width is 380.
    """

    title: str
    x: Axis
    y: Axis
    height: float = _HEIGHT
    left: float = _LEFT
    _parts: list[str] = field(default_factory=list)
    _taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Of two values the place in the picture."""
        return (
            self.left + self.x.share(x) * (_WIDTH - self.left - _RIGHT),
            self.height - _BOTTOM - self.y.share(y) * (self.height - _BOTTOM - _TOP),
        )

    def line(self, x: Sequence[float], y: Sequence[float], look: str, hint: str = "") -> None:
        """A line through the points; broken where a value is NaN."""
        runs: list[list[str]] = [[]]
        for pair in zip(x, y, strict=True):
            if any(math.isnan(value) for value in pair):
                runs.append([])
            else:
                runs[-1].append("{:.1f},{:.1f}".format(*self.at(*pair)))
        for run in runs:
            if len(run) > 1:
                self._parts.append(f'<polyline class="line {look}" points="{" ".join(run)}">{_hint(hint)}</polyline>')

    def dot(self, x: float, y: float, look: str, hint: str = "", radius: float = 3.6) -> None:
        """A point."""
        cx, cy = self.at(x, y)
        self._taken.append((cx - radius, cy - radius, cx + radius, cy + radius))
        self._parts.append(
            f'<circle class="dot {look}" cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:g}">{_hint(hint)}</circle>'
        )

    def whisker(self, x: float, low: float, high: float, look: str) -> None:
        """An upright interval."""
        if math.isnan(low) or math.isnan(high):
            return
        (cx, top), (_, bottom) = self.at(x, high), self.at(x, low)
        self._parts.append(
            f'<path class="whisker {look}" d="M{cx:.1f} {top:.1f}V{bottom:.1f}M{cx - 3:.1f} {top:.1f}h6M{cx - 3:.1f} {bottom:.1f}h6"/>'
        )

    def box(self, x0: float, y0: float, x1: float, y1: float, look: str, hint: str = "", opacity: float = 1.0) -> None:
        """A filled rectangle between two corners."""
        (ax, ay), (bx, by) = self.at(x0, y0), self.at(x1, y1)
        faint = f' fill-opacity="{opacity:.3f}"' if opacity < 1 else ""
        self._parts.append(
            f'<rect class="bar {look}" x="{min(ax, bx):.1f}" y="{min(ay, by):.1f}" width="{abs(bx - ax):.1f}" '
            f'height="{abs(by - ay):.1f}"{faint}>{_hint(hint)}</rect>'
        )

    def upright(self, x: float, look: str, hint: str = "") -> None:
        """A line from bottom to top."""
        cx, _ = self.at(x, self.y.low)
        self._parts.append(
            f'<path class="line {look}" d="M{cx:.1f} {_TOP:g}V{self.height - _BOTTOM:g}">{_hint(hint)}</path>'
        )

    def level(self, y: float, look: str, hint: str = "") -> None:
        """A line from left to right."""
        _, cy = self.at(self.x.low, y)
        self._parts.append(
            f'<path class="line {look}" d="M{self.left:g} {cy:.1f}H{_WIDTH - _RIGHT:g}">{_hint(hint)}</path>'
        )

    def name(self, x: float, y: float, text: str) -> bool:
        """A name beside a point, where there is room for it: call it when all points are drawn. Whether there was."""
        cx, cy = self.at(x, y)
        shown = text if len(text) <= 22 else text[:21] + "…"
        width = _LETTER * len(shown)
        for dx, dy, anchor in (
            (7, 4, "start"),
            (-7, 4, "end"),
            (0, -8, "middle"),
            (0, 16, "middle"),
            (7, -7, "start"),
            (-7, -7, "end"),
            (7, 15, "start"),
            (-7, 15, "end"),
        ):
            x0 = cx + dx - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            place = (x0, cy + dy - 9, x0 + width, cy + dy + 2)
            inside = x0 > self.left and place[2] < _WIDTH and place[1] > 0 and place[3] < self.height - _BOTTOM
            if inside and not any(_overlap(place, other) for other in self._taken):
                self._taken.append(place)
                self._parts.append(
                    f'<text class="label" x="{cx + dx:.1f}" y="{cy + dy:.1f}" text-anchor="{anchor}">{plain(shown)}</text>'
                )
                return True
        return False

    def to_svg(self) -> str:
        """The picture."""
        bottom, right = self.height - _BOTTOM, _WIDTH - _RIGHT
        parts = []
        for value, text in self.x.ticks:
            cx, _ = self.at(value, self.y.low)
            parts.append(f'<path class="grid" d="M{cx:.1f} {_TOP:g}V{bottom:g}"/>')
            parts.append(
                f'<text class="tick" x="{cx:.1f}" y="{bottom + 14:g}" text-anchor="middle">{plain(text)}</text>'
            )
        for value, text in self.y.ticks:
            _, cy = self.at(self.x.low, value)
            parts.append(f'<path class="grid" d="M{self.left:g} {cy:.1f}H{right:g}"/>')
            parts.append(
                f'<text class="tick" x="{self.left - 6:g}" y="{cy + 4:.1f}" text-anchor="end">{plain(text)}</text>'
            )
        middle_x, middle_y = (self.left + right) / 2, (_TOP + bottom) / 2
        parts.append(
            f'<text class="axis" x="{middle_x:g}" y="{self.height - 6:g}" text-anchor="middle">{plain(self.x.label)}</text>'
        )
        parts.append(
            f'<text class="axis" transform="translate(11 {middle_y:g}) rotate(-90)" text-anchor="middle">{plain(self.y.label)}</text>'
        )
        return picture(self.title, _WIDTH, self.height, [*parts, *self._parts])


def picture(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    """An SVG element of these parts."""
    size = f'viewBox="0 0 {width:g} {height:g}" style="max-width:{1.6 * width:.0f}px"'
    return f'<svg {size} role="img" aria-label="{plain(title)}">{"".join(parts)}</svg>'


def thin_out(n: int, most: int) -> list[int]:
    """At most ``most`` of n places, evenly, with both ends."""
    return sorted({round(x) for x in np.linspace(0, n - 1, min(n, most)).tolist()})


def _hint(text: str) -> str:
    return f"<title>{plain(text)}</title>" if text else ""


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

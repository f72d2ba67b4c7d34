"""Every tag's expected calibration error, compared with what chance alone gives."""

from __future__ import annotations

import numpy as np

from earmark.plots.drawing import Drawing
from earmark.plots.reliability import Reliability, reliability_frame
from earmark.plots.style import BLUE, GREY, HALF_INCHES, PALE, VERMILLION, house_style, new_figure, plain_text


@house_style()
def draw_calibration_errors(found: list[Reliability], about: str) -> Drawing:
    """Every tag's expected calibration error, and what perfectly calibrated scores would have by chance."""
    shown = sorted((one for one in found if one.tag is not None), key=lambda one: one.error)
    figure = new_figure(
        "Expected calibration error of every tag",
        about,
        width_inches=HALF_INCHES,
        height_inches=1.45 + 0.15 * len(shown),
    )
    axes = figure.add_subplot()
    at = np.arange(len(shown))
    for y, one in zip(at, shown, strict=True):
        if one.chance is not None and one.chance_high is not None:
            axes.plot([0, one.chance_high], [y, y], color=PALE, linewidth=4, solid_capstyle="butt")
    for colour, marker, label, chosen in (
        (GREY, "o", "could be chance", [one.chance_high is not None and one.error <= one.chance_high for one in shown]),
        (
            VERMILLION,
            "D",
            "beyond chance",
            [one.chance_high is not None and one.error > one.chance_high for one in shown],
        ),
        (BLUE, "s", "degrees (chance not known)", [one.chance_high is None for one in shown]),
    ):
        if any(chosen):
            x = [one.error for one, there in zip(shown, chosen, strict=True) if there]
            axes.plot(x, at[chosen], marker, color=colour, markersize=3.5, label=label)
    if any(one.chance_high is not None for one in shown):
        axes.plot([], [], color=PALE, linewidth=4, label="95 % of errors by chance")
    axes.set_yticks(at, [plain_text(one.tag or "", 24) for one in shown], fontsize=6 if len(shown) > 20 else 7)
    axes.set_ylim(-0.8, len(shown) - 0.2)
    axes.set_xlim(0, None)
    axes.set_xlabel("expected calibration error")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=2 if len(shown) > 3 else 1, handlelength=1.2, columnspacing=1)
    frame = reliability_frame(shown).drop_duplicates("tag")
    return Drawing("calibration-errors", figure, frame[["tag", "kind", "calibration_error", "error_by_chance"]])

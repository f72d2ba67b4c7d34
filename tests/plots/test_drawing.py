"""How a figure becomes files: whole, the same every time, in the house's style whatever a user's own is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from earmark.core.errors import ConfigError
from earmark.plots import Drawing, save
from earmark.plots.style import HALF_INCHES, house_style, new_figure


@house_style()
def draw(title: str = "A title", about: str = "a model, a dataset (a protocol)") -> Drawing:
    figure = new_figure(title, about)
    axes = figure.add_subplot()
    axes.plot([1.0, 2.0, 4.0])
    axes.set_xlabel("time (s)")
    return Drawing("curve", figure, pd.DataFrame({"time_s": [0, 1, 2], "value": [1.0, 2.0, 1 / 3]}))


@pytest.mark.slow
def test_three_files_with_the_same_bytes_every_time(tmp_path: Path) -> None:
    first, second = save(draw(), tmp_path / "made" / "a"), save(draw(), tmp_path / "b")
    assert [path.name for path in first] == ["curve.png", "curve.svg", "curve.csv"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[2].read_text() == "time_s,value\n0,1\n1,2\n2,0.333333\n"
    with Image.open(first[0]) as picture:
        assert picture.width == HALF_INCHES * 200
    assert "<svg" in first[1].read_text()


@pytest.mark.slow
def test_a_users_own_settings_change_nothing_and_come_back(tmp_path: Path) -> None:
    plain = save(draw(), tmp_path / "plain")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 17, "svg.hashsalt": "x"}):
        styled = save(draw(), tmp_path / "styled")
        assert matplotlib.rcParams["font.size"] == 30
    assert [path.read_bytes() for path in plain] == [path.read_bytes() for path in styled]


@pytest.mark.slow
def test_a_long_title_is_wrapped_and_stays_inside_and_above_the_axes() -> None:
    drawing = draw("Very many words that say what the figure shows, " * 3, "a $model$ with dollars, " * 6)
    figure = drawing.figure
    with house_style():
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.texts]
        inside = figure.bbox
        assert len(boxes) > 4
        assert all(box.x0 >= 0 and box.x1 <= inside.x1 and box.y1 <= inside.y1 for box in boxes)
        assert all(above.y0 > below.y0 for above, below in pairwise(boxes))
        assert figure.axes[0].get_tightbbox().y1 <= min(box.y0 for box in boxes)


@pytest.mark.slow
def test_colours_are_few_but_right(tmp_path: Path) -> None:
    with house_style():
        figure = new_figure("Map")
        axes = figure.add_subplot()
        axes.imshow(np.linspace(0, 1, 400).reshape(20, 20))
    png = save(Drawing("map", figure, pd.DataFrame()), tmp_path)[0]
    with house_style():
        figure.savefig(tmp_path / "full.png")
    with Image.open(png) as few, Image.open(tmp_path / "full.png") as full:
        off = np.abs(np.asarray(few.convert("RGB"), int) - np.asarray(full.convert("RGB"), int))
    assert off.max() <= 16
    assert off.mean() < 1.5


@pytest.mark.slow
def test_a_folder_that_cannot_be_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file: figures cannot be written there"):
        save(draw(), tmp_path / "file")

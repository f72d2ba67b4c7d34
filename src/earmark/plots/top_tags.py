"""A song's highest tags by several models, beside its labels (pons2017, section 3)."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from earmark.core.errors import DataError
from earmark.evaluation import ScoreTable
from earmark.plots.drawing import Drawing
from earmark.plots.style import BLACK, BLUE, GREY, PALE, house_style, new_figure, plain_text


@dataclass(frozen=True, eq=False)
class Answer:
    """The output of one model for a song.

    Attributes:
        model: its name.
        tags: (n_tags,) names, in any order.
        scores: (n_tags,) 0..1.
    """

    model: str
    tags: tuple[str, ...]
    scores: tuple[float, ...]


def answer_of(table: ScoreTable, clip: str) -> tuple[Answer, dict[str, float]]:
    """A model's scores of one clip, and the clip's labels, 0..1, of the tags for which it is labelled.

    Args:
        table: scores of a model.
        clip: its id, or a part of the id that no other clip has.

    Raises:
        DataError: no such clip in the table.
    """
    if clip not in table.clips:
        like = [one for one in table.clips if clip.lower() in one.lower()]
        if len(like) != 1:
            hint = f"{len(like)} clips have that in their name" if like else f"the first is {table.clips[0]!r}"
            raise DataError(f"{table.model or 'scores'}: no clip {clip!r}; {hint}")
        clip = like[0]
    row = table.clips.index(clip)
    names = table.vocabulary.names
    of_clip = zip(names, table.labels[row].tolist(), strict=True)
    labels = {name: round(float(label), 6) for name, label in of_clip if not math.isnan(label)}
    return Answer(table.model, names, tuple(float(score) for score in table.scores[row])), labels


def top_tags(answers: Sequence[Answer], labels: Mapping[str, float], n: int = 10) -> pd.DataFrame:
    """The ``n`` highest tags of each model, and the song's labels that are lower.

    Args:
        answers: of the models.
        labels: the song's, 0..1; a missing tag is not labelled.
        n: number of tags.

    Returns:
        Columns: model, rank (from 1), tag, score, label (NaN where not labelled), labelled (a label of 0.5 or more),
        shown (rank is at most n). A label that a model does not know has neither rank nor score.

    Raises:
        DataError: no models, or n below 1.
    """
    if not answers or n < 1:
        raise DataError(f"top tags: {len(answers)} models, {n} tags; there must be one or more of each")
    rows: list[tuple[str, int | None, str, float | None, float, bool, bool]] = []
    for answer in answers:
        order = sorted(range(len(answer.tags)), key=lambda i: -answer.scores[i])
        for rank, i in enumerate(order, start=1):
            label = labels.get(answer.tags[i], float("nan"))
            if rank <= n or label >= 0.5:
                rows.append((answer.model, rank, answer.tags[i], answer.scores[i], label, label >= 0.5, rank <= n))
        rows += [
            (answer.model, None, tag, None, label, True, False)
            for tag, label in labels.items()
            if label >= 0.5 and tag not in answer.tags
        ]
    table = pd.DataFrame(rows, columns=["model", "rank", "tag", "score", "label", "labelled", "shown"])
    return table.astype({"rank": "Int64", "score": float})


@house_style()
def draw_top_tags(table: pd.DataFrame, song: str, *, labels_known: bool = True) -> Drawing:
    """One panel per model: bars of its highest tags, dark where the song has the tag, with a line at a labelled degree;
    its other labels with their ranks."""
    models = list(dict.fromkeys(table.model))
    n = int(table[table.shown]["rank"].max())
    n_columns = min(len(models), 3)
    n_rows = -(-len(models) // n_columns)
    figure = new_figure(
        f"The {n} highest tags",
        song,
        width_inches=3.4 if n_columns == 1 else 2.34 * n_columns,
        height_inches=0.75 + n_rows * (0.5 + 0.17 * n + (0.35 if labels_known else 0.0)),
    )
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in grid[len(models) :]:
        axes.set_visible(False)
    for axes, model in zip(grid, models, strict=False):
        of_model = table[table.model == model]
        part = of_model[of_model.shown]
        places = range(len(part))
        axes.barh(places, part.score, height=0.8, color=[BLUE if hit else PALE for hit in part.labelled])
        for place, row in zip(places, part.itertuples(), strict=True):
            if row.label not in (0, 1) and not math.isnan(row.label):
                axes.plot([row.label] * 2, [place - 0.4, place + 0.4], color=BLACK, lw=1.2)
            inside = row.score > 0.55
            line = row.label if not math.isnan(row.label) and 0 < row.label < 1 else 0.0
            # A number is beside a line, not on it.
            beyond = line if row.score - 0.02 < line < row.score + 0.2 else row.score
            axes.text(
                row.score - 0.02 if inside else beyond + 0.02,
                place,
                f"{row.score:.2f}",
                va="center",
                ha="right" if inside else "left",
                fontsize=6,
                color="white" if inside and row.labelled else "black",
            )
        axes.set_yticks(places, [plain_text(tag, 20) for tag in part.tag], fontsize=7)
        for tick, hit in zip(axes.get_yticklabels(), part.labelled, strict=True):
            tick.set_fontweight("bold" if hit else "normal")
        axes.set_ylim(n - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1])
        axes.tick_params(axis="y", length=0)
        axes.set_title(plain_text(model, 26), loc="left", fontsize=7.5)
        axes.set_xlabel("score")
        if labels_known:
            lower = of_model[of_model.labelled & ~of_model.shown & of_model["rank"].notna()]
            unknown = of_model[of_model["rank"].isna()]
            said = [f"{row.tag} ({row.rank})" for row in lower.itertuples()]
            text = f"lower, with rank: {', '.join(said)}" if said else ""
            if len(unknown):
                text += f"\nnot its tags: {', '.join(unknown.tag)}"
            axes.annotate(
                _wrap(text.strip()),
                (0, 0),
                xycoords="axes fraction",
                xytext=(0, -30),  # under the axis and its name
                textcoords="offset points",
                fontsize=6,
                color=GREY,
                va="top",
            )
    if labels_known:
        degrees = ((table.label > 0) & (table.label < 1)).any()
        said_of_colours = "dark: labelled" + (", from 0.5 on; line: labelled degree" if degrees else "")
        figure.text(0.99, 0.985, said_of_colours, ha="right", va="top", fontsize=7, color=BLUE, fontweight="bold")
    return Drawing("top-tags", figure, table)


def _wrap(text: str, width: int = 44) -> str:
    return plain_text("\n".join("\n".join(textwrap.wrap(line, width)) for line in text.splitlines()))

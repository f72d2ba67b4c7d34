"""A song's highest tags by several models, beside its labels (pons2017, section 3)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from earmark.analysis.drawing import Drawing
from earmark.analysis.style import BLUE, GREY, PALE, house_style, new_figure, plain_text
from earmark.errors import DataError
from earmark.evaluation import ScoreTable


@dataclass(frozen=True, eq=False)
class Answer:
    """What one model said of a song.

    Attributes:
        model: its name.
        tags: (n_tags,) names, in any order.
        scores: (n_tags,) 0..1.
    """

    model: str
    tags: tuple[str, ...]
    scores: tuple[float, ...]


def answer_of(table: ScoreTable, clip: str) -> tuple[Answer, tuple[str, ...]]:
    """A model's scores of one clip, and the clip's labels: classification tags that hold, and degrees of 0.5 and more.

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
    labels = tuple(name for name, label in zip(names, table.labels[row], strict=True) if label >= 0.5)
    return Answer(table.model, names, tuple(float(score) for score in table.scores[row])), labels


def top_tags(answers: Sequence[Answer], labels: Sequence[str], n: int = 10) -> pd.DataFrame:
    """The ``n`` highest tags of each model, and the song's labels that are lower.

    Columns: model, rank (from 1), tag, score, labelled, shown (rank is at most n). A label that a model does not know
    has neither rank nor score.

    Raises:
        DataError: no models, or n below 1.
    """
    if not answers or n < 1:
        raise DataError(f"top tags: {len(answers)} models, {n} tags; there must be one or more of each")
    rows: list[tuple[str, int | None, str, float | None, bool, bool]] = []
    for answer in answers:
        order = sorted(range(len(answer.tags)), key=lambda i: -answer.scores[i])
        for rank, i in enumerate(order, start=1):
            labelled = answer.tags[i] in labels
            if rank <= n or labelled:
                rows.append((answer.model, rank, answer.tags[i], answer.scores[i], labelled, rank <= n))
        rows += [(answer.model, None, label, None, True, False) for label in labels if label not in answer.tags]
    table = pd.DataFrame(rows, columns=["model", "rank", "tag", "score", "labelled", "shown"])
    return table.astype({"rank": "Int64", "score": float})


@house_style()
def draw_top_tags(table: pd.DataFrame, song: str, *, labels_known: bool = True) -> Drawing:
    """A panel a model: bars of its highest tags, dark where the song has the tag; its other labels with their ranks."""
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
            inside = row.score > 0.55
            axes.text(
                row.score - 0.02 if inside else row.score + 0.02,
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
        axes.set_title(plain_text(model, 30), loc="left")
        axes.set_xlabel("score")
        if labels_known:
            lower = of_model[of_model.labelled & ~of_model.shown & of_model["rank"].notna()]
            unknown = of_model[of_model["rank"].isna()]
            said = [f"{row.tag} ({row.rank})" for row in lower.itertuples()]
            text = f"lower (rank): {', '.join(said)}" if said else "lower: none of its labels"
            if len(unknown):
                text += f"\nnot its tags: {', '.join(unknown.tag)}"
            axes.annotate(
                _wrap(text),
                (0, 0),
                xycoords="axes fraction",
                xytext=(0, -30),  # under the axis and its name
                textcoords="offset points",
                fontsize=6,
                color=GREY,
                va="top",
            )
    if labels_known:
        figure.text(0.99, 0.985, "dark: labelled", ha="right", va="top", fontsize=7, color=BLUE, fontweight="bold")
    return Drawing("top-tags", figure, table)


def _wrap(text: str, width: int = 44) -> str:
    return plain_text("\n".join("\n".join(textwrap.wrap(line, width)) for line in text.splitlines()))

"""`earmark analyze calibration`, `thresholds` and `confusion`: whether scores mean what they say, and what decisions they allow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from earmark.cli.analyze.options import Out
from earmark.cli.analyze.tables import Labels, Scores, Tags
from earmark.cli.commands import Option
from earmark.cli.options import Groups, Seed, resamples_option


def calibration(
    scores: Scores,
    out: Out,
    labels: Labels = None,
    tag: Tags = None,
    most: Annotated[int, Option("--most", min=1, help="Most single tags to draw.")] = 12,
    bins: Annotated[int, Option("--bins", help="How many, 2 to 100.")] = 10,
    spacing: Annotated[
        str,
        Option("--spacing", help="width: bins as wide as each other. count: with as many clips as each other."),
    ] = "width",
    groups: Groups = None,
    resamples: Annotated[int, resamples_option(0, "Bootstrap draws for the intervals; 0 for none.")] = 500,
    seed: Seed = 0,
) -> None:
    """Whether scores mean what they say: of clips that score about 0.7, do about 70 % have the tag?

    \b
    Examples:
      earmark analyze calibration results/first/scores.parquet --out figures
      earmark analyze calibration scores.csv --labels labels.csv --spacing count --tag guitar --out figures

    Writes calibration (all tags together; calibration-degrees for tags of degrees), calibration-tags (single tags,
    the largest errors first) and calibration-errors (every tag beside what chance alone gives).
    """
    from earmark.cli.analyze.options import require_figures, write_drawings

    require_figures()
    from earmark.cli.analyze.tables import about_scores, read_scores_and_labels
    from earmark.plots.calibration import draw_calibration, draw_calibration_tags
    from earmark.plots.calibration_errors import draw_calibration_errors
    from earmark.plots.reliability import reliabilities

    table = read_scores_and_labels(scores, labels)
    for name in tag or ():
        table.vocabulary.index(name)
    found = reliabilities(
        table,
        n_bins=bins,
        spacing=spacing,  # type: ignore[arg-type]
        groups=table.groups(groups),
        n_resamples=resamples,
        seed=seed,
    )
    line = about_scores(table)
    drawings = [draw_calibration(one, line) for one in found if one.tag is None]
    drawings.append(draw_calibration_tags(found, line, most=most, tags=tag))
    drawings.append(draw_calibration_errors(found, line))
    write_drawings(drawings, out)


def thresholds(
    scores: Scores,
    out: Out,
    labels: Labels = None,
    threshold: Annotated[
        str | None,
        Option("--threshold", help="Thresholds in use, to be marked: a number, a model's card.json, or a scores file."),
    ] = None,
    tag: Tags = None,
    most: Annotated[int, Option("--most", min=1, help="Most tags whose curves are drawn.")] = 12,
) -> None:
    """From which score on a tag applies: precision, recall and F1 over the threshold.

    Choose thresholds on validation clips; those that are best on test clips flatter.

    \b
    Examples:
      earmark analyze thresholds validation/scores.parquet --out figures
      earmark analyze thresholds test/scores.parquet --threshold runs/mine/checkpoint/card.json --tag rock --out figures

    Writes thresholds (every tag's best threshold, and how much it matters) and threshold-curves (single tags).
    """
    from earmark.cli.analyze.options import require_figures, write_drawings

    require_figures()
    from earmark.cli.analyze.tables import about_scores, read_scores_and_labels
    from earmark.evaluation.thresholds import read_thresholds
    from earmark.plots.thresholds import draw_threshold_curves, draw_thresholds, threshold_curves

    table = read_scores_and_labels(scores, labels)
    for name in tag or ():
        table.vocabulary.index(name)
    chosen, words = ({}, "") if threshold is None else read_thresholds(threshold, table.vocabulary)
    curves = threshold_curves(table, chosen)
    if threshold is not None and Path(threshold).suffix:
        words = Path(threshold).name  # no long paths in a picture
    line = about_scores(table) + (f"; in use: {words}" if words else "")
    write_drawings([draw_thresholds(curves, line), draw_threshold_curves(curves, line, most=most, tags=tag)], out)


def confusion(
    scores: Scores,
    out: Out,
    labels: Labels = None,
    measure: Annotated[
        str,
        Option(
            "--measure",
            help="Of the matrix. outranks: how often the wrong tag scores higher. score: its mean score. drawn: how "
            "well its scores tell such clips from those with neither tag (ROC-AUC).",
        ),
    ] = "outranks",
    most: Annotated[int, Option("--most", min=2, help="Tags in the matrix at most.")] = 30,
    least_clips: Annotated[
        int, Option("--least-clips", min=1, help="Leave pairs of fewer clips out of the list of pairs.")
    ] = 5,
) -> None:
    """Which tags a model takes for which others: clips that have tag A and not tag B, and how high B scores there.

    \b
    Examples:
      earmark analyze confusion results/first/scores.parquet --out figures
      earmark analyze confusion scores.csv --labels labels.csv --measure drawn --most 20 --out figures

    Writes confusion (a matrix) and confusion-pairs (the worst pairs by name).
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.tables import about_scores, read_scores_and_labels
    from earmark.plots.confusion import MEASURES, draw_confused_pairs, draw_confusion
    from earmark.plots.confusion import confusion as confused

    if measure not in MEASURES:
        raise ConfigError(f"--measure {measure!r}: must be one of {', '.join(MEASURES)}")
    table = read_scores_and_labels(scores, labels)
    found, line = confused(table), about_scores(table)
    write_drawings(
        [
            draw_confusion(found, line, measure=measure, most=most),
            draw_confused_pairs(found, line, least_clips=least_clips),
        ],
        out,
    )

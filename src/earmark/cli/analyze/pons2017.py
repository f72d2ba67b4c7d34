"""`earmark analyze training-size`, `top-tags` and `exclusive`: the table and the questions of Pons et al. 2017."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.analyze.options import Out
from earmark.cli.analyze.tables import About, Groups, Labels, Resamples


def register(app: typer.Typer) -> None:
    """Put the commands on the group."""
    app.command("training-size", no_args_is_help=True)(training_size)
    app.command("top-tags", no_args_is_help=True)(top_tags)
    app.command("exclusive", no_args_is_help=True)(exclusive)


def training_size(
    points: Annotated[
        list[str],
        typer.Argument(help="results.json of `earmark reproduce` beside its runs, or SERIES@CLIPS=SCORES, repeated."),
    ],
    out: Out,
    difference: Annotated[
        str | None,
        typer.Option(
            "--difference", metavar="A,B", help="Draw B minus A. Default: the two series that go together best."
        ),
    ] = None,
    groups: Groups = None,
    resamples: Resamples = 1000,
) -> None:
    """Metrics over the number of training clips, and the difference between two front-ends.

    \b
    Examples:
      earmark analyze training-size results/pons2017/results.json --out figures
      earmark analyze training-size mel@100=a.parquet mel@900=b.parquet raw@100=c.parquet raw@900=d.parquet --out f

    The same SERIES@CLIPS again is a further run of it. Intervals are over artists, and over runs where there are some.
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.plots.training_size import draw_training_size, points_of, size_tables

    pair = None
    if difference is not None:
        names = [name.strip() for name in difference.split(",")]
        if len(names) != 2 or not all(names):
            raise ConfigError(f"--difference {difference!r}: must be two series, A,B")
        pair = (names[0], names[1])
    found = size_tables(points_of(points), pair, groups=groups, n_resamples=resamples)
    write_drawings([draw_training_size(found)], out)


def top_tags(
    out: Out,
    audio: Annotated[Path | None, typer.Option("--audio", help="The song, heard by each --model.")] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Checkpoint, .onnx or installed model; may be repeated.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="A tag that the song has; may be repeated.")
    ] = None,
    scores: Annotated[
        list[Path] | None, typer.Option("--scores", help="In place of audio: a scores file a model; may be repeated.")
    ] = None,
    clip: Annotated[
        str | None, typer.Option("--clip", help="The song in these files: its id, or a part of it.")
    ] = None,
    labels: Labels = None,
    top: Annotated[int, typer.Option("--top", min=1, help="So many tags a model.")] = 10,
    about: About = None,
) -> None:
    """A song's highest tags by several models, beside its labels.

    \b
    Examples:
      earmark analyze top-tags --audio song.mp3 --model earmark-1 --model mine.onnx --label rock --label guitar --out figures
      earmark analyze top-tags --scores a/scores.parquet --scores b/scores.parquet --clip song-17 --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.tables import read_table
    from earmark.evaluation import load_model
    from earmark.plots.top_tags import Answer, answer_of, draw_top_tags
    from earmark.plots.top_tags import top_tags as table_of

    answers, held = [], dict.fromkeys(label or (), 1.0)
    if audio is not None and model and not scores and clip is None:
        for name in model:
            heard = load_model(name).tag(audio)
            answers.append(Answer(heard.model, heard.tags, tuple(float(x) for x in heard.scores)))
        song = audio.name
    elif scores and clip is not None and audio is None and not model:
        for path in scores:
            answer, its = answer_of(read_table(path, labels), clip)
            answers.append(answer)
            held = {**its, **held}
        song = clip
    else:
        raise ConfigError("top-tags: give either --audio and --model, or --scores and --clip")
    names = [answer.model for answer in answers]
    if len(set(names)) < len(names):  # two versions of one model
        answers = [
            Answer(f"{one.model} ({i})" if names.count(one.model) > 1 else one.model, one.tags, one.scores)
            for i, one in enumerate(answers, start=1)
        ]
    known = bool(held) or bool(scores)
    named = [tag for tag, value in held.items() if value >= 0.5]
    song = about or song + (f"; labels: {', '.join(named)}" if named else "")
    write_drawings([draw_top_tags(table_of(answers, held, top), song, labels_known=known)], out)


def exclusive(
    scores: Annotated[Path, typer.Argument(help="A scores file, or any table of scores with --labels.")],
    out: Out,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            "--pair", metavar="A,B", help="Two tags; may be repeated. Default: X / no X, male / female, fast / slow ..."
        ),
    ] = None,
    labels: Labels = None,
    about: About = None,
) -> None:
    """How often tags that exclude each other both reach a threshold.

    \b
    Examples:
      earmark analyze exclusive results/first/scores.parquet --pair rock,classical --out figures
      earmark analyze exclusive scores.csv --labels labels.csv --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.tables import about_scores, read_table
    from earmark.plots.exclusive import draw_exclusive, exclusive_table, find_pairs

    table = read_table(scores, labels)
    pairs = []
    for text in pair or ():
        names = [name.strip() for name in text.split(",")]
        if len(names) != 2 or not all(names):
            raise ConfigError(f"--pair {text!r}: must be two tags, A,B")
        pairs.append((names[0], names[1]))
    found = exclusive_table(table, pairs or find_pairs(table.vocabulary.names))
    write_drawings([draw_exclusive(found, about or about_scores(table))], out)

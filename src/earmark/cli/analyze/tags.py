"""`earmark analyze clips-per-tag`, `tag-pairs`, `top-tags` and `exclusive`: tags by clip, together, and against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from earmark.cli.analyze.options import Out
from earmark.cli.analyze.tables import About, Labels, LeastDegree
from earmark.cli.commands import Argument, Option
from earmark.cli.options import DatasetRoot, LabelledDataset, Protocol, dataset_option, root_option, split_option


def clips_per_tag(
    dataset: LabelledDataset,
    root: DatasetRoot,
    out: Out,
    protocol: Protocol = None,
    least_degree: LeastDegree = 0.5,
) -> None:
    """Clips of each tag in training, validation and test.

    \b
    Example:
      earmark analyze clips-per-tag --dataset magnatagatune --root ~/mtat --protocol mtat-bristol --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings

    require_figures()
    from earmark.cli.analyze.tables import about_dataset
    from earmark.datasets import load_dataset
    from earmark.plots.tag_counts import draw_tag_counts, tag_counts

    loaded = load_dataset(dataset, root, protocol)
    line = about_dataset(loaded)
    if any(tag.kind == "regression" for tag in loaded.vocabulary):
        line += f"; degrees count from {least_degree:g} on"
    table = tag_counts(loaded, least_degree=least_degree)
    write_drawings([draw_tag_counts(table, line, sizes=loaded.counts)], out)


def tag_pairs(
    out: Out,
    dataset: Annotated[str | None, dataset_option("A dataset's name, or manifest.")] = None,
    root: Annotated[Path | None, root_option("The dataset's folder.")] = None,
    protocol: Protocol = None,
    split: Annotated[str | None, split_option("train, validation or test. Default: all clips.")] = None,
    labels: Annotated[
        Path | None,
        Option("--labels", help="In place of a dataset: a table of labels, or a scores file (its labels)."),
    ] = None,
    tag: Annotated[
        list[str] | None, Option("--tag", help="Draw this tag; may be repeated. Default: the most frequent.")
    ] = None,
    most: Annotated[int, Option("--most", min=2, help="Most tags to draw.")] = 50,
    order: Annotated[
        str, Option("--order", help="alike: tags that are given together side by side. frequency: most first.")
    ] = "alike",
    least_degree: LeastDegree = 0.5,
    about: About = None,
) -> None:
    """How often tags are given together: clips that have both, as a matrix.

    \b
    Examples:
      earmark analyze tag-pairs --dataset magnatagatune --root ~/mtat --out figures
      earmark analyze tag-pairs --labels results/first/scores.parquet --tag classical --tag metal --tag dance --out f
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.tables import about_dataset
    from earmark.datasets import label_matrix, load_dataset
    from earmark.evaluation.tables import read_matrix
    from earmark.plots.binarize import binarize_labels
    from earmark.plots.cooccurrence import cooccurrence, draw_cooccurrence

    if order not in ("alike", "frequency"):
        raise ConfigError(f"--order {order!r}: must be alike or frequency")
    if labels is not None and dataset is None and root is None:
        table = read_matrix(labels, "label")
        values, names, line = table.values, table.tags, labels.name
    elif labels is None and dataset is not None and root is not None:
        loaded = load_dataset(dataset, root, protocol)
        clips = loaded.clips if split is None else loaded.split(split)
        values, names, line = label_matrix(clips), loaded.vocabulary.names, about_dataset(loaded, split or "")
    else:
        raise ConfigError("tag-pairs: give either --dataset and --root, or --labels")
    pairs = cooccurrence(binarize_labels(values, least_degree=least_degree), names)
    if tag and len(tag) < 2:
        raise ConfigError("tag-pairs: --tag is given once; a pair takes two")
    pairs = pairs.of(tag) if tag else pairs.most_frequent(most)
    if order == "alike" and not tag:
        pairs = pairs.alike_together()
    write_drawings([draw_cooccurrence(pairs, f"{about or line}, {pairs.n_clips:,} clips")], out)


def top_tags(
    out: Out,
    audio: Annotated[Path | None, Option("--audio", help="The song, tagged by each --model.")] = None,
    model: Annotated[
        list[str] | None, Option("--model", help="Checkpoint, .onnx or installed model; may be repeated.")
    ] = None,
    label: Annotated[list[str] | None, Option("--label", help="A tag that the song has; may be repeated.")] = None,
    scores: Annotated[
        list[Path] | None, Option("--scores", help="In place of audio: one scores file per model; may be repeated.")
    ] = None,
    clip: Annotated[str | None, Option("--clip", help="The song in these files: its id, or a part of it.")] = None,
    labels: Labels = None,
    top: Annotated[int, Option("--top", min=1, help="Number of tags per model.")] = 10,
    about: About = None,
) -> None:
    """A song's highest tags by several models, beside its labels.

    \b
    Examples:
      earmark analyze top-tags --audio song.mp3 --model musicnn-mtt --model mine.onnx --label rock --label guitar --out figures
      earmark analyze top-tags --scores a/scores.parquet --scores b/scores.parquet --clip song-17 --out figures
    """
    from earmark.cli.analyze.options import require_figures, write_drawings
    from earmark.core.errors import ConfigError

    require_figures()
    from earmark.cli.analyze.tables import read_scores_and_labels
    from earmark.evaluation import load_model
    from earmark.plots.top_tags import Answer, answer_of, draw_top_tags
    from earmark.plots.top_tags import top_tags as table_of

    answers, true_labels = [], dict.fromkeys(label or (), 1.0)
    if audio is not None and model and not scores and clip is None:
        for name in model:
            tagged = load_model(name).tag(audio)
            answers.append(Answer(tagged.model, tagged.tags, tuple(float(x) for x in tagged.scores)))
        song = audio.name
    elif scores and clip is not None and audio is None and not model:
        for path in scores:
            answer, its = answer_of(read_scores_and_labels(path, labels), clip)
            answers.append(answer)
            true_labels = {**its, **true_labels}
        song = clip
    else:
        raise ConfigError("top-tags: give either --audio and --model, or --scores and --clip")
    names = [answer.model for answer in answers]
    if len(set(names)) < len(names):  # two versions of one model
        answers = [
            Answer(f"{one.model} ({i})" if names.count(one.model) > 1 else one.model, one.tags, one.scores)
            for i, one in enumerate(answers, start=1)
        ]
    known = bool(true_labels) or bool(scores)
    named = [tag for tag, value in true_labels.items() if value >= 0.5]
    song = about or song + (f"; labels: {', '.join(named)}" if named else "")
    write_drawings([draw_top_tags(table_of(answers, true_labels, top), song, labels_known=known)], out)


def exclusive(
    scores: Annotated[Path, Argument(help="A scores file, or any table of scores with --labels.")],
    out: Out,
    pair: Annotated[
        list[str] | None,
        Option(
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
    from earmark.cli.analyze.tables import about_scores, read_scores_and_labels
    from earmark.plots.exclusive import draw_exclusive, exclusive_table, find_pairs

    table = read_scores_and_labels(scores, labels)
    pairs = []
    for text in pair or ():
        names = [name.strip() for name in text.split(",")]
        if len(names) != 2 or not all(names):
            raise ConfigError(f"--pair {text!r}: must be two tags, A,B")
        pairs.append((names[0], names[1]))
    found = exclusive_table(table, pairs or find_pairs(table.vocabulary.names))
    write_drawings([draw_exclusive(found, about or about_scores(table))], out)

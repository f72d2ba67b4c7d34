"""`earmark compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.console import print_json
from earmark.cli.options import Format, Resamples, Seed, TextFormat, groups_option


def compare(
    models: Annotated[
        list[str],
        Argument(
            metavar="MODEL...",
            help="Scores files of two or more models; the first is what the others are compared with. Several "
            "trainings of one model: their files, with commas between.",
        ),
    ],
    groups: Annotated[
        str | None,
        groups_option("Draw artist, song or clip. Default: artists where all are known, else songs."),
    ] = None,
    per_tag: Annotated[bool, Option("--per-tag", help="Compare every tag, too.")] = False,
    resamples: Resamples = 1000,
    seed: Seed = 0,
    output_format: Format = TextFormat.text,
) -> None:
    """Say which of two models is better on the same clips, by how much, and how sure that is.

    The interval is that of the difference: both models are measured on the
    same drawn artists. With several trainings of a model, these are drawn, too.
    Scores under other protocols, or of other clips, are refused.

    \b
    Examples:
      earmark compare mine/scores.parquet theirs/scores.parquet
      earmark compare base.parquet one.parquet two.parquet --per-tag
      earmark compare a1.parquet,a2.parquet,a3.parquet b1.parquet,b2.parquet,b3.parquet --format json
    """
    from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
    from earmark.core.errors import ConfigError

    problems = []
    if len(models) < 2:
        problems.append("compare wants at least two models; trainings of one model have commas between, models a space")
    problems += [f"{model!r} names no scores file" for model in models if not model.replace(",", "").strip()]
    if problems:
        raise ConfigError(problems)
    require_extra("train", "`earmark compare`", "pyarrow")

    from earmark.evaluation import compare as run_comparison
    from earmark.evaluation.tables import read_score_table
    from earmark.metrics import metric_info, metric_label

    with exit_on_interrupt("nothing was compared"):
        sides = [[read_score_table(Path(name)) for name in model.split(",") if name] for model in models]
        names = _names(models, [[table.model for table in side] for side in sides])
        found = [
            run_comparison(sides[0], side, names=(names[0], name), groups=groups, n_resamples=resamples, seed=seed)
            for side, name in zip(sides[1:], names[1:], strict=True)
        ]
    if output_format is TextFormat.json:
        documents = [json.loads(one.to_json()) for one in found]
        print_json({"format": 1, "comparisons": documents})
        return
    for one in found:
        runs = f" ({one.n_runs_a} and {one.n_runs_b} trainings)" if one.n_runs_a + one.n_runs_b > 2 else ""
        where = ", ".join(word for word in (one.dataset, one.protocol, one.split) if word)
        click.echo(f"{one.a} (A) and {one.b} (B){runs} on {where or 'the same clips'}, {one.n_clips} clips")
        for gap in one.gaps:
            if gap.tag is not None and not per_tag:
                continue
            of_tags = "" if metric_info(gap.metric).of_classes else f", {gap.tag or 'macro'}"
            name = f"{metric_label(gap.metric)}{of_tags}"
            both = "" if gap.a is None or gap.b is None else f"  A {gap.a:.4f}  B {gap.b:.4f}"
            click.echo(f"  {name:<24}{both}  {one.sentence(gap.metric, gap.tag)}")
        for metric, tags in one.undefined.items():
            if tags:
                click.echo(f"  undefined {metric_label(metric)}: {', '.join(tags)}")
        drawn = f"{one.n_groups} {one.resampled}s" + (" and over trainings" if runs else "")
        click.echo(
            f"  {one.level:.0%} intervals of the difference, bootstrap over {drawn} ({one.n_resamples} resamples)"
        )


def _names(models: list[str], of_tables: list[list[str]]) -> list[str]:
    """The models' own names where they tell all sides apart, else those of the files."""
    own = [names[0] for names in of_tables]
    single = all(name and len(set(names)) == 1 for name, names in zip(own, of_tables, strict=True))
    return own if single and len(set(own)) == len(own) else list(models)

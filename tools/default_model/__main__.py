"""`python -m tools.default_model`, from the root of a checkout of earmark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, cast

import click

from earmark.cli.commands import Argument, Option
from earmark.cli.lazy_group import Entry, lazy_group
from earmark.cli.optional_dependencies import exit_on_interrupt, require_extra
from earmark.cli.options import Quiet, jobs_option, out_option, root_option, windows_option
from earmark.core.errors import AudioError, ConfigError, DataError, EarmarkError

Emotify = Annotated[Path, Option("--emotify", metavar="DIR", help="Emotify: tracks.csv and its audio.")]
Corpus = Annotated[
    Path | None,
    Option("--corpus", metavar="DIR", help="For earmark-1, more music: tracks.csv and its audio.", show_default=False),
]


def songs(
    emotify: Emotify,
    out: Annotated[Path, out_option("The table of music to write.", metavar="FILE.csv")],
    corpus: Corpus = None,
    music: Annotated[
        Path | None, Option("--music", metavar="DIR", help="For earmark-2: written by fetch-music.", show_default=False)
    ] = None,
) -> None:
    """List the music of both collections for `earmark distill label`: splits, groups, weights and known genres."""
    from earmark.core.atomic_files import write_atomic
    from earmark.datasets.labelled_set.songs import songs_csv
    from tools.default_model import earmark_2
    from tools.default_model.corpus import read_collections

    if corpus is not None and music is None:
        found = read_collections(emotify, corpus)
    elif music is not None and corpus is None:
        found = earmark_2.songs(emotify, music)
    else:
        raise ConfigError("--corpus DIR for earmark-1, or --music DIR for earmark-2: give one of them")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, songs_csv(found).encode())
    click.echo(f"{out}: {len(found)} songs")


def degrees(
    songs: Annotated[Path, Option("--songs", metavar="FILE.csv", help="The table of music.")],
    sets: Annotated[
        Path, Option("--sets", metavar="DIR", help="Of `earmark distill label`: it has the decoded songs.")
    ],
    vibenet: Annotated[
        Path, Option("--vibenet", metavar="PROGRAM", help="VibeNet's program, in an environment of its own.")
    ],
    out: Annotated[Path, out_option("Table to write, and to continue.", metavar="FILE.csv")],
) -> None:
    """Estimate energy, valence and other degrees of the songs with VibeNet; may be stopped and started again."""
    from earmark.datasets.labelled_set.songs import read_songs
    from tools.default_model.earmark_2.degrees import estimate_degrees

    def report(done: int, n: int) -> None:
        click.echo(f"{done} of {n}")

    with exit_on_interrupt("the same command continues where it was stopped"):
        estimate_degrees(read_songs(songs), sets / "songs", vibenet, out, report)


def checkpoint(
    file: Annotated[Path, Argument(metavar="FILE.onnx", help="Of a model made here.")],
    sets: Annotated[Path, Option("--sets", metavar="DIR", help="Written by `earmark distill label` or `unpack`.")],
    out: Annotated[Path, out_option("Folder of the checkpoint.", metavar="DIR")],
    recipe: Annotated[
        str, Option("--recipe", help="With which the model was trained.", show_default=True)
    ] = "default/compact-1d-wide",
) -> None:
    """Make a checkpoint of a released model file, for `earmark train --begin` to go on from."""
    require_extra("train", "`python -m tools.default_model`", "onnx", "scipy", "torch", "yaml")
    from earmark.core.card import ModelCard
    from tools.default_model.restart import checkpoint_from_onnx

    checkpoint_from_onnx(file, ModelCard.read(file.with_suffix(".json")), recipe, sets, out)
    click.echo(str(out))


def finish(
    checkpoint: Annotated[Path, Argument(metavar="CHECKPOINT", help="Of the student: RUN/checkpoint.")],
    sets: Annotated[Path, Option("--sets", metavar="DIR", help="Written by `earmark distill label` or `unpack`.")],
    emotify: Emotify,
    out: Annotated[Path, out_option("Folder for checkpoint, ONNX file and page.", metavar="DIR")],
    corpus: Corpus = None,
    judged: Annotated[
        Path | None,
        Option(
            "--judged",
            metavar="DIR",
            help="Written by judge (and factors): for the page of earmark-2.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, Option("--name", help="Of earmark-2, e.g. earmark-2-large.", show_default="as in card.json")
    ] = None,
    instruments: Annotated[
        Path | None,
        Option("--instruments", metavar="DIR", help="Single notes with known instruments.", show_default=False),
    ] = None,
    weights: Annotated[
        str, Option(metavar="float32|float16|int8", help="How the ONNX file stores the weights.")
    ] = "float16",
) -> None:
    """Release a student as earmark-2: calibrate, export, write card and page. With --corpus as earmark-1.

    The page has what people's labels say of the very file that is written: finish, judge the file, and finish again with
    --judged.
    """
    require_extra("train", "`python -m tools.default_model`", "jinja2", "onnx", "pyarrow", "scipy", "torch", "yaml")
    from earmark.export.precision import Weights
    from tools.default_model.release import make_earmark_1, make_earmark_2

    if corpus is not None and (judged is not None or name is not None):
        raise ConfigError("--corpus is of earmark-1, --judged and --name of earmark-2: give one of them")
    if weights not in ("float32", "float16", "int8"):
        raise ConfigError(f"--weights {weights!r}: must be float32, float16 or int8")
    kind = cast(Weights, weights)
    with exit_on_interrupt("the same command starts again"):
        if corpus is not None:
            lines = make_earmark_1(checkpoint, sets, emotify, corpus, out, instruments=instruments, weights=kind)
        else:
            lines = make_earmark_2(
                checkpoint, sets, emotify, out, judged=judged, name=name, instruments=instruments, weights=kind
            )
        for line in lines:
            click.echo(line)


def reproduce(
    root: Annotated[
        Path, root_option("With emotify, macleod.csv, and perhaps peers, mtat and judges: README.md.", metavar="DIR")
    ],
    out: Annotated[Path, out_option("Folder for all results.", metavar="DIR")],
    model: Annotated[str, Option("--model", metavar="NAME", help="earmark-2, or earmark-1.")] = "earmark-2",
    hours: Annotated[
        float | None, Option("--hours", min=0.1, help="Of labelled audio.", show_default="all that is packed")
    ] = None,
    label: Annotated[
        bool, Option("--label", help="Label anew with all teachers: some days, instead of the packed labels.")
    ] = False,
    override: Annotated[
        list[str] | None, Option("-o", "--override", metavar="KEY=VALUE", help="Change a value of all recipes.")
    ] = None,
    jobs: Annotated[int | None, jobs_option("Default: one per core.", True, metavar=None)] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Print the commands, and stop.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run every command between music and earmark-2, one after the other; `earmark reproduce default` is the same."""
    from rich.console import Console

    from earmark.core.cpu import available_cores
    from tools.default_model.steps import HOURS, lines, run, steps, steps_1

    root, out, jobs = root.expanduser(), out.expanduser(), jobs or available_cores()
    if model not in ("earmark-1", "earmark-2"):
        raise ConfigError(f"--model {model!r}: must be earmark-1 or earmark-2")
    if model == "earmark-1":
        if label:
            raise ConfigError("--label is of earmark-2: there are no packed labels of earmark-1's music")
        found = steps_1(root, out, hours=hours or HOURS, jobs=jobs, overrides=override or [])
    else:
        found = steps(root, out, hours=hours, label=label, jobs=jobs, overrides=override or [])
    if dry_run:
        for line in lines(found):
            click.echo(line)
        return
    messages = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)
    with exit_on_interrupt("the same command continues where it was stopped"):
        for number, step in enumerate(found, start=1):
            messages.print(f"{number}/{len(found)}  {step.title}", markup=False)
            run(step)


def fetch_music(
    out: Annotated[Path, out_option("Folder for audio and tables.", metavar="DIR")],
    composer: Annotated[
        Path, Option("--composer", metavar="FILE", help="macleod.csv: the titles of the composer that may be used.")
    ],
    mirror: Annotated[
        Path | None,
        Option(
            "--mirror", metavar="DIR", help="Bare repositories, OWNER+NAME/repo; others are cloned.", show_default=False
        ),
    ] = None,
    only: Annotated[
        list[str] | None, Option("--only", metavar="NAME", help="Only this source; may be repeated.")
    ] = None,
) -> None:
    """Download the music that earmark-2 learns from, and list it; may be stopped and started again."""
    require_extra("train", "`python -m tools.default_model`", "yaml")
    from tools.default_model.music.fetch import fetch_music as fetch
    from tools.default_model.music.sources import read_sources

    with exit_on_interrupt("the same command continues where it was stopped"):
        click.echo(fetch(read_sources(), out, composer, mirror=mirror, only=only or [], report=click.echo), nl=False)


def rules(
    model: Annotated[
        Path, Argument(metavar="FILE.onnx", help="An exported earmark-1 or -2; the card beside it changes, too.")
    ],
) -> None:
    """Set the rules on the card of a model file from tags.csv and card.json; its network stays as it is."""
    require_extra("train", "`python -m tools.default_model`", "onnx", "scipy", "torch")
    from tools.default_model.rules import update_rules

    card = update_rules(model)
    click.echo(f"{model}: {len(card.rules.parents)} tags with parents, {len(card.rules.rivals)} with rivals")


def bundle(
    model: Annotated[Path, Argument(metavar="FILE.onnx", help="A finished model, with its card beside it.")],
) -> None:
    """Make a model the one that comes with earmark: its files, the name in the source, the examples in README and docs.

    The former one is removed. A file is refused where its tags, or anything else, are not those of its card.
    """
    from tools.default_model.bundle import ROOT, bundle_model

    for path in bundle_model(model):
        click.echo(f"{path}" if (ROOT / path).exists() else f"{path}: removed")


def judge(
    models: Annotated[
        list[str],
        Argument(metavar="MODEL...", help="Names of models, ONNX files, or names of published networks."),
    ],
    root: Annotated[Path, root_option("With the folders emotify and mtat, and macleod.csv.", metavar="DIR")],
    audio: Annotated[Path, Option("--audio", metavar="DIR", help="With macleod, gtzan, piano, sounds and speech.")],
    out: Annotated[Path, out_option("Folder for NAME.SPLIT.json and SPLIT.md.", metavar="DIR")],
    split: Annotated[
        str, Option("--split", help="validation, or test, which is for the finished model.")
    ] = "validation",
    average: Annotated[bool, Option("--average", help="Also measure all these models averaged.")] = False,
    rankings_only: Annotated[
        bool, Option("--rankings-only", help="Do not measure what is printed; needs no training songs.")
    ] = False,
    onnx: Annotated[
        Path | None, Option("--onnx", metavar="DIR", help="Published networks as NAME.onnx.", show_default=False)
    ] = None,
    weights: Annotated[
        Path | None,
        Option(
            "--weights", metavar="DIR", help="Published weights, converted to --onnx if missing.", show_default=False
        ),
    ] = None,
    mtat_labels: Annotated[
        list[Path] | None,
        Option("--mtat-labels", metavar="FILE.tsv", help="More labels of MagnaTagATune's clips: id, list of values."),
    ] = None,
    windows: Annotated[int | None, windows_option("Use only so many windows of each file, for slow networks.")] = None,
    jobs: Annotated[int | None, jobs_option("Files decoded side by side.")] = None,
    quiet: Quiet = False,
) -> None:
    """Measure models against labels that people gave. Scores are kept in OUT/scores, so the command may be stopped."""
    require_extra("train", "`python -m tools.default_model`", "scipy")
    from rich.console import Console

    from tools.default_model.judges import report, suite
    from tools.default_model.judges.models import Average, Model
    from tools.default_model.judges.scoring import ScoreStore, model_file

    if split not in suite.SPLITS:
        raise ConfigError(f"--split {split!r}: must be {' or '.join(suite.SPLITS)}")
    messages = Console(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)
    folders = suite.Folders(root / "emotify", root / "macleod.csv", root / "mtat", audio, tuple(mtat_labels or ()))
    songs = suite.read_collections(folders)

    def on_done(collection: str, done: int, n: int) -> None:
        if done == n or done % 20 == 0:
            messages.print(f"  {collection}: {done} of {n}", markup=False)

    with exit_on_interrupt("the same command continues"):
        found = []
        for name in models:
            model = Model(ScoreStore(model_file(name, onnx, weights), out / "scores", windows), jobs, on_done)
            messages.print(f"{model.name}:", markup=False)
            values = suite.rankings(model, songs, split)
            values += [] if rankings_only else suite.outputs(model, songs, split)
            click.echo(report.write_results(out, model.name, split, values, model.sha256))
            found.append(model)
        if average:
            values = suite.rankings(Average(found), songs, split)
            click.echo(report.write_results(out, f"average of {len(found)}", split, values))
    click.echo(report.write_page(out, split))


def factors(
    checkpoint: Annotated[Path, Argument(metavar="CHECKPOINT", help="Of the student: RUN/checkpoint.")],
    model: Annotated[Path, Option("--model", metavar="FILE.onnx", help="The same student, finished with any factors.")],
    sets: Annotated[Path, Option("--sets", metavar="DIR", help="Written by `earmark distill label`.")],
    card: Annotated[Path, Option("--card", metavar="FILE.json", help="The text of its card.")],
    root: Annotated[Path, root_option("With the folders emotify and mtat, and macleod.csv.", metavar="DIR")],
    audio: Annotated[Path, Option("--audio", metavar="DIR", help="With macleod, gtzan, piano, sounds and speech.")],
    out: Annotated[
        Path, out_option("Folder for scores, calibrated checkpoints, factors and factors.md.", metavar="DIR")
    ],
    jobs: Annotated[int | None, jobs_option("Files decoded side by side.")] = None,
) -> None:
    """Compare what is printed with people's labels, by share factor (validation songs)."""
    require_extra("train", "`python -m tools.default_model`", "scipy", "torch")
    from earmark.core.atomic_files import write_atomic
    from earmark.distillation.card_text import read_card_text
    from tools.default_model.judges import report, suite
    from tools.default_model.judges.factors import outputs_by_factor
    from tools.default_model.judges.models import Model
    from tools.default_model.judges.scoring import ScoreStore

    folders = suite.Folders(root / "emotify", root / "macleod.csv", root / "mtat", audio)
    songs = suite.read_collections(folders)
    judged = Model(ScoreStore(model, out / "scores"), jobs)
    with exit_on_interrupt("the same command continues"):
        found = {}
        for factor, values in outputs_by_factor(checkpoint, sets, read_card_text(card), judged, songs, out):
            found[f"factor {factor:g}"] = values
            report.write_results(out / "factors", f"factor {factor:g}", "validation", values)
    write_atomic(out / "factors.md", report.markdown("validation", found).encode())
    click.echo(out / "factors.md")


app = lazy_group(
    "python -m tools.default_model",
    "Make earmark-2, or earmark-1.",
    (
        Entry(
            "fetch-music",
            "tools.default_model.__main__:fetch_music",
            "Download the music that earmark-2 learns from, and list it; may be stopped and started again.",
        ),
        Entry(
            "songs",
            "tools.default_model.__main__:songs",
            "List the music of both collections for `earmark distill label`: splits, groups, weights and known genres.",
        ),
        Entry(
            "degrees",
            "tools.default_model.__main__:degrees",
            "Estimate energy, valence and other degrees of the songs with VibeNet; may be stopped and started again.",
        ),
        Entry(
            "checkpoint",
            "tools.default_model.__main__:checkpoint",
            "Make a checkpoint of a released model file, for `earmark train --begin` to go on from.",
        ),
        Entry(
            "finish",
            "tools.default_model.__main__:finish",
            "Release a student as earmark-2: calibrate, export, write card and page. With --corpus as earmark-1.",
        ),
        Entry(
            "reproduce",
            "tools.default_model.__main__:reproduce",
            "Run every command between music and earmark-2, one after the other; `earmark reproduce default` is the same.",
        ),
        Entry(
            "rules",
            "tools.default_model.__main__:rules",
            "Set the rules on the card of a model file from tags.csv and card.json; its network stays as it is.",
        ),
        Entry(
            "bundle",
            "tools.default_model.__main__:bundle",
            "Make a model the one that comes with earmark: its files, the name in the source, the examples in README and docs.",
        ),
        Entry(
            "factors",
            "tools.default_model.__main__:factors",
            "Compare what is printed with people's labels, by share factor (validation songs).",
        ),
        Entry(
            "judge",
            "tools.default_model.__main__:judge",
            "Measure models against labels that people gave. Scores are kept in OUT/scores, so the command may be stopped.",
        ),
    ),
)


def main() -> None:
    """Run the command; errors of earmark are printed, and end it with exit code 1 (data) or 2 (usage)."""
    try:
        app(prog_name="python -m tools.default_model")
    except EarmarkError as error:
        for line in str(error).splitlines():
            print(f"earmark: {line}", file=sys.stderr)
        sys.exit(1 if isinstance(error, AudioError | DataError) else 2)


if __name__ == "__main__":
    main()

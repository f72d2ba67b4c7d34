"""The steps of `earmark reproduce default`: every command between music and earmark-2, or earmark-1.

They are commands that a person could type, run one after the other (labelling: one process per core side by side). Each
skips what it has done already, so the whole may be stopped and started again.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.core.errors import DataError, EarmarkError

FOLDER = Path(__file__).parent
SECOND = FOLDER / "earmark_2"
TOOL = ("python", "-m", "tools.default_model")

# earmark-2: what its training took. These numbers, and those in the recipes, are all there is to set.
_WEIGHTS = "vocabulary_weights: {mtat-50: 1.5, msd-50: 0.7, mtg-jamendo-50: 0.7, audioset-527: 2, essentia-voice: 2}"
_SHARED = ("training.ema_decay=0.999", "training.precision=32")
_HOURS_OF_ALL_TEACHERS, _HOURS_OF_STAGE_2 = 19.1, 47.5
STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "compact-1d-wide",
        (
            "training.epochs=20",
            "optimiser.learning_rate=2e-3",
            *_SHARED,
            f"data.options={{parts: 3, hours: {_HOURS_OF_ALL_TEACHERS}, {_WEIGHTS}}}",
        ),
    ),
    (
        "compact-1d-wide",
        (
            "training.epochs=14",
            "optimiser.learning_rate=1.5e-3",
            *_SHARED,
            f"data.options={{parts: 3, hours: {_HOURS_OF_STAGE_2}, {_WEIGHTS}}}",
        ),
    ),
    ("compact-1d-wide", ("training.epochs=7", "training.ema_decay=0.999", f"data.options={{parts: 3, {_WEIGHTS}}}")),
)
"""Recipes and what is changed in them, one after the other; each begins with the weights of the one before.

What earmark-2 took differs in two ways: in the first two stages nothing was known of speech and noise, 1.6 of the hours were there
twice, and the third began with version 2 of the file (`checkpoint`), not with the run, which was gone.
"""
LABELLED_HOURS, LABEL_SEED = 48.0, 2
"""Of `earmark distill label`, where labels are made anew; the packed labels are of fewer."""
JUDGED_BESIDE = ("fcn-mtat", "crnn-msd", "vgg-mtt", "mn04")
"""Models that people's labels judge as well, for the page."""

# earmark-1
STUDENTS = ("compact-1d", "model1", "compact-2d")
"""Recipes that are compared; the first is the one that becomes the model."""
HOURS = 35.0
"""Of augmented audio. 68 shards, as many as there was time to label."""
WHOLE, WHOLE_HOURS = "compact-1d-whole", 20.0
"""The second stage, on whole examples, and on how much of the set."""
TRIAL_HOURS = 10.0
TRIAL_EPOCHS = 5


@dataclass(frozen=True)
class Step:
    """Commands that run side by side.

    Attributes:
        title: for people.
        commands: each a program, "earmark" or "python", and its arguments.
        done: a file that exists once they have run; None for commands that find out for themselves.
        threads: of each command.
    """

    title: str
    commands: tuple[tuple[str, ...], ...]
    done: Path | None = None
    threads: int = 1


def steps(
    root: Path,
    out: Path,
    *,
    hours: float | None = None,
    label: bool = False,
    jobs: int = 1,
    overrides: Sequence[str] = (),
) -> list[Step]:
    """All steps to earmark-2.

    Args:
        root: with the folder emotify and macleod.csv; with mtat and judges, people's labels are compared (README.md says
            what judges holds); with peers, the published weights, else those that `earmark models pull` has downloaded.
        out: folder of everything that is made: music, sets (115 MB per hour), students, and model.
        hours: learn from so much labelled audio; None for all there is.
        label: label the music anew with all teachers, instead of unpacking the labels in this repository.
        jobs: processes that label side by side, and threads that train.
        overrides: KEY=VALUE, of all trainings.

    Raises:
        DataError: Emotify or the composer's table is not there.
    """
    emotify, composer, peers, judges = (root / name for name in ("emotify", "macleod.csv", "peers", "judges"))
    if missing := [str(path) for path in (emotify / "tracks.csv", composer) if not path.is_file()]:
        raise DataError(
            f"{', '.join(missing)}: not there; --root must hold emotify with its tracks.csv, and macleod.csv"
        )
    music, songs, sets, model, judged = (out / name for name in ("music", "songs.csv", "sets", "model", "judged"))
    weights = ("--weights", str(peers)) if peers.is_dir() else ()
    plan = ("--plan", str(SECOND / "plan.yaml"), "--songs", str(songs), "--out", str(sets))
    if label:
        more = (*weights, "--hours", f"{hours or LABELLED_HOURS:g}", "--seed", str(LABEL_SEED))
        command: tuple[str, ...] = ("earmark", "distill", "label", *plan, *more)
    else:
        command = ("earmark", "distill", "unpack", str(SECOND / "labels"), *plan)
    collections = ("--emotify", str(emotify), "--music", str(music))
    fetched = (*TOOL, "fetch-music", "--out", str(music), "--composer", str(composer))
    found = [
        Step("fetch music", (fetched,)),
        Step("list music", ((*TOOL, "songs", *collections, "--out", str(songs)),)),
        Step("label" if label else "unpack labels", _in_parts(command, jobs)),
    ]
    student: Path | None = None
    for number, (recipe, changes) in enumerate(STAGES, start=1):
        begin = () if student is None else ("--begin", str(student / "checkpoint"))
        student = out / f"stage-{number}"
        some = () if hours is None else _part(hours)
        options = tuple(word for text in (*changes, *overrides) for word in ("-o", text))
        found.append(_training(f"train, stage {number}", recipe, sets, student, (*begin, *options, *some), jobs))
    assert student is not None
    words = (str(student / "checkpoint"), "--sets", str(sets), "--emotify", str(emotify), "--out", str(model))
    finish = (*TOOL, "finish", *words)
    found.append(Step("finish", (finish,), model / "earmark-2.md", threads=jobs))
    if judges.is_dir() and (root / "mtat").is_dir():
        models = (str(model / "earmark-2.onnx"), *JUDGED_BESIDE)
        data = ("--root", str(root), "--audio", str(judges), "--onnx", str(out / "onnx"), *weights)
        found.append(Step("judge", ((*TOOL, "judge", *models, *data, "--out", str(judged)),), threads=jobs))
        found.append(Step("write the page", ((*finish, "--judged", str(judged)),), threads=jobs))
    return found


def steps_1(
    root: Path,
    out: Path,
    *,
    hours: float = HOURS,
    jobs: int = 1,
    compare: bool = True,
    overrides: Sequence[str] = (),
) -> list[Step]:
    """All steps to earmark-1.

    Args:
        root: with the folders emotify and corpus, and peers with the published weights; without peers the teachers are those
            that `earmark models pull` has downloaded; with instruments, single notes are measured at the end.
        out: folder of everything that is made: sets (115 MB per hour), students, and model.
        hours: of labelled training audio. Fewer are enough to see whether all runs.
        jobs: processes that label side by side, and threads that train.
        compare: also train the other designs on a part of the set, and compare.
        overrides: KEY=VALUE, of all trainings.

    Raises:
        DataError: a collection is not there.
    """
    emotify, corpus, peers, notes = (root / name for name in ("emotify", "corpus", "peers", "instruments"))
    if missing := [str(folder) for folder in (emotify, corpus) if not (folder / "tracks.csv").is_file()]:
        raise DataError(f"{', '.join(missing)}: no tracks.csv there; --root must hold the folders emotify and corpus")
    sets, model = out / "sets", out / "model"
    data = ("--emotify", str(emotify), "--corpus", str(corpus))
    songs = out / "songs.csv"
    weights = ("--weights", str(peers)) if peers.is_dir() else ()
    plan = ("--plan", str(FOLDER / "plan.yaml"), "--songs", str(songs))
    label = ("earmark", "distill", "label", *plan, *weights, "--out", str(sets), "--hours", f"{hours:g}")
    changed = tuple(word for text in overrides for word in ("-o", text))
    of_sets = ("--sets", str(sets))
    found = [
        Step("list music", ((*TOOL, "songs", *data, "--out", str(songs)),)),
        Step("label", _in_parts(label, jobs)),
        Step(
            "compare teachers",
            (("earmark", "distill", "teachers", str(sets), "--out", str(out / "teachers.md")),),
            out / "teachers.md",
        ),
    ]
    trials = [out / "trials" / name for name in STUDENTS] if compare else []
    for name, folder in zip(STUDENTS, trials, strict=False):
        short = ("-o", f"training.epochs={TRIAL_EPOCHS}", *changed, *_part(min(TRIAL_HOURS, hours)))
        found.append(_training(f"try {name}", name, sets, folder, short, jobs))
    if trials:
        page = out / "students.md"
        checkpoints = tuple(str(folder / "checkpoint") for folder in trials)
        found.append(
            Step(
                "compare students",
                (("earmark", "distill", "compare", *checkpoints, *of_sets, "--out", str(page)),),
                page,
            )
        )
    first, student = out / "first-stage", out / "student"
    found.append(_training("train", STUDENTS[0], sets, first, changed, jobs))
    second = ("--begin", str(first / "checkpoint"), *changed, *_part(min(WHOLE_HOURS, hours)))
    found.append(_training("train on whole examples", WHOLE, sets, student, second, jobs))
    finish = (*TOOL, "finish", str(student / "checkpoint"), *of_sets, *data, "--out", str(model))
    notes_there = ("--instruments", str(notes)) if (notes / "tracks.csv").is_file() else ()
    found.append(Step("finish", ((*finish, *notes_there),), threads=jobs))
    return found


def _in_parts(command: tuple[str, ...], jobs: int) -> tuple[tuple[str, ...], ...]:
    """A command that several processes share."""
    return tuple((*command, "--part", f"{i}/{jobs}") for i in range(1, jobs + 1))


def _training(title: str, recipe: str, sets: Path, folder: Path, more: tuple[str, ...], threads: int) -> Step:
    command = ("earmark", "train", f"default/{recipe}", "--root", str(sets), "--out", str(folder), *more)
    return Step(title, ((*command, "--resume"),), threads=threads)


def _part(hours: float) -> tuple[str, str]:
    """Learn from so much of the training set."""
    return ("-o", f"data.options.hours={hours:g}")


def lines(found: Sequence[Step]) -> list[str]:
    """The commands as a person would type them."""
    return [shlex.join(command) for step in found for command in step.commands]


def run(step: Step) -> None:
    """Run the commands of a step side by side, and wait for all; their output is shown as it comes.

    Raises:
        EarmarkError: one of them failed.
    """
    if step.done is not None and step.done.exists():
        return
    places = [str(FOLDER.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "OMP_NUM_THREADS": str(step.threads), "PYTHONPATH": os.pathsep.join(places)}
    programs = {"earmark": (sys.executable, "-m", "earmark.cli.main"), "python": (sys.executable,)}
    processes = [subprocess.Popen([*programs[name], *rest], env=environment) for name, *rest in step.commands]
    try:
        codes = [process.wait() for process in processes]
    except BaseException:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        raise
    for command, code in zip(step.commands, codes, strict=True):
        if code:
            raise EarmarkError(f"{step.title}: `{shlex.join(command)}` ended with exit code {code}")

"""Runs a search: trial after trial, each a training run, into one folder.

    OUT/search.yaml, recipe.yaml     the search and the recipe it begins from, with every default written out
    OUT/trials.json, .csv, .md       see :mod:`earmark.tuning.trials`
    OUT/best.yaml                    the recipe with the best values; `earmark train` takes it
    OUT/trial-0001-seed0/            a training run, see :mod:`earmark.training.run`

What is tried next follows from the search and the finished trials alone, and a training run that was killed is
resumed. So a search that is killed and resumed ends, on the CPU, with exactly the trials of one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.core.atomic_files import write_atomic
from earmark.core.errors import ConfigError
from earmark.datasets import load_dataset
from earmark.training.config import RECIPE_NAME, Recipe, load_recipe
from earmark.training.lightning_setup import checked_accelerator
from earmark.tuning import one_at_a_time
from earmark.tuning.samplers import propose_drawn, propose_grid
from earmark.tuning.search import Method, Search, load_search
from earmark.tuning.trial_runner import TrialResult, TrialRunner, TuningProgress
from earmark.tuning.trials import Proposal, Trial, best_of, read_trials, write_trials
from earmark.tuning.validation import check_search, overrides_of, value_in, without_root

SEARCH_NAME = "search.yaml"
BEST_NAME = "best.yaml"

PROPOSERS: dict[Method, Callable[[Search, Sequence[Trial]], Proposal | None]] = {
    "one-at-a-time": one_at_a_time.propose,
    "grid": propose_grid,
    "random": propose_drawn,
    "tpe": propose_drawn,
}


@dataclass(frozen=True)
class TuningResult:
    """The result of a search.

    Attributes:
        trials: all, in order.
        best: the one with the highest selection; None where all failed.
        best_recipe: file of the recipe with its values; None where all failed.
    """

    trials: tuple[Trial, ...]
    best: Trial | None
    best_recipe: Path | None


def tune(
    search: Search,
    out: str | Path,
    *,
    overrides: Iterable[str] = (),
    resume: bool = False,
    device: str = "auto",
    keep_audio: str | Path | None = None,
    shards: str | Path | None = None,
    jobs: int | None = None,
    progress: TuningProgress | None = None,
) -> TuningResult:
    """Run a search.

    A trial that cannot be trained (a window too short, a loss that is not a number, too little memory) is
    recorded with its error, and the search continues. Two trials with exactly the same recipe are trained once.

    Args:
        search: what to search.
        out: the search's folder; see the module docstring.
        overrides: ``section.key=value`` for the recipe; ``data.root`` must be set by it or by the recipe.
        resume: continue the search in this folder; where there is none, start a fresh one. Its number of trials may
            differ from before.
        device, keep_audio, shards, jobs: as for :func:`earmark.training.run.train`.
        progress: called after every trial, batch and epoch.

    Raises:
        ConfigError: problems of search, recipe and device, a folder with a search in it without ``resume``, or
            resuming another search, recipe or data.
        DataError: data missing or not as it must be, or a full disk.
    """
    folder = Path(out)
    overrides = list(overrides)
    recipe = check_search(search, overrides)
    checked_accelerator(device, 1, 1, recipe.training.precision)  # a wrong one would make every trial fail
    if recipe.data.root is None:
        raise ConfigError("data.root is not set: say where the dataset is, with --root DIR or -o data.root=DIR")
    fingerprint = load_dataset(
        recipe.data.dataset, recipe.data.root, recipe.data.protocol, **recipe.data.options
    ).fingerprint
    trials = _trials_to_go_on_from(folder, search, recipe, fingerprint, resume)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / SEARCH_NAME, search.to_yaml().encode())
    write_atomic(folder / RECIPE_NAME, recipe.to_yaml().encode())
    runner = TrialRunner(folder, search.seeds, device, keep_audio, shards, jobs, progress)

    def recipe_of(choice: dict[str, Any]) -> Recipe | ConfigError:
        try:
            return load_recipe(search.recipe, [*overrides, *overrides_of(search.settings(choice))])
        except ConfigError as error:
            return error

    def keep() -> None:
        write_trials(folder, _title(search, recipe), search.seeds, fingerprint, trials, search.fixed)
        best = best_of(trials, search.fixed)
        if best is not None:
            found = recipe_of(best.choice)
            assert isinstance(found, Recipe)
            head = f"# {_title(search, recipe)}: trial {best.number}, selection {best.selection:.6f}\n"
            write_atomic(folder / BEST_NAME, (head + found.to_yaml()).encode())

    recipes = [recipe_of(trial.choice) for trial in trials]
    if trials:
        keep()
        if progress is not None:
            progress.search_resumed(trials, search.n_planned)
    while search.trials is None or len(trials) < search.trials:
        proposal = PROPOSERS[search.method](search, trials)
        if proposal is None:
            break
        mine = recipe_of(proposal.choice)
        settings = {key: value_in(recipe, key) for key in search.keys} | search.settings(proposal.choice)
        number = len(trials) + 1
        if progress is not None:
            progress.trial_begins(number, search.n_planned, proposal, recipe if isinstance(mine, ConfigError) else mine)
        twin = next((trial for trial, other in zip(trials, recipes, strict=True) if other == mine), None)
        if twin is not None:
            means, same_as = TrialResult.of_trial(twin), twin.same_as or twin.number
        else:
            means, same_as = runner.run(number, mine), None
        trials.append(Trial(number, proposal.choice, settings, proposal.about, **means.as_fields(), same_as=same_as))
        recipes.append(mine)
        keep()
        if progress is not None:
            progress.trial_ends(trials, search.n_planned)
    best = best_of(trials, search.fixed)
    return TuningResult(tuple(trials), best, None if best is None else folder / BEST_NAME)


def _trials_to_go_on_from(folder: Path, search: Search, recipe: Recipe, fingerprint: str, resume: bool) -> list[Trial]:
    """Trials of the search in this folder, which must be the same search. Raises ConfigError where it is not."""
    if not (folder / SEARCH_NAME).exists():
        if (folder / RECIPE_NAME).exists():
            raise ConfigError(f"{folder}: a training run is already there; choose another folder")
        return []
    if not resume:
        raise ConfigError(f"{folder}: a search is already there; continue it with --resume, or choose another folder")
    problems = []
    known = load_search(folder / SEARCH_NAME)
    movable = {"trials": search.trials, "recipe": search.recipe, "description": search.description}
    if known.model_copy(update=movable) != search:  # a recipe's file may have moved; its content is compared below
        problems.append(f"{folder / SEARCH_NAME}: of another search; resume with this file, or choose another folder")
    if (folder / RECIPE_NAME).exists() and without_root(load_recipe(folder / RECIPE_NAME)) != without_root(recipe):
        problems.append(
            f"{folder / RECIPE_NAME}: the search that is there began from another recipe; resume with the same "
            "recipe and -o, or choose another folder"
        )
    known_fingerprint, trials = read_trials(folder)
    if trials and known_fingerprint != fingerprint:
        problems.append(f"{folder}: the search that is there was made on other data; choose another folder")
    if problems:
        raise ConfigError(problems)
    return trials


def _title(search: Search, recipe: Recipe) -> str:
    return f"Search {search.method} from recipe {recipe.name}"

"""Grid search, and what Optuna samples: at random or by TPE.

All are functions of the search and the finished trials alone. Each trial's draw has a seed of its own, made of
the search's and the trial's number; so a search that is killed at any point and resumed tries what an uninterrupted one
tries, and there is no Optuna storage that could disagree with our list of trials. :func:`study_of`
gives Optuna's plots and dashboards what they need.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from earmark.tuning.parameter import Parameter, text_of
from earmark.tuning.search import Search
from earmark.tuning.trials import Proposal, Trial


def propose_grid(search: Search, trials: Sequence[Trial]) -> Proposal | None:
    """The next point of the grid, the last parameter varies fastest; None after the last."""
    grid = itertools.product(*(parameter.values for parameter in search.parameters))
    point = next(itertools.islice(grid, len(trials), None), None)
    if point is None:
        return None
    return Proposal({parameter.name: value for parameter, value in zip(search.parameters, point, strict=True)})


def propose_drawn(search: Search, trials: Sequence[Trial]) -> Proposal:
    """The next trial by Optuna: "random", or "tpe", whose first ten are random, too.

    Failed trials count for TPE as worse than all others, so that it avoids them.
    """
    seed = int(np.random.SeedSequence([search.seed, len(trials)]).generate_state(1)[0])
    sampler: BaseSampler = RandomSampler(seed=seed) if search.method == "random" else TPESampler(seed=seed)
    with _quiet():
        study = study_of(search, trials, sampler=sampler)
        drawn = study.ask({parameter.name: _distribution(parameter) for parameter in search.parameters}).params
    return Proposal({parameter.name: _value(parameter, drawn[parameter.name]) for parameter in search.parameters})


def study_of(
    search: Search,
    trials: Sequence[Trial],
    *,
    sampler: BaseSampler | None = None,
    storage: str | optuna.storages.BaseStorage | None = None,
) -> optuna.Study:
    """The trials as a study of Optuna, for its plots and, with a storage, its dashboard.

    Lists of values are categories, named by their place in the list, from 0. Failed trials are "pruned".
    """
    study = optuna.create_study(direction="maximize", sampler=sampler, storage=storage)
    study.add_trials([_frozen(search, trial) for trial in trials])
    return study


def _frozen(search: Search, trial: Trial) -> FrozenTrial:
    chosen = [parameter for parameter in search.parameters if parameter.name in trial.choice]
    return create_trial(
        state=TrialState.PRUNED if trial.selection is None else TrialState.COMPLETE,
        value=trial.selection,
        params={parameter.name: _place(parameter, trial.choice[parameter.name]) for parameter in chosen},
        distributions={parameter.name: _distribution(parameter) for parameter in chosen},
        user_attrs={"number": trial.number, **({"error": trial.error} if trial.error else {})},
    )


def _distribution(parameter: Parameter) -> BaseDistribution:
    low, high, step = parameter.low, parameter.high, parameter.step
    if low is None or high is None:
        return CategoricalDistribution(range(len(parameter.values)))
    if parameter.whole:
        return IntDistribution(int(low), int(high), log=parameter.log, step=int(step or 1))
    return FloatDistribution(low, high, log=parameter.log, step=step)


def _place(parameter: Parameter, value: Any) -> Any:
    """A value as Optuna represents it."""
    if parameter.is_range:
        return value
    return [text_of(entry) for entry in parameter.values].index(text_of(value))


def _value(parameter: Parameter, drawn: Any) -> Any:
    return drawn if parameter.is_range else parameter.values[drawn]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's message on every new study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)

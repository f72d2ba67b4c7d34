"""One hyper-parameter at a time: try the values of the first, fix the best, continue with the next.

Source: R. Banthia, A. Long, S. Saraff, "Digging deeper into automatic music tagging", University of Bristol (V). Cheap
(the sum of the numbers of values, not their product), but it misses values that are good only together.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from earmark.core.errors import ConfigError
from earmark.tuning.search import Search
from earmark.tuning.trials import Proposal, Trial, best_of

_log = logging.getLogger("earmark.tuning")


def propose(search: Search, trials: Sequence[Trial]) -> Proposal | None:
    """The next trial, from those so far; None when all are done.

    The best value of a parameter is that with the highest selection, the first of equals. Where all values of a
    parameter failed, it keeps the value that it had.

    Raises:
        ConfigError: the trials are not of this search.
    """
    fixed = {parameter.name: parameter.start for parameter in search.parameters if parameter.start is not None}
    done = iter(trials)
    for parameter in search.parameters:
        tried = []
        for value in parameter.values:
            choice = {**fixed, parameter.name: value}
            trial = next(done, None)
            if trial is None:
                return Proposal(choice, parameter.name)
            if trial.choice != choice:
                raise ConfigError(f"trial {trial.number} tries {trial.choice}; this search would try {choice} there")
            tried.append(trial)
        best = best_of(tried)
        if best is None:
            _log.warning("%s: all its values failed; it stays as it was", parameter.name)
        else:
            fixed = best.choice
        if parameter.fixed is not None:
            fixed = {**fixed, parameter.name: parameter.fixed}
    return None

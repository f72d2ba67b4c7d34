"""Order tracks as a DJ would mix them: to neighbouring keys on the wheel, and to near tempi.

The order is an open path through all tracks whose steps cost little, a travelling salesman's. It is begun greedily and then
improved by reversing parts (2-opt) and by moving short parts elsewhere (Or-opt), each always the best there is, until nothing
is gained any more. Nothing is random: the same tracks give the same order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.core.musical_key import KEYS
from earmark.library.index.measures import NO_KEY

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEAR_SHARE = 0.06
"""Tempi so near to each other, as a share, are brought together by the pitch faders of most players."""

_NEAR_OCTAVES = float(np.log2(1 + NEAR_SHARE))
_FOLDED_COST = 0.25  # of a step to half or double of the tempo
_UNKNOWN_COST = (
    1.0  # of a step where tempo or key of one of the two is not known: as of the smallest step that does not mix
)
_LONGEST_PART = 3  # of Or-opt
_LEAST_GAIN = 1e-4
_NEIGHBOUR_COST = 0.1
_KEY_STEP_COST = 0.15

KEY_STEPS = np.array([[one.steps_to(other) for other in KEYS] for one in KEYS])
"""``(24, 24)``: steps on the wheel between the keys of KEYS."""

_KEY_COSTS = np.where(KEY_STEPS <= 1, _NEIGHBOUR_COST * KEY_STEPS, 1 + _KEY_STEP_COST * (KEY_STEPS - 2))


@dataclass(frozen=True)
class MixReport:
    """How well an order mixes.

    Attributes:
        n_steps: from one track to the next.
        n_harmonic: steps to the same key or one that mixes with it.
        n_near_tempo: steps to a tempo within NEAR_SHARE, half and double counted.
    """

    n_steps: int
    n_harmonic: int
    n_near_tempo: int


def mix_order(bpm: Floats, key_places: Places) -> Places:
    """An order with few jumps in key and tempo.

    Args:
        bpm: ``(n,)``, NaN where not known.
        key_places: ``(n,)``, places in KEYS, NO_KEY where not known.

    Returns:
        ``(n,)`` places of the tracks in their new order. It begins with the end that is slower. Tracks of which neither
        tempo nor key is known are at the end, as they came.

    Example:
        >>> from earmark.core.musical_key import MusicalKey
        >>> keys = np.array([KEYS.index(MusicalKey.parse(key)) for key in ("8A", "10A", "9A", "8B")])
        >>> mix_order(np.array([120.0, 124.0, 122.0, 118.0]), keys).tolist()
        [3, 0, 2, 1]
    """
    known = np.flatnonzero(~np.isnan(bpm) | (key_places != NO_KEY))
    rest = np.setdiff1d(np.arange(len(bpm)), known)
    if len(known) < 2:
        return np.concatenate([known, rest])
    costs = _costs(bpm[known], key_places[known])
    order = _improved(_greedy(costs, bpm[known]), costs)
    ends = bpm[known][order[[0, -1]]]
    if ends[1] < ends[0]:
        order = order[::-1]
    return np.concatenate([known[order], rest])


def mix_report(bpm: Floats, key_places: Places) -> MixReport:
    """How well tracks mix in the order that they have."""
    before, after = key_places[:-1], key_places[1:]
    both = (before != NO_KEY) & (after != NO_KEY)
    harmonic = KEY_STEPS[before, after] <= 1
    octaves, _ = _octaves(bpm[:-1], bpm[1:])
    return MixReport(max(0, len(bpm) - 1), int((both & harmonic).sum()), int((octaves <= _NEAR_OCTAVES + 1e-9).sum()))


def _octaves(one: Floats, other: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """How far tempi are apart, half and double counted, in octaves; and where that is how they are near."""
    apart = np.abs(np.log2(one / other))
    folded = np.abs(apart - 1)
    return np.fmin(apart, folded), folded < apart


def _costs(bpm: Floats, key_places: Places) -> npt.NDArray[np.float32]:
    """``(n, n)``: what the step from each track to each other costs, the same both ways."""
    octaves, folded = _octaves(bpm[:, None], bpm[None, :])
    tempo = octaves / _NEAR_OCTAVES + _FOLDED_COST * folded
    tempo = np.where(np.isnan(tempo), _UNKNOWN_COST, tempo)
    keys = _KEY_COSTS[np.ix_(key_places, key_places)]
    unknown = key_places == NO_KEY
    keys = np.where(unknown[:, None] | unknown[None, :], _UNKNOWN_COST, keys)
    return (tempo + keys).astype(np.float32)


def _greedy(costs: npt.NDArray[np.float32], bpm: Floats) -> Places:
    """From the slowest track on, always the cheapest step."""
    place = int(np.nanargmin(bpm)) if not np.isnan(bpm).all() else 0
    left = np.zeros(len(bpm), np.float32)
    order = []
    for _ in range(len(bpm)):
        order.append(place)
        left[place] = np.inf
        place = int(np.argmin(costs[place] + left))
    return np.array(order, np.int64)


def _improved(order: Places, costs: npt.NDArray[np.float32]) -> Places:
    """Changes of both kinds around every track, then around those that were touched, until there is none left to gain from."""
    active = np.ones(len(order), np.bool_)
    while active.any():
        touched = np.zeros(len(order), np.bool_)
        for _ in range(2):  # either way round: parts are looked for behind a track
            order = _move_parts(_reverse_parts(order, costs, active, touched), costs, active, touched)[::-1]
        active = touched
    return order


def _reverse_parts(order: Places, costs: npt.NDArray[np.float32], active: Mask, touched: Mask) -> Places:
    """For each active track in turn, the reversal of a part from it on that gains most. Tracks at changed steps are touched."""
    order, n = order.copy(), len(order)
    for begin in range(n - 1):
        first = order[begin]
        if not active[first]:
            continue
        # The steps into the part and out of it change; at an end of the path there is one of them.
        ends = order[begin + 1 :]
        behind = np.append(order[begin + 2 :], first)
        gains = costs[ends, behind] - costs[first, behind]
        gains[-1] = 0  # nothing comes behind the last
        if begin:
            before = order[begin - 1]
            gains += costs[before, first] - costs[before, ends]
        best = int(np.argmax(gains))
        if gains[best] > _LEAST_GAIN:
            end = begin + 1 + best
            touched[order[max(begin - 1, 0) : begin + 1]] = touched[order[end : end + 2]] = True
            order[begin : end + 1] = order[begin : end + 1][::-1]
    return order


def _move_parts(order: Places, costs: npt.NDArray[np.float32], active: Mask, touched: Mask) -> Places:
    """Parts of one to three tracks from each active one on, moved to where they gain most, either way round."""
    n = len(order)
    steps = costs[order[:-1], order[1:]]
    for length in range(1, min(_LONGEST_PART, n - 2) + 1):
        for begin in range(n - length + 1):
            if not active[order[begin]]:
                continue
            end = begin + length
            part = order[begin:end]
            saved = (steps[begin - 1] if begin else 0.0) + (steps[end - 1] if end < n else 0.0)
            saved -= costs[order[begin - 1], order[end]] if begin > 0 and end < n else 0.0
            straight, turned = (_costs_of_places(one, order, steps, costs) for one in (part, part[::-1]))
            added = np.minimum(straight, turned)
            added[begin : end + 1] = np.inf  # inside the part, and where it is
            place = int(np.argmin(added))
            if saved - added[place] > _LEAST_GAIN:
                placed = part if straight[place] <= turned[place] else part[::-1]
                for at in (begin, place):
                    touched[order[max(at - 1, 0) : at + 1]] = True
                touched[part] = touched[order[end : end + 1]] = True
                moved = (order[:place], placed, order[place:begin], order[end:])
                if place > end:
                    moved = (order[:begin], order[end:place], placed, order[place:])
                order = np.concatenate(moved)
                steps = costs[order[:-1], order[1:]]
    return order


def _costs_of_places(
    part: Places, order: Places, steps: npt.NDArray[np.float32], costs: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """What a part adds before each track, and behind the last, ``(n + 1,)``."""
    into, out = costs[part[0]][order], costs[part[-1]][order]
    return np.concatenate([out[:1], into[:-1] + out[1:] - steps, into[-1:]])

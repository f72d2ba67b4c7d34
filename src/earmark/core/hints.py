"""What may be meant by an unknown name."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "", *, n: int = 3, cutoff: float = 0.6) -> str:
    """The end of a message about an unknown name: the known ones that are spelled alike.

    Args:
        name: the unknown one.
        known: the names that there are.
        otherwise: what is said where none of them is near.
        n: at most so many are suggested.
        cutoff: least similarity, 0..1 (see :func:`difflib.get_close_matches`).

    Example:
        >>> did_you_mean("epoch", ["epochs", "seed"])
        'did you mean epochs?'
        >>> did_you_mean("x", ["epochs", "seed"], "keys are: epochs, seed")
        'keys are: epochs, seed'
    """
    from difflib import get_close_matches  # not needed without a mistake

    near = get_close_matches(name, list(known), n=n, cutoff=cutoff)
    return f"did you mean {', '.join(near)}?" if near else otherwise

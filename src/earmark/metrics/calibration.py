"""How far scores are from the observed shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def expected_calibration_error(mean_scores: npt.ArrayLike, shares: npt.ArrayLike, counts: npt.ArrayLike) -> float:
    """Mean distance of score and share over bins, weighted by their size (Naeini et al. 2015; Guo et al. 2017, section 2).

    Args:
        mean_scores: (n_bins,) mean score in each bin, 0..1.
        shares: (n_bins,) share of positives in each, 0..1.
        counts: (n_bins,) how many clips, or pairs of clip and tag, are in each; at least one in all.

    Returns:
        0 (each bin's share is its mean score) to 1.

    >>> expected_calibration_error([0.25, 0.75], [0.25, 0.5], [30, 10])
    0.0625
    """
    weights = np.asarray(counts, dtype=np.float64)
    distances = np.abs(np.asarray(shares, dtype=np.float64) - np.asarray(mean_scores, dtype=np.float64))
    return float((weights * distances).sum() / weights.sum())

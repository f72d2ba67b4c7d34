"""Scores of logits: sigmoids, and a softmax over classes."""

from __future__ import annotations

import pytest
import torch

from earmark.models.activation import to_scores


@pytest.mark.parametrize("places", [[0, 1, 2, 3], [1, 3], [2, 0]])
def test_classes_sum_to_one_and_others_are_on_their_own(places: list[int]) -> None:
    logits = 3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    scores = to_scores(logits, places)
    torch.testing.assert_close(scores[:, places], logits[:, places].softmax(dim=1))
    others = [i for i in range(4) if i not in places]
    torch.testing.assert_close(scores[:, others], logits[:, others].sigmoid())


def test_without_classes_all_are_sigmoids() -> None:
    logits = torch.randn(2, 3)
    assert torch.equal(to_scores(logits), logits.sigmoid())

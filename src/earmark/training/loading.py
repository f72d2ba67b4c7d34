"""How batches come to the trainer: several at once, and the next ones made while it learns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

if TYPE_CHECKING:
    from earmark.training.data import TrainingWindows

Batch = tuple[Tensor, Tensor]
Group = tuple[int, list[Batch]]
"""Consecutive batches of an epoch, and the index of the first of them."""


class Groups(Dataset[Group]):
    """Batches that the trainer is given at once.

    Lightning takes 0.7 ms per item, on any device; a step of a small network takes five.

    Args:
        windows: makes the batches.
    """

    MOST = 16
    MOST_BYTES = 16 << 20

    def __init__(self, windows: TrainingWindows) -> None:
        self.windows = windows
        example_bytes = 4 * windows.spec.window_samples * windows.windows_in_example * (1 + windows.pairs)
        n_that_fit = self.MOST_BYTES // (example_bytes * windows.training.batch_size)
        self.n_in_group = 1 if windows.world_size > 1 else max(1, min(self.MOST, n_that_fit))

    def __len__(self) -> int:
        """Groups in an epoch."""
        return -(-len(self.windows) // self.n_in_group)

    def __getitem__(self, place: tuple[int, int]) -> Group:
        """Group ``(epoch, index)``: the index of its first batch, and the batches."""
        epoch, index = place
        first = index * self.n_in_group
        last = min(first + self.n_in_group, len(self.windows))
        return first, [self.windows[epoch, i] for i in range(first, last)]


class ReadAhead(DataLoader[Group]):
    """Makes the next groups in a thread while the network learns from the last one.

    Making a batch is copying, which releases Python's lock; a separate process would copy it twice.
    """

    N_AHEAD = 1

    def __iter__(self) -> Iterator[Group]:  # type: ignore[override]
        """The groups, in the sampler's order."""
        made: deque[Future[Group]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="earmark-batch") as pool:
            try:
                for place in self.sampler:
                    made.append(pool.submit(self.dataset.__getitem__, place))
                    if len(made) > self.N_AHEAD:
                        yield made.popleft().result()
                while made:
                    yield made.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


class EpochSampler(Sampler[tuple[int, int]]):
    """Places ``(epoch, index)`` of all items of the epoch last set."""

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_items

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for index in range(self.n_items):
            yield self.epoch, index

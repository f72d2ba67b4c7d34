"""A model with its loss, optimiser and validation, as a Lightning module."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Vocabulary
from earmark.models import TaggingModel
from earmark.models.activation import to_scores
from earmark.models.blocks import average_subclips
from earmark.tagging.aggregation import aggregate
from earmark.training.augmentation_section import AugmentationSection
from earmark.training.loading import Batch, Group
from earmark.training.loss import Floats, TagLoss
from earmark.training.schedule import averaged_weights, learning_rate_share, make_optimiser
from earmark.training.sections import Recipe
from earmark.training.selection import Validation, Validator
from earmark.training.transfer import frozen_modules, rate_shares


class SpectrumMask:
    """Forward hook on a front-end: in training, masks runs of bands and of frames (Park et al. 2019).

    Masked values become the mean of the window's spectrogram. Drawn from torch's generator of the device.
    """

    def __init__(self, config: AugmentationSection) -> None:
        self.config = config

    def __call__(self, module: nn.Module, _inputs: Any, spectrum: Tensor) -> Tensor:
        """(B, n_mels, T) -> the same, with runs masked."""
        if not module.training:
            return spectrum
        hidden = torch.zeros_like(spectrum, dtype=torch.bool)
        for axis, longest in ((1, self.config.mask_bands), (2, self.config.mask_frames)):
            for _ in range(self.config.masks if longest else 0):
                hidden |= self._runs(spectrum, axis, longest)
        return torch.where(hidden, spectrum.mean(dim=(1, 2), keepdim=True), spectrum)

    @staticmethod
    def _runs(spectrum: Tensor, axis: int, longest: int) -> Tensor:
        """One run along an axis for each example, of 0 to ``longest``, as a mask that broadcasts."""
        n_examples, size = spectrum.shape[0], spectrum.shape[axis]
        length = torch.rand(n_examples, 1, device=spectrum.device) * min(longest, size)
        start = torch.rand(n_examples, 1, device=spectrum.device) * (size - length)
        place = torch.arange(size, device=spectrum.device)
        run = (place >= start) & (place < start + length)
        return run.unsqueeze(2 if axis == 1 else 1)


class TaggingModule(pl.LightningModule):
    """Trains a model by a recipe.

    Args:
        model: waveform (B, N) -> logits (B, n_tags).
        recipe: loss, optimiser, augmentation, seed.
        vocabulary: tags in output order.
        validator: measures validation scores.
        n_batches: in an epoch.
        complete: no training label is NaN.
        spreads: (n_tags,) of the logits of the training labels, for a loss that needs them.
        train_validator: measures training clips that are scored after the validation clips; None where there are none.
        exclusive: tags of which every labelled clip has one, for the loss "softmax".

    Attributes:
        average: the moving average of the weights; None where the recipe wants none.
        after_batch: called with the index of a batch in its epoch, its loss and its number of windows.
        validation: of the last validation; None before.
        validation_loss: mean loss over the validation clips, of each clip's mean over windows.
        on_training: what ``train_validator`` measured at the last validation.
    """

    def __init__(
        self,
        model: TaggingModel,
        recipe: Recipe,
        vocabulary: Vocabulary,
        validator: Validator,
        n_batches: int,
        train_validator: Validator | None = None,
        complete: bool = False,
        spreads: Floats | None = None,
        exclusive: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # several steps for each call of Lightning
        self.model = model
        decay = recipe.training.ema_decay
        self.average = None if decay is None else averaged_weights(model, decay)
        # Compiled code shares the weights; kept in a list, so that it is no submodule.
        self._learner = [torch.compile(model) if recipe.training.compile else model]
        self.recipe = recipe
        self._frozen = frozen_modules(model, recipe.transfer)
        self.train(model.training)  # Lightning leaves modes as they are
        self.loss = TagLoss(vocabulary, recipe.loss, spreads=spreads, exclusive=exclusive)
        self.training_loss = TagLoss(vocabulary, recipe.loss, complete=complete, spreads=spreads, exclusive=exclusive)
        is_softmax = recipe.loss.classification == "softmax"
        self._softmax = [vocabulary.index(tag) for tag in exclusive] if is_softmax else []
        self.validator = validator
        self.n_batches = n_batches
        self.after_batch: Callable[[int, Tensor, int], None] = lambda *_: None
        self.validation: Validation | None = None
        self.validation_loss = math.nan
        self.train_validator = train_validator
        self.on_training: Validation | None = None
        self._labels = (
            validator.labels if train_validator is None else np.concatenate([validator.labels, train_validator.labels])
        )
        self._scores = np.zeros(self._labels.shape, np.float32)
        self._losses = np.zeros(len(self._labels), np.float64)
        augmentation = recipe.augmentation
        if augmentation.mask_bands or augmentation.mask_frames:
            if model.frontend is None:
                raise ConfigError(
                    f"augmentation.mask_bands, mask_frames: {recipe.model.name} has no spectrogram; set them to 0"
                )
            model.frontend.register_forward_hook(SpectrumMask(augmentation))

    def train(self, mode: bool = True) -> Self:
        """As of every module; what is frozen stays as in validation."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    @property
    def scored_model(self) -> TaggingModel:
        """The network that is validated and kept: with averaged weights, where the recipe wants them."""
        if self.average is None:
            return self.model
        scored = self.average.module
        assert isinstance(scored, TaggingModel)
        return scored

    def training_step(self, group: Group, _group_index: int) -> None:
        """Learn from the batches of a group, one after the other."""
        first, batches = group
        n_batches, k = self.n_batches, self.recipe.training.accumulate_batches
        optimiser, rate = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimiser, LightningOptimizer)
        for index, batch in enumerate(batches, start=first):
            self.seed_batch(index)
            loss = self._loss_of(batch)
            if index % k == 0:
                optimiser.zero_grad()
            self.manual_backward(loss / k if k > 1 else loss)
            if (index + 1) % k == 0 or index + 1 == n_batches:
                optimiser.step()
                if self.average is not None:
                    self.average.update_parameters(self.model)
                if isinstance(rate, LambdaLR):
                    rate.step()
            self.after_batch(index, loss.detach(), math.prod(batch[0].shape[:-1]))

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Gradients are whole and unscaled here: the place to clip them."""
        if self.recipe.optimiser.gradient_clip is not None:
            self.clip_gradients(optimizer, self.recipe.optimiser.gradient_clip, "norm")

    def seed_batch(self, index: int) -> None:
        """Dropout and masks are a function of (seed, epoch, batch, device), so that a resumed run repeats them."""
        text = f"{self.recipe.training.seed} {self.current_epoch} {index}"
        text += f" {self.global_rank}" if self.global_rank else ""
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
        # torch.manual_seed would seed every kind of device, and for each that is not there store the caller's
        # whole stack: half a millisecond and some kilobytes a batch.
        torch.default_generator.manual_seed(seed)
        if self.device.type != "cpu":
            getattr(torch, self.device.type).manual_seed(seed)

    def _loss_of(self, batch: Batch) -> Tensor:
        """Loss of one batch: of windows (B, N), or of the mean over subclips (B, S, N)."""
        waveforms, labels = batch
        if waveforms.ndim == 3:
            logits = average_subclips(self._learner[0](waveforms.flatten(0, 1)).unflatten(0, waveforms.shape[:2]))
        else:
            logits = self._learner[0](waveforms)
        n_known = None
        if self.trainer.world_size > 1:
            n_known = self.trainer.strategy.reduce(self.loss.n_known(labels), reduce_op="mean")
        loss: Tensor = self.training_loss(logits, labels, n_known)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor | None, int], _batch_idx: int) -> None:
        """All windows of one clip, a batch at a time; their scores are averaged as in tagging."""
        windows, weights, place = batch
        size = self.recipe.training.batch_size
        logits = torch.cat([self.scored_model(windows[i : i + size]) for i in range(0, len(windows), size)]).float()
        self._scores[int(place)] = aggregate(
            to_scores(logits, self._softmax).cpu().numpy(), None if weights is None else weights.cpu().numpy()
        )
        labels = torch.from_numpy(self._labels[int(place)]).to(logits)
        self._losses[int(place)] = float(self.loss(logits, labels.expand_as(logits)))

    def on_validation_epoch_start(self) -> None:
        """Reset; all devices take the running statistics of the first, whose weights are kept."""
        self._scores[:] = 0
        self._losses[:] = 0
        if self.trainer.world_size > 1:
            for statistic in self.scored_model.buffers():
                torch.distributed.broadcast(statistic, 0)

    def on_validation_epoch_end(self) -> None:
        """Measure; several devices combine their scores."""
        if self.trainer.sanity_checking:
            return
        if self.trainer.world_size > 1:
            self._scores, self._losses = self._together(self._scores), self._together(self._losses)
        if not np.isfinite(self._scores).all():
            raise not_finite(self.trainer, "the scores of validation clips are not finite")
        n_validation = len(self.validator.labels)
        self.validation = self.validator(self._scores[:n_validation])
        self.validation_loss = float(self._losses[:n_validation].mean())
        if self.train_validator is not None:
            self.on_training = self.train_validator(self._scores[n_validation:])

    def _together(self, values: npt.NDArray[np.floating]) -> npt.NDArray[Any]:
        """Sum over devices, all but one of which have zeros at each place."""
        total = self.trainer.strategy.reduce(torch.from_numpy(values).to(self.device), reduce_op="sum")
        assert isinstance(total, Tensor)
        return total.cpu().numpy()

    def optimised(self) -> nn.Module:
        """What has the weights that are trained."""
        return self.model

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser, with a learning rate that is a function of the step unless a plateau lowers it."""
        config = self.recipe.optimiser
        optimiser = make_optimiser(self.optimised(), config, rate_shares(self.model, self.recipe.transfer))
        if config.schedule.startswith("plateau") or (config.schedule == "none" and not config.warmup_epochs):
            return optimiser  # its learning rate is constant
        training = self.recipe.training
        total_steps = -(-self.n_batches // training.accumulate_batches) * training.epochs
        warmup_steps = round(config.warmup_epochs * total_steps / training.epochs)
        rate = LambdaLR(optimiser, lambda step: learning_rate_share(step, total_steps, warmup_steps, config))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": rate, "interval": "step"}}


def not_finite(trainer: pl.Trainer, what: str) -> ConfigError:
    """The error of a run that has diverged, with what the recipe can do about it."""
    cure = "lower optimiser.learning_rate or set optimiser.gradient_clip"
    if trainer.precision == "16-mixed":
        cure += ", or use training.precision bf16-mixed"
    return ConfigError(f"epoch {trainer.current_epoch + 1}: {what}; {cure}. The best epoch so far is kept")

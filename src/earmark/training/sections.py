"""What a recipe may say: frozen, typed sections, checked as a whole. Read from YAML by :mod:`earmark.training.config`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, field_validator

from earmark.core.input_spec import LastWindow
from earmark.training.augmentation_section import AugmentationSection
from earmark.training.config_schema import Listed, Section
from earmark.training.start_sections import ContrastiveSection, TransferSection

Precision = Literal["32", "16-mixed", "bf16-mixed"]


class DataSection(Section):
    """The training data.

    Attributes:
        dataset: one of :func:`earmark.datasets.list_datasets`.
        root: its folder or file on this machine; mostly given at the command line.
        protocol: a named split; None for the one that fits the layout under root.
        train_share: share of the training clips that are learned from, above 0, at most 1. Smaller shares are part of
            larger ones.
        train_split: the split that is learned from. "validation", for a combiner of members that have memorised the
            training clips: two thirds of the validation clips, by artist, are learned from, and the rest validates.
        options: of the dataset's reader, where it has any.
        trim_seconds: only so much of the beginning of every clip is learned from, validated on and, in `earmark
            reproduce`, measured on (kim2018: 29 s); None for whole clips.
    """

    dataset: str
    root: str | None = None
    protocol: str | None = None
    train_share: float = Field(default=1.0, gt=0, le=1)
    train_split: Literal["train", "validation"] = "train"
    options: dict[str, Any] = Field(default_factory=dict)
    trim_seconds: float | None = Field(default=None, gt=0)


class ModelSection(Section):
    """The network.

    Attributes:
        name: a registered model.
        options: its options; the window's length is among them.
        members: checkpoint folders of trained members, for ``ensemble_combiner``: they are frozen, and only the
            combiner learns.
    """

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    members: Listed[str] = ()


class InputSection(Section):
    """How whole files are cut in validation and, later, in tagging (see :class:`earmark.core.input_spec.InputSpec`).

    Attributes:
        hop_seconds: distance between windows; None for windows side by side.
        last_window: what is done with the samples left over at the end of a file.
    """

    hop_seconds: float | None = Field(default=None, gt=0)
    last_window: LastWindow = "overlap"


class TrainingSection(Section):
    """How long training takes, and in what batches.

    Attributes:
        epochs: at most.
        batch_size: examples in a batch. The batches of an epoch differ by one example at most; none is dropped. On
            several devices it is the size of the batch of all together.
        sampling: what an example is. "random": a random window; an epoch has ``windows_per_clip`` of every clip.
            "segments": a window at its place in the file; an epoch has all of them, as tagging cuts them (kim2018).
            "subclips": ``windows_per_clip`` windows of a clip, side by side, whose logits are averaged before the loss
            (bristol); a clip with more of them begins at a random place. An epoch has every clip once. "pairs": two random
            windows of a clip, for the contrastive loss; an epoch has ``windows_per_clip`` pairs of every clip.
        windows_per_clip: see ``sampling``; 1 for "segments".
        patience: epochs without a better selection after which to stop; None never stops early.
        validate_every: epochs between validations; must divide ``epochs``, so that the last one is validated.
        select: the metric of the best epoch: "skill" (see :mod:`earmark.training.selection`) or "validation_loss".
        accumulate_batches: batches whose gradients are added up before the weights are updated.
        seed: of weights, windows, order, dropout and augmentation. On the CPU the same seed gives the same weights.
        precision: "32", or mixed with 16-bit numbers.
        ema_decay: validate and keep a moving average of the weights over steps, of which this share stays at each step
            (0.999 is a mean over about the last 1000 steps); None for the weights as they are.
        compile: let torch.compile turn the network into faster code; the first steps take long.
    """

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=32, ge=1)
    sampling: Literal["random", "segments", "subclips", "pairs"] = "random"
    windows_per_clip: int = Field(default=1, ge=1)
    patience: int | None = Field(default=None, ge=1)
    validate_every: int = Field(default=1, ge=1)
    select: Literal["skill", "validation_loss"] = "skill"
    accumulate_batches: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    precision: Annotated[Precision, BeforeValidator(lambda value: "32" if value == 32 else value)] = "32"
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    compile: bool = False


class OptimiserSection(Section):
    """How weights are updated.

    Attributes:
        name: "sgd", "adam" (in both weight decay is an L2 term of the gradient) or "adamw" (it is separate).
        learning_rate: after the warm-up.
        momentum: of "sgd".
        nesterov: "sgd" looks ahead (Nesterov); needs momentum.
        weight_decay: of the weights that ``weight_decay_of`` names.
        weight_decay_of: "matrices": all with two or more dimensions, so no biases and norms; "convolutions": the
            kernels of convolutions alone (kim2018).
        schedule: "none"; "cosine" down to zero at the last step; "plateau": the rate is multiplied by
            ``plateau_factor`` whenever the validation loss has not fallen for ``plateau_patience`` validations;
            "plateau_restart": the same in stages; each begins with the best weights of the one before, a fresh optimiser
            and no loss to beat, and after ``plateau_stages`` stages the run is over (kim2018).
        plateau_factor, plateau_patience, plateau_stages: see ``schedule``.
        warmup_epochs: epochs in which the rate rises from zero, in a straight line; not with a plateau.
        gradient_clip: largest norm of the gradient of a batch; None for no limit.
    """

    name: Literal["sgd", "adam", "adamw"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0)
    weight_decay_of: Literal["matrices", "convolutions"] = "matrices"
    schedule: Literal["none", "cosine", "plateau", "plateau_restart"] = "none"
    plateau_factor: float = Field(default=0.2, gt=0, lt=1)
    plateau_patience: int = Field(default=2, ge=1)
    plateau_stages: int = Field(default=5, ge=1)
    warmup_epochs: float = Field(default=0.0, ge=0)
    gradient_clip: float | None = Field(default=None, gt=0)


class LossSection(Section):
    """What is minimised, for each kind of tag: "bce" (cross-entropy, also of degrees in 0..1) or "mse".

    Classification tags that exclude each other, as the dataset says, may be learned as "softmax": the cross-entropy of
    the softmax over them. The model then gives probabilities of classes that sum to 1, and other classification tags
    are learned by "bce".

    Degrees may also be learned as "logits": squared differences of log(p / (1 - p)), over the variance that these have
    for the tag in the training labels. Another network's scores of rare tags are between .001 and .05, where the other
    losses are nearly flat; so every tag counts alike (Ba and Caruana 2014 learn logits).

    Attributes:
        classification, regression: the loss of that kind, averaged over labelled (clip, tag) pairs; "softmax" over
            labelled clips.
        regression_weight: the loss is that of the classification tags plus this times that of the regression tags; or
            "by_tags": one mean over all labelled pairs, of whichever kind, so that each kind counts by its number of tags
            (pons2017, whose error is that of all tags jointly).
        cross_entropy: with "logits", this many times the cross-entropy is added: errors of likely tags then count more
            than those of unlikely ones.
    """

    classification: Literal["bce", "mse", "softmax"] = "bce"
    regression: Literal["bce", "mse", "logits"] = "mse"
    regression_weight: float | Literal["by_tags"] = 1.0
    cross_entropy: float = Field(default=0.0, ge=0)

    @field_validator("regression_weight", mode="plain")
    @classmethod
    def _weight_or_word(cls, value: Any) -> float | str:
        if value == "by_tags":
            return "by_tags"
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ValueError(f"is {value!r}, must be a number of at least 0, or by_tags")
        return float(value)


class CardSection(Section):
    """What the card states beyond what the run knows."""

    description: str = ""
    licence: str = "unknown"
    version: str = "1"
    limits: Listed[str] = ()


class Recipe(Section):
    """A whole recipe. ``name`` becomes the name of the model."""

    name: str
    data: DataSection
    model: ModelSection
    training: TrainingSection
    input: InputSection = InputSection()
    optimiser: OptimiserSection = OptimiserSection()
    loss: LossSection = LossSection()
    contrastive: ContrastiveSection = ContrastiveSection()
    augmentation: AugmentationSection = AugmentationSection()
    transfer: TransferSection = TransferSection()
    card: CardSection = CardSection()

    def to_document(self, *, with_root: bool = True) -> dict[str, Any]:
        """All values as YAML and JSON have them. Without ``data.root`` and the folders of ``model.members`` it is the
        same on every machine.
        """
        document = self.model_dump(mode="json")
        if not self.data.options:  # as before there were any: runs and cards stay comparable
            del document["data"]["options"]
        if self.data.trim_seconds is None:
            del document["data"]["trim_seconds"]
        for name in ("pitch_semitones", "stretch", "filter_share", "noise_share", "codec_share"):
            if not getattr(self.augmentation, name):
                del document["augmentation"][name]
        if self.contrastive == ContrastiveSection():
            del document["contrastive"]
        if self.transfer == TransferSection():
            del document["transfer"]
        if self.training.ema_decay is None:
            del document["training"]["ema_decay"]
        if not with_root:
            del document["data"]["root"], document["model"]["members"]
        return document

    def to_yaml(self) -> str:
        """The recipe with every default written out; :func:`load_recipe` reads it back."""
        return str(yaml.safe_dump(self.to_document(), sort_keys=False, allow_unicode=True))

    def contradictions(self) -> Iterator[str]:
        """Problems of values that are valid by themselves but contradict each other."""
        training, optimiser = self.training, self.optimiser
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name):
            yield f"name {self.name!r}: must be of a-z, 0-9, '.', '_' and '-', because files are named after it"
        if self.loss.classification == "softmax" and self.loss.regression_weight == "by_tags":
            yield "loss.regression_weight by_tags: counts tags, and a softmax has none; give a number"
        if self.model.members and self.model.name != "ensemble_combiner":
            yield f"model.members: only ensemble_combiner has members, not {self.model.name}"
        if training.sampling == "segments" and training.windows_per_clip != 1:
            yield (
                f"training.windows_per_clip {training.windows_per_clip}: must be 1 with sampling segments, which takes "
                "all windows"
            )
        if training.sampling == "subclips" and (alpha := self.augmentation.mixup_alpha):
            yield f"augmentation.mixup_alpha {alpha}: mixes windows, not clips; must be 0 with subclips"
        if optimiser.name != "sgd" and optimiser.momentum:
            yield f"optimiser.momentum {optimiser.momentum}: is for sgd; {optimiser.name} has its own, set it to 0"
        if optimiser.nesterov and not optimiser.momentum:
            yield "optimiser.nesterov true: needs sgd with a momentum above 0"
        if optimiser.schedule.startswith("plateau") and optimiser.warmup_epochs:
            yield f"optimiser.warmup_epochs {optimiser.warmup_epochs}: must be 0 with a plateau schedule"
        if optimiser.schedule == "plateau_restart" and training.ema_decay is not None:
            yield (
                f"training.ema_decay {training.ema_decay}: not with plateau_restart, whose stages begin with the best "
                "weights"
            )
        contrasts = self.contrastive.temperature is not None
        if contrasts != (training.sampling == "pairs"):
            yield f"training.sampling {training.sampling}: pairs are what contrastive.temperature needs, and nothing else does"
        if contrasts and training.select != "validation_loss":
            yield f"training.select {training.select}: must be validation_loss with contrastive.temperature"
        if contrasts and self.augmentation.mixup_alpha:
            yield "augmentation.mixup_alpha: must be 0 with contrastive.temperature"
        if contrasts and self.transfer != TransferSection():
            yield "transfer: not with contrastive.temperature, which trains the trunk as a whole"
        transfer = self.transfer
        if transfer.freeze == "trunk" and (transfer.trunk_rate, transfer.layer_decay) != (1, 1):
            yield "transfer.freeze trunk: trunk_rate and layer_decay must be 1, since nothing but the last layer learns"
        if optimiser.warmup_epochs > training.epochs:
            yield f"optimiser.warmup_epochs {optimiser.warmup_epochs}: must not exceed the {training.epochs} epochs"
        if training.validate_every >= 1 and training.epochs % training.validate_every:
            yield (
                f"training.validate_every {training.validate_every}: must divide the {training.epochs} epochs, so that "
                "the last one is validated"
            )

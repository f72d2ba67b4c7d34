"""What a recipe may say: frozen, typed sections, checked as a whole. Read from YAML by :mod:`earmark.training.config`."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from earmark.core.card import LastWindow
from earmark.core.errors import ConfigError

Precision = Literal["32", "16-mixed", "bf16-mixed"]


@dataclass(frozen=True)
class DataSection:
    """What is learned from.

    Attributes:
        dataset: one of :func:`earmark.datasets.list_datasets`.
        root: where it lies on this machine; mostly given at the command line.
        protocol: a named split; None for the one that fits the layout under root.
        train_share: share of the training clips that are learned from, above 0, at most 1. Smaller shares are part of
            larger ones.
        train_split: the split that is learned from. "validation", for a combiner of members that know the training
            clips by heart: two thirds of the validation clips, by artist, are learned from, and the rest validates.
        options: of the dataset's reader, where it has any.
    """

    dataset: str
    root: str | None = None
    protocol: str | None = None
    train_share: float = 1.0
    train_split: Literal["train", "validation"] = "train"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSection:
    """What learns.

    Attributes:
        name: a registered model.
        options: its options; the window's length is among them.
        members: checkpoint folders of trained members, for ``ensemble_combiner``: they are frozen, and the combiner
            alone learns.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputSection:
    """How whole files are cut in validation and, later, in tagging (see :class:`earmark.core.card.InputSpec`).

    Attributes:
        hop_seconds: distance of windows; None for windows side by side.
        last_window: what becomes of the samples left over at the end of a file.
    """

    hop_seconds: float | None = None
    last_window: LastWindow = "overlap"


@dataclass(frozen=True)
class TrainingSection:
    """How long, in what portions.

    Attributes:
        epochs: at most.
        batch_size: examples in a batch. The batches of an epoch differ by one example at most; none is dropped. On
            several devices it is the size of the batch of all together.
        sampling: what an example is. "random": a random window; an epoch has ``windows_per_clip`` of every clip.
            "segments": a window at its place in the file; an epoch has all of them, as tagging cuts them (kim2018).
            "subclips": ``windows_per_clip`` windows of a clip, side by side, whose logits are averaged before the loss
            (bristol); a clip with more of them begins at a random place. An epoch has every clip once.
        windows_per_clip: see ``sampling``; 1 for "segments".
        patience: epochs without a better selection after which to stop; None never stops early.
        validate_every: epochs between validations; must divide ``epochs``, so that the last one is validated.
        select: what the best epoch is best in: "skill" (see :mod:`earmark.training.selection`) or "validation_loss".
        accumulate_batches: batches whose gradients are added up before the weights move.
        seed: of weights, windows, order, dropout and augmentation. On the CPU the same seed gives the same weights.
        precision: "32", or mixed with 16-bit numbers.
        compile: let torch.compile turn the network into faster code; the first steps take long.
    """

    epochs: int
    batch_size: int = 32
    sampling: Literal["random", "segments", "subclips"] = "random"
    windows_per_clip: int = 1
    patience: int | None = None
    validate_every: int = 1
    select: Literal["skill", "validation_loss"] = "skill"
    accumulate_batches: int = 1
    seed: int = 0
    precision: Precision = "32"
    compile: bool = False


@dataclass(frozen=True)
class OptimiserSection:
    """How weights move.

    Attributes:
        name: "sgd", "adam" (in both weight decay is an L2 term of the gradient) or "adamw" (it is apart from it).
        learning_rate: after the warm-up.
        momentum: of "sgd".
        nesterov: "sgd" looks ahead (Nesterov); wants momentum.
        weight_decay: of the weights that ``weight_decay_of`` names.
        weight_decay_of: "matrices": all with two or more dimensions, so no biases and norms; "convolutions": the
            kernels of convolutions alone (kim2018).
        schedule: "none"; "cosine" down to zero at the last step; "plateau": the rate is multiplied by
            ``plateau_factor`` whenever the validation loss has not fallen for ``plateau_patience`` validations;
            "plateau_restart": so, and each stage begins with the best weights so far and a fresh optimiser; after
            ``plateau_stages`` stages the run is over (kim2018).
        plateau_factor, plateau_patience, plateau_stages: see ``schedule``.
        warmup_epochs: epochs in which the rate rises from zero, in a straight line; not with a plateau.
        gradient_clip: largest norm of the gradient of a batch; None for no limit.
    """

    name: Literal["sgd", "adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    weight_decay_of: Literal["matrices", "convolutions"] = "matrices"
    schedule: Literal["none", "cosine", "plateau", "plateau_restart"] = "none"
    plateau_factor: float = 0.2
    plateau_patience: int = 2
    plateau_stages: int = 5
    warmup_epochs: float = 0.0
    gradient_clip: float | None = None


@dataclass(frozen=True)
class LossSection:
    """What is minimised, for each kind of tag: "bce" (cross-entropy, also of degrees in 0..1) or "mse".

    Degrees may also be learned as "logits": squared differences of log(p / (1 - p)), over the variance that these have
    for the tag in the training labels. What another network thinks of rare tags lies between .001 and .05, where the other
    losses hardly look; so every tag counts alike (Ba and Caruana 2014 learn logits).

    Attributes:
        classification, regression: the loss of that kind, averaged over labelled (clip, tag) pairs.
        regression_weight: the loss is that of the classification tags plus this times that of the regression tags.
        cross_entropy: with "logits", so many times the cross-entropy is added: errors of likely tags then count more
            than those of unlikely ones.
    """

    classification: Literal["bce", "mse"] = "bce"
    regression: Literal["bce", "mse", "logits"] = "mse"
    regression_weight: float = 1.0
    cross_entropy: float = 0.0


@dataclass(frozen=True)
class AugmentationSection:
    """Changes to training windows; all off by default.

    Attributes:
        gain_db: each window is made louder or softer by up to this.
        mixup_alpha: each window is mixed with another of its batch, labels too, in shares drawn from
            Beta(alpha, alpha); 0 for none (Zhang et al. 2018).
        mask_bands, mask_frames: widest run of mel bands, longest run of frames, that is blotted out (SpecAugment,
            Park et al. 2019); 0 for none.
        masks: how many runs of each.
    """

    gain_db: float = 0.0
    mixup_alpha: float = 0.0
    mask_bands: int = 0
    mask_frames: int = 0
    masks: int = 1


@dataclass(frozen=True)
class CardSection:
    """What the card says beyond what the run knows."""

    description: str = ""
    licence: str = "unknown"
    version: str = "1"
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A whole recipe. ``name`` becomes the name of the model."""

    name: str
    data: DataSection
    model: ModelSection
    training: TrainingSection
    input: InputSection = field(default_factory=InputSection)
    optimiser: OptimiserSection = field(default_factory=OptimiserSection)
    loss: LossSection = field(default_factory=LossSection)
    augmentation: AugmentationSection = field(default_factory=AugmentationSection)
    card: CardSection = field(default_factory=CardSection)

    def __post_init__(self) -> None:
        problems = _out_of_range(self)
        if problems:
            raise ConfigError(problems)

    def to_document(self, *, with_root: bool = True) -> dict[str, Any]:
        """All values as YAML and JSON know them. Without ``data.root`` and the places of ``model.members`` it is the
        same on every machine.
        """
        document = _plain(dataclasses.asdict(self))
        if not with_root:
            del document["data"]["root"], document["model"]["members"]
        return document  # type: ignore[no-any-return]

    def to_yaml(self) -> str:
        """The recipe with every default written out; :func:`load_recipe` reads it back."""
        return str(yaml.safe_dump(self.to_document(), sort_keys=False, allow_unicode=True))


def _out_of_range(recipe: Recipe) -> list[str]:
    """Every value that its type allows and its meaning does not."""
    training, optimiser, augmentation = recipe.training, recipe.optimiser, recipe.augmentation
    at_least: list[tuple[str, float | None, float]] = [
        ("training.epochs", training.epochs, 1),
        ("training.batch_size", training.batch_size, 1),
        ("training.windows_per_clip", training.windows_per_clip, 1),
        ("training.patience", training.patience, 1),
        ("training.validate_every", training.validate_every, 1),
        ("training.accumulate_batches", training.accumulate_batches, 1),
        ("training.seed", training.seed, 0),
        ("optimiser.momentum", optimiser.momentum, 0),
        ("optimiser.weight_decay", optimiser.weight_decay, 0),
        ("optimiser.plateau_patience", optimiser.plateau_patience, 1),
        ("optimiser.plateau_stages", optimiser.plateau_stages, 1),
        ("optimiser.warmup_epochs", optimiser.warmup_epochs, 0),
        ("loss.regression_weight", recipe.loss.regression_weight, 0),
        ("loss.cross_entropy", recipe.loss.cross_entropy, 0),
        ("augmentation.gain_db", augmentation.gain_db, 0),
        ("augmentation.mixup_alpha", augmentation.mixup_alpha, 0),
        ("augmentation.mask_bands", augmentation.mask_bands, 0),
        ("augmentation.mask_frames", augmentation.mask_frames, 0),
        ("augmentation.masks", augmentation.masks, 1),
    ]
    above_zero = [
        ("data.train_share", recipe.data.train_share),
        ("input.hop_seconds", recipe.input.hop_seconds),
        ("optimiser.learning_rate", optimiser.learning_rate),
        ("optimiser.plateau_factor", optimiser.plateau_factor),
        ("optimiser.gradient_clip", optimiser.gradient_clip),
    ]
    below_one = [("optimiser.momentum", optimiser.momentum), ("optimiser.plateau_factor", optimiser.plateau_factor)]
    problems = [f"{key} {x}: must be at least {least:g}" for key, x, least in at_least if x is not None and x < least]
    problems += [f"{key} {x}: must be above 0" for key, x in above_zero if x is not None and x <= 0]
    problems += [f"{key} {x}: must be below 1" for key, x in below_one if x >= 1]
    problems += _contradictions(recipe)
    if recipe.data.train_share > 1:
        problems.append(f"data.train_share {recipe.data.train_share}: must be at most 1")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", recipe.name):
        problems.append(f"name {recipe.name!r}: must be of a-z, 0-9, '.', '_' and '-', for a file is named after it")
    if optimiser.warmup_epochs > training.epochs:
        problems.append(
            f"optimiser.warmup_epochs {optimiser.warmup_epochs}: must not exceed the {training.epochs} epochs"
        )
    if training.validate_every >= 1 and training.epochs % training.validate_every:
        problems.append(
            f"training.validate_every {training.validate_every}: must divide the {training.epochs} epochs, so that the "
            "last one is validated"
        )
    return problems


def _contradictions(recipe: Recipe) -> list[str]:
    """Values that are in range, but not beside each other."""
    training, optimiser, augmentation = recipe.training, recipe.optimiser, recipe.augmentation
    problems = []
    if training.sampling == "segments" and training.windows_per_clip != 1:
        problems.append(
            f"training.windows_per_clip {training.windows_per_clip}: must be 1 with sampling segments, which takes all"
        )
    if optimiser.name != "sgd" and optimiser.momentum:
        problems.append(f"optimiser.momentum {optimiser.momentum}: is sgd's; {optimiser.name} has its own, set it to 0")
    if optimiser.nesterov and not optimiser.momentum:
        problems.append("optimiser.nesterov true: wants sgd with a momentum above 0")
    if optimiser.schedule.startswith("plateau") and optimiser.warmup_epochs:
        problems.append(f"optimiser.warmup_epochs {optimiser.warmup_epochs}: must be 0 with a plateau schedule")
    if recipe.model.members and recipe.model.name != "ensemble_combiner":
        problems.append(f"model.members: only ensemble_combiner has members, not {recipe.model.name}")
    if training.sampling == "subclips" and augmentation.mixup_alpha:
        problems.append(
            f"augmentation.mixup_alpha {augmentation.mixup_alpha}: mixes windows, not clips; must be 0 with subclips"
        )
    return problems


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value

"""Recipes: everything that makes a training run, frozen, typed and checked as a whole.

A recipe is a YAML file of the sections below. Unknown keys are refused, and all problems are reported at once.
``-o section.key=value`` changes single values; values are read as YAML, so lists and null work.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from earmark.card import LastWindow
from earmark.errors import ConfigError
from earmark.training.typed_yaml import build, read_section, read_yaml

Precision = Literal["32", "16-mixed", "bf16-mixed"]


@dataclass(frozen=True)
class DataSection:
    """What is learned from.

    Attributes:
        dataset: one of :func:`earmark.datasets.list_datasets`.
        root: where it lies on this machine; mostly given at the command line.
        protocol: a named split; None for the one that fits the layout under root.
    """

    dataset: str
    root: str | None = None
    protocol: str | None = None


@dataclass(frozen=True)
class ModelSection:
    """What learns: a registered model and its options (the window's length is among them)."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InputSection:
    """How whole files are cut in validation and, later, in tagging (see :class:`earmark.card.InputSpec`).

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
        epochs: at most; one epoch draws ``windows_per_clip`` random windows of every clip.
        batch_size: windows in a batch. The batches of an epoch differ by one window at most; none is dropped.
        windows_per_clip: random windows of a clip in an epoch.
        patience: epochs without a better selection metric after which to stop; None never stops early.
        validate_every: epochs between validations; must divide ``epochs``, so that the last one is validated.
        seed: of weights, windows, order, dropout and augmentation. On the CPU the same seed gives the same weights.
        precision: "32", or mixed with 16-bit numbers.
    """

    epochs: int
    batch_size: int = 32
    windows_per_clip: int = 1
    patience: int | None = None
    validate_every: int = 1
    seed: int = 0
    precision: Precision = "32"


@dataclass(frozen=True)
class OptimiserSection:
    """How weights move.

    Attributes:
        name: "adam" (weight decay is an L2 term of the gradient) or "adamw" (it is apart from it).
        learning_rate: after the warm-up.
        weight_decay: of weights with two or more dimensions; biases and norms have none.
        schedule: "none", or "cosine" down to zero at the last step.
        warmup_epochs: epochs in which the rate rises from zero, in a straight line.
        gradient_clip: largest norm of the gradient of a batch; None for no limit.
    """

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["none", "cosine"] = "none"
    warmup_epochs: float = 0.0
    gradient_clip: float | None = None


@dataclass(frozen=True)
class LossSection:
    """What is minimised, for each kind of tag: "bce" (cross-entropy, also of degrees in 0..1) or "mse".

    Attributes:
        classification, regression: the loss of that kind, averaged over labelled (clip, tag) pairs.
        regression_weight: the loss is that of the classification tags plus this times that of the regression tags.
    """

    classification: Literal["bce", "mse"] = "bce"
    regression: Literal["bce", "mse"] = "mse"
    regression_weight: float = 1.0


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
        """All values as YAML and JSON know them; without ``data.root`` it is the same on every machine."""
        document = _plain(dataclasses.asdict(self))
        if not with_root:
            del document["data"]["root"]
        return document  # type: ignore[no-any-return]

    def to_yaml(self) -> str:
        """The recipe with every default written out; :func:`load_recipe` reads it back."""
        return str(yaml.safe_dump(self.to_document(), sort_keys=False, allow_unicode=True))


def list_recipes() -> list[str]:
    """Names of the recipes that come with earmark."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def load_recipe(recipe: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        recipe: one of :func:`list_recipes`, or a YAML file.
        overrides: ``section.key=value``, later ones win.

    Raises:
        ConfigError: no such recipe, not YAML, or with every unknown key, missing key, wrong type and value out of
            range.
    """
    name = str(recipe)
    source = _folder() / f"{name}.yaml"
    if name in list_recipes():
        text = source.read_text(encoding="utf-8")
    elif name.endswith((".yaml", ".yml")) or "/" in name:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}: the recipe cannot be read ({error})") from error
    else:
        near = difflib.get_close_matches(name, list_recipes(), n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(list_recipes())}."
        raise ConfigError(f"no recipe {name!r}; {hint} A file is named with its ending: ./my.yaml")
    document = read_yaml(text, name)
    if not isinstance(document, dict):
        raise ConfigError(f"{name}: a recipe must be a mapping of sections, is {type(document).__name__}")
    return recipe_from(apply_overrides(document, overrides), where=name)


def recipe_from(document: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from its sections. Raises ConfigError with all problems, each begun with ``where``."""
    problems: list[str] = []
    recipe: Recipe | None = None
    values = read_section(Recipe, document, "", problems)
    try:
        recipe = build(Recipe, values)
    except ConfigError as error:
        problems += error.problems
    except (TypeError, AttributeError):  # what is missing or of the wrong type cannot be put together
        if not problems:
            raise
    if problems:
        raise ConfigError([f"{where}: {problem}" for problem in problems])
    return typing.cast(Recipe, recipe)


def apply_overrides(document: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of the document with ``section.key=value`` put in. Raises ConfigError with all that are malformed."""
    changed = copy.deepcopy(dict(document))
    problems = []
    for override in overrides:
        key, equals, text = override.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            problems.append(f"-o {override}: must be section.key=value, e.g. -o training.epochs=10")
            continue
        place = changed
        for part in parts[:-1]:
            if place.get(part) is None:
                place[part] = {}
            place = place[part]
            if not isinstance(place, dict):
                problems.append(f"-o {override}: {part!r} is a value, no section")
                break
        else:
            try:
                place[parts[-1]] = read_yaml(text, f"-o {override}")
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(problems)
    return changed


def _folder() -> Any:
    return resources.files("earmark") / "recipes"


def _out_of_range(recipe: Recipe) -> list[str]:
    """Every value that its type allows and its meaning does not."""
    training, optimiser, augmentation = recipe.training, recipe.optimiser, recipe.augmentation
    at_least: list[tuple[str, float | None, float]] = [
        ("training.epochs", training.epochs, 1),
        ("training.batch_size", training.batch_size, 1),
        ("training.windows_per_clip", training.windows_per_clip, 1),
        ("training.patience", training.patience, 1),
        ("training.validate_every", training.validate_every, 1),
        ("training.seed", training.seed, 0),
        ("optimiser.weight_decay", optimiser.weight_decay, 0),
        ("optimiser.warmup_epochs", optimiser.warmup_epochs, 0),
        ("loss.regression_weight", recipe.loss.regression_weight, 0),
        ("augmentation.gain_db", augmentation.gain_db, 0),
        ("augmentation.mixup_alpha", augmentation.mixup_alpha, 0),
        ("augmentation.mask_bands", augmentation.mask_bands, 0),
        ("augmentation.mask_frames", augmentation.mask_frames, 0),
        ("augmentation.masks", augmentation.masks, 1),
    ]
    above_zero = [
        ("input.hop_seconds", recipe.input.hop_seconds),
        ("optimiser.learning_rate", optimiser.learning_rate),
        ("optimiser.gradient_clip", optimiser.gradient_clip),
    ]
    problems = [f"{key} {x}: must be at least {least:g}" for key, x, least in at_least if x is not None and x < least]
    problems += [f"{key} {x}: must be above 0" for key, x in above_zero if x is not None and x <= 0]
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


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value

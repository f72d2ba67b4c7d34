"""The model card: input, tags, thresholds, origin and measured results. Every model has one.

It is JSON, next to the weights and in the metadata of the ONNX file (key :data:`CARD_KEY`).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from earmark.core.calibration import Platt
from earmark.core.errors import ConfigError, ModelError
from earmark.core.input_spec import Conditioning, InputSpec
from earmark.core.json_records import parse_json
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Tag, Vocabulary

CARD_FORMAT = 1
CARD_KEY = "earmark_card"

T = TypeVar("T")


@dataclass(frozen=True)
class Metric:
    """One measured value, with the dataset, protocol and split that it was measured on.

    Attributes:
        name: e.g. "roc_auc", "pr_auc", "rmse".
        value: None where undefined (a tag with one class only).
        low, high: ends of the 95 % interval, or None.
        dataset, protocol, split: e.g. "emotify", "artist-disjoint", "test".
        tag: a tag's name, or None for the macro average over tags.
        resampled: unit of the bootstrap: "artist", "song", "clip" or None.
        n_clips: number of clips.
    """

    name: str
    value: float | None
    dataset: str
    protocol: str
    split: str
    tag: str | None = None
    low: float | None = None
    high: float | None = None
    resampled: str | None = None
    n_clips: int | None = None


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model except its weights.

    Attributes:
        name: for ``earmark tag --model NAME`` and :func:`earmark.load_tagger`.
        architecture: registered name in :mod:`earmark.models`.
        architecture_options: keyword arguments that rebuild it with :func:`earmark.models.create_model`.
        input: sample rate and windows.
        vocabulary: tags in output order.
        thresholds: tag name -> calibrated score from which the tag applies (used by ``--threshold auto``).
        calibration: tag name -> map from the network's score to the reported one; tags without one report the
            network's score.
        rules: which tags exclude, imply, require or silence each other, and the tree of genres (``rules.parents``).
        frontend: settings of the log-mel inside the network, or None for networks on raw waveforms.
        description: one or two sentences for people.
        version: of this set of weights.
        training: how the weights were made: dataset, protocol, recipe, seed, versions.
        metrics: measured values, see :class:`Metric`.
        licence: of the weights.
        limits: known weaknesses, one sentence each.
        citations: papers and data to cite.
        weights_sha256: of the weights file next to the card; empty in a card without one.
        embedding_dims: length of the embedding that an exported model gives with its scores; None where it gives
            none, and in the card of a checkpoint.
        softmax: tags whose scores are a softmax: probabilities of classes of which a file has exactly one, which sum to 1.
            Their thresholds are 0, and ``rules.exclusive`` keeps the highest. Empty: every tag has a score of its own.

    Raises:
        ConfigError: thresholds, calibration or rules for unknown tags, or values out of range. All at once.

    Examples:
        >>> import earmark
        >>> card = earmark.load_tagger().card
        >>> card.input.sample_rate_hz, "rock" in card.vocabulary.names
        (16000, True)
        >>> earmark.ModelCard.from_json(card.to_json()) == card
        True
    """

    name: str
    architecture: str
    input: InputSpec
    vocabulary: Vocabulary
    architecture_options: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    calibration: dict[str, Platt] = field(default_factory=dict)
    rules: TagConstraints = field(default_factory=TagConstraints)
    frontend: dict[str, Any] | None = None
    description: str = ""
    version: str = "1"
    training: dict[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    licence: str = "unknown"
    limits: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    weights_sha256: str = ""
    embedding_dims: int | None = None
    softmax: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = frozenset(self.vocabulary.names)
        problems = [f"threshold for {tag!r}: no such tag" for tag in self.thresholds if tag not in names]
        problems += [
            f"threshold {x} for {tag!r}: must be 0 to 1" for tag, x in self.thresholds.items() if not 0 <= x <= 1
        ]
        problems += [f"calibration of {tag!r}: no such tag" for tag in self.calibration if tag not in names]
        problems += self.rules.problems(names)
        problems += [f"softmax: no tag {tag!r}" for tag in self.softmax if tag not in names]
        if len(set(self.softmax)) != len(self.softmax) or len(self.softmax) == 1:
            problems.append(f"softmax {list(self.softmax)}: must be two or more different tags, or none")
        if self.embedding_dims is not None and (type(self.embedding_dims) is not int or self.embedding_dims < 1):
            problems.append(f"embedding_dims {self.embedding_dims}: must be at least 1, or null for none")
        if problems:
            raise ConfigError(problems)

    @property
    def degrees(self) -> tuple[str, ...]:
        """Tags that say how much and never hold, see :meth:`earmark.Vocabulary.degrees`."""
        return self.vocabulary.degrees(self.thresholds)

    @property
    def learned_from(self) -> dict[str, str | None]:
        """Datasets that the weights learned from, directly or by what they were begun with -> their protocols."""
        named = self.training.get("dataset")
        own = {} if named is None else {str(named): self.training.get("protocol")}
        return {**own, **self.training.get("also_learned_from", {})}

    def rivals_in_words(self) -> dict[str, str]:
        """Tag -> the tags that it silences, for people."""
        tags = set(self.vocabulary.names) - set(self.degrees)
        return {
            tag: "all other tags" if set(rivals) == tags - {tag} else ", ".join(rivals)
            for tag, rivals in self.rules.rivals.items()
        }

    def replace(self, **changes: Any) -> ModelCard:
        """A copy with some fields changed.

        Args:
            changes: attributes of the card, and their new values.

        Returns:
            The copy; checked as a whole, as the card was.

        Raises:
            ConfigError: values that contradict each other, or a threshold or rule of a tag that it does not have.
        """
        return dataclasses.replace(self, **changes)

    def to_json(self) -> str:
        """The card as indented JSON with a format number, keys in the order of the fields."""
        document: dict[str, Any] = {"format": CARD_FORMAT}
        for item in dataclasses.fields(self):
            document[item.name] = _plain(getattr(self, item.name))
        if not self.softmax:  # so that earlier versions read all other cards
            del document["softmax"]
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "card") -> ModelCard:
        """Read :meth:`to_json`'s text back.

        Args:
            text: the JSON.
            where: file name for error messages.

        Returns:
            The card.

        Raises:
            ModelError: not JSON, written by a newer earmark, keys unknown or missing, or values out of range.
        """
        try:
            document = parse_json(text)
        except ValueError as error:
            raise ModelError(f"{where}: not JSON ({error})") from error
        if not isinstance(document, dict):
            raise ModelError(f"{where}: must be a JSON object, is a {type(document).__name__}")
        number = document.pop("format", None)
        if number != CARD_FORMAT:
            raise ModelError(f"{where}: card format {number!r}, this earmark reads {CARD_FORMAT}: install a newer one")
        try:
            document["input"] = _input_spec(document["input"])
            document["vocabulary"] = Vocabulary(tuple(_build(Tag, tag) for tag in document["vocabulary"]))
            document["metrics"] = tuple(_build(Metric, metric) for metric in document.get("metrics", ()))
            document["calibration"] = {
                tag: _build(Platt, values) for tag, values in document.get("calibration", {}).items()
            }
            document["rules"] = _rules(document.get("rules", {}))
            for name in ("limits", "citations", "softmax"):
                document[name] = tuple(document.get(name, ()))
            _check_texts(document)
            return _build(cls, document)
        except KeyError as error:
            raise ModelError(f"{where}: key {error.args[0]!r} is missing") from error
        except (ConfigError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"{where}: {error}") from error

    @classmethod
    def read(cls, path: str | Path) -> ModelCard:
        """The card in a JSON file.

        Args:
            path: the file, e.g. the card beside a checkpoint or an exported model.

        Returns:
            The card.

        Raises:
            ModelError: no such file, or not a card.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: the card cannot be read ({error})") from error
        return cls.from_json(text, where=str(path))


def read_rules(path: str | Path) -> TagConstraints:
    """Rules in a JSON file, written as in a card: ``{"exclusive": [["fast", "slow"]], "parents": {"techno": ["electronic"]}}``.

    The keys are the attributes of :class:`TagConstraints`; all may be absent.

    Raises:
        ConfigError: no such file, not JSON, or not such rules.
    """
    try:
        return _rules(parse_json(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, ConfigError) as error:
        raise ConfigError(f"{path}: no rules ({error})") from error


def _check_texts(document: dict[str, Any]) -> None:
    """Raises TypeError where text is of another type, in fields that nothing else checks."""
    for name in ("name", "architecture", "description", "version", "licence", "weights_sha256"):
        if not isinstance(document.get(name, ""), str):
            raise TypeError(f"{name} {document[name]!r}: must be text")
    for name in ("architecture_options", "training"):
        if not isinstance(document.get(name, {}), dict):
            raise TypeError(f"{name} {document[name]!r}: must be an object")


def _input_spec(document: Any) -> InputSpec:
    if not isinstance(document, dict):
        raise TypeError(f"InputSpec must be an object, is {document!r}")
    values = dict(document)
    if values.get("conditioning") is not None:
        values["conditioning"] = _build(Conditioning, values["conditioning"])
    return _build(InputSpec, values)


def _rules(document: Any) -> TagConstraints:
    values = dict(document)
    values["exclusive"] = tuple(tuple(group) for group in values.get("exclusive", ()))
    for name in ("parents", "rivals"):
        values[name] = {
            tag: tuple(names) if isinstance(names, list) else names for tag, names in values.get(name, {}).items()
        }
    return _build(TagConstraints, values)


def _plain(value: Any) -> Any:
    """Dataclasses and tuples as JSON values; a vocabulary as the list of its tags."""
    if isinstance(value, Vocabulary):
        return [_plain(tag) for tag in value.tags]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _build(kind: type[T], values: dict[str, Any]) -> T:
    """A dataclass from a JSON object; unknown and missing keys are errors."""
    if not isinstance(values, dict):
        raise TypeError(f"{kind.__name__} must be an object, is {values!r}")
    known = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    problems = [f"{kind.__name__}: unknown key {key!r}" for key in values if key not in known]
    for name, item in known.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and name not in values:
            problems.append(f"{kind.__name__}: key {name!r} is missing")
    if problems:
        raise ConfigError(problems)
    return kind(**values)

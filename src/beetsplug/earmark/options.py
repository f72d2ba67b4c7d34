"""The plugin's section of beets' configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.hints import did_you_mean
from earmark.library.tagfiles.changes import WritePolicy
from earmark.library.tagfiles.formats.base import SHARED_FIELDS, Field
from earmark.library.tagfiles.mapping import TagMapping, default_mapping, read_mapping
from earmark.tagging.runtime import find_model, read_card

if TYPE_CHECKING:
    from beets.library import Item
    from confuse import ConfigView

SECTIONS: dict[Field, str] = {"genre": "genres", "mood": "moods"}
"""The sections with the options of each field."""

SWITCHES: dict[Field, str] = {"bpm": "bpm", "key": "initial_key"}
"""The options that say whether a field is filled at all."""

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "model": None,
    "mapping": None,
    "write": "auto",
    "genres": {"max": 2, "threshold": "auto", "mode": "fill"},
    "moods": {"max": 3, "threshold": "auto", "mode": "fill"},
    "bpm": False,
    "initial_key": False,
}
"""All options, see the plugin's docstring."""

DECISIVE_OF_CARD = ("name", "version", "weights_sha256", "calibration", "thresholds", "rules")
"""What of a model's card decides on values; more is added to cards over time, and is no reason to tag again."""


class Options:
    """The options, and what follows from them.

    Args:
        config: the section ``earmark``, with the defaults in it. It is read when it is needed: beets reads files of
            configuration after it loads plugins.
    """

    def __init__(self, config: ConfigView) -> None:
        self._config = config

    def check(self) -> None:
        """Raises ConfigError for unknown options, all at once, and for wrong values; ModelError if there is no model."""
        unknown = [*_unknown_names(self._config, DEFAULTS)]
        for section in SECTIONS.values():
            unknown += _unknown_names(self._config[section], DEFAULTS[section], f"{section}: ")
        if unknown:
            raise ConfigError(unknown)
        for name in ("auto", *SWITCHES.values()):
            if not isinstance(value := self._config[name].get(), bool):
                raise ConfigError(f"{name} {value!r}: must be yes or no")
        _ = self.policies, self.may_write

    @property
    def may_write(self) -> bool | None:
        """The option ``write``; None for beets' own choice."""
        value = self._config["write"].get()
        if value == "auto":
            return None
        if not isinstance(value, bool):
            raise ConfigError(f"write {value!r}: must be auto, yes or no")
        return value

    @cached_property
    def model(self) -> Path:
        """The file of the model. Raises ModelError if there is none."""
        name = self._config["model"].get()
        return find_model(str(name) if name else None)

    @cached_property
    def card(self) -> ModelCard:
        """The model's card, which is read without loading the model."""
        return read_card(self.model)

    @cached_property
    def policies(self) -> dict[Field, WritePolicy]:
        """The policy of each field that can be filled. Raises ConfigError for wrong options."""
        policies = {field: self._policy(field) for field in SHARED_FIELDS}
        policies = {field: policy for field, policy in policies.items() if self._can_hold(field, policy)}
        wanted = [field for field, name in SWITCHES.items() if self._config[name].get() is True]
        return policies | {field: WritePolicy(self._mapping, scores=False) for field in wanted}

    def key(self, item: Item) -> str:
        """Stands for all that decides on what is found in a track: the model, the options, and the audio."""
        audio = [item.format, round(item.length, 1)]
        return hashlib.sha256(json.dumps([self._decisive, audio]).encode()).hexdigest()[:16]

    @cached_property
    def _decisive(self) -> list[Any]:
        """What decides on values, besides the audio. How they meet those that are there (``mode``) does not."""
        policies = {
            field: [policy.mapping.words[field], policy.threshold, policy.max_values(field)]
            for field, policy in self.policies.items()
            if field in SECTIONS
        } | {field: True for field in SWITCHES if field in self.policies}
        card = json.loads(self.card.to_json())
        return [{name: card.get(name) for name in DECISIVE_OF_CARD}, policies]

    def _can_hold(self, field: Field, policy: WritePolicy) -> bool:
        """Whether any tag could ever be written there; otherwise a track that lacks it need not be tagged."""
        card = self.card
        judged = set(card.thresholds if policy.threshold is None else card.vocabulary.names) - set(card.degrees)
        return policy.max_values(field) > 0 and any(policy.mapping.words_for(field, tag) for tag in judged)

    @cached_property
    def _mapping(self) -> TagMapping:
        if self._config["mapping"].get():
            path = Path(self._config["mapping"].as_filename())
            return read_mapping(path, self.card.vocabulary, self.card.degrees)
        return default_mapping(self.card.vocabulary)

    def _policy(self, field: Field) -> WritePolicy:
        section = self._config[SECTIONS[field]]
        threshold = section["threshold"].get()
        return WritePolicy(
            self._mapping,
            section["mode"].as_choice(("fill", "merge", "overwrite")),
            threshold=None if threshold == "auto" else section["threshold"].get(float),
            max_genres=section["max"].get(int) if field == "genre" else 0,
            max_moods=section["max"].get(int) if field == "mood" else 0,
            scores=False,
        )


def _unknown_names(section: ConfigView, known: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """A message for each option that there is none of."""
    for name in map(str, section.keys()):
        if name not in known:
            hint = did_you_mean(name, known, f"there are: {', '.join(known)}", n=1)
            yield f"{where}{name}: no such option; {hint}"

"""Rules that follow from the names of tags and from tables."""

from __future__ import annotations

from earmark.core.default_constraints import default_constraints, parents_within
from earmark.core.tag_constraints import TagConstraints


def test_default_constraints_follow_names() -> None:
    names = ("vocals", "no vocals", "male vocals", "female vocals", "fast", "slow", "rock", "choir")
    assert default_constraints(names) == TagConstraints(
        (("vocals", "no vocals"), ("fast", "slow")),
        parents={"male vocals": ("vocals",), "female vocals": ("vocals",), "choir": ("vocals",)},
    )
    assert default_constraints(["rock", "jazz"]) == TagConstraints()
    alone = default_constraints(["female vocalists", "instrumental", "beat", "no beat"])
    assert alone == TagConstraints((("beat", "no beat"), ("female vocalists", "instrumental")))


def test_rules_from_names_and_tables() -> None:
    names = ("vocals", "instrumental", "female vocals", "choir", "rapping", "rock", "heavy metal", "pop")
    tree = {"heavy metal": ("metal",), "metal": ("rock",), "disco": ("pop",)}
    rules = default_constraints(names, tree, {"rock": ("pop", "jazz"), "jazz": ("pop",), "pop": ("jazz",)}, 0.2)
    assert rules.exclusive == (("vocals", "instrumental"),)
    voices = ("female vocals", "choir", "rapping")
    assert rules.parents == {**dict.fromkeys(voices, ("vocals",)), "heavy metal": ("rock",)}
    assert (rules.rivals, rules.rival_margin) == ({"rock": ("pop",)}, 0.2)
    assert rules.problems(names) == []
    assert parents_within({"a": ("b", "c"), "b": ("c",)}, ("a", "c")) == {"a": ("c",)}

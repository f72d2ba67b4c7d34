"""The plan of a labelling."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.core.errors import ConfigError
from earmark.distillation.plan import read_plan


def test_a_plan_with_problems_is_refused_with_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("teachers: [fcn-mta, mine/model.onnx]\ntrain_teachers: [vgg-msd]\nlables: x\n")
    with pytest.raises(ConfigError) as caught:
        read_plan(tmp_path / "plan.yaml")
    text = str(caught.value)
    for part in ("lables: unknown key", "tags: is missing", "'vgg-msd' is not among", "fcn-mtat"):
        assert part in text
    (tmp_path / "plan.yaml").write_text("teachers: [fcn-mtat, mine/model.onnx]\ntags: tags.csv\n")
    plan = read_plan(tmp_path / "plan.yaml")
    assert plan.teachers == plan.train_teachers == ("fcn-mtat", str(tmp_path / "mine" / "model.onnx"))
    assert (plan.tags, plan.left_out) == (tmp_path / "tags.csv", None)


@pytest.mark.parametrize(
    ("shares", "problem"),
    [
        ("{fcn-msd: 0.5}", "'fcn-msd' is not among the teachers of the training set"),
        ("{fcn-mtat: 0}", "train_shares.fcn-mtat 0.0: must be above 0"),
        ("{fcn-mtat: half}", "train_shares.fcn-mtat 'half': must be a number"),
        ("0.5", "train_shares 0.5: must be a section with keys"),
        ("{fcn-mtat: 0.5, fcn-mtat: 0.25}", "key 'fcn-mtat' is there twice"),
    ],
)
def test_shares_that_make_no_sense_are_refused(shares: str, problem: str, tmp_path: Path) -> None:
    text = f"teachers: [fcn-mtat, fcn-msd]\ntrain_teachers: [fcn-mtat]\ntags: tags.csv\ntrain_shares: {shares}\n"
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_plan(tmp_path / "plan.yaml")
    assert problem in str(caught.value)
    (tmp_path / "plan.yaml").write_text(text.replace(shares, "{fcn-mtat: 0.25}"))
    assert read_plan(tmp_path / "plan.yaml").train_shares == {"fcn-mtat": 0.25}

"""The plan of a labelling: which teachers, and which of their tags the student learns. A YAML file:

    teachers: [fcn-mtat, vgg-msd, mine/model.onnx]   # published networks by name, others by their ONNX file
    train_teachers: [fcn-mtat, vgg-msd]              # those that label the training set; default: all
    train_shares: {vgg-msd: 0.25}                    # share of the training set that a slow teacher labels; default: 1
    tags: tags.csv                                   # the student's tags: earmark.datasets.labelled_set.tag_union
    left_out: left_out.csv                           # tags of teachers that are not used, and why; optional
    examples_per_song: 2                             # most of the unchanged sets, evenly spread; default: all of a song

Paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, Strict

from earmark.core.errors import ConfigError, ModelError
from earmark.core.published_weights import find_published
from earmark.distillation.teachers import is_published
from earmark.training.config_schema import Listed, Section, read_yaml


class LabellingPlan(Section):
    """A plan as its file says it.

    Attributes:
        teachers: names of published networks, or paths of ONNX files that end in ".onnx".
        train_teachers: those of them that label the training set; the others label the unchanged sets only. Empty for all.
        train_shares: teacher -> the share of the training set that it labels, where that is not all of it.
        tags, left_out: the tables of tags.
        examples_per_song: most examples of a song in the unchanged sets; None for as many as cover it.
    """

    teachers: Listed[str] = Field(min_length=1)
    train_teachers: Listed[str] = ()
    train_shares: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    tags: Annotated[Path, Strict(False)]
    left_out: Annotated[Path, Strict(False)] | None = None
    examples_per_song: int | None = Field(default=None, ge=1)

    def contradictions(self) -> Iterator[str]:
        for name in dict.fromkeys(self.teachers):
            if not name.endswith(".onnx") and not is_published(name):
                try:
                    find_published(name)
                except ModelError as error:
                    yield f"teachers: {error}; or give an ONNX file that ends in .onnx"
        for key, names in (("teachers", self.teachers), ("train_teachers", self.train_teachers)):
            if len(set(names)) < len(names):
                yield f"{key}: a name is there more than once"
        for name in self.train_teachers:
            if name not in self.teachers:
                yield f"train_teachers: {name!r} is not among the teachers"
        for name in self.train_shares:
            if name not in (self.train_teachers or self.teachers):
                yield f"train_shares: {name!r} is not among the teachers of the training set"

    def resolved(self, folder: Path) -> LabellingPlan:
        """The plan with paths relative to a folder, and the teachers of the training set by name."""

        def network(name: str) -> str:
            return str(folder / name) if name.endswith(".onnx") else name

        changed = {
            "teachers": tuple(map(network, self.teachers)),
            "train_teachers": tuple(map(network, self.train_teachers or self.teachers)),
            "train_shares": {network(name): share for name, share in self.train_shares.items()},
            "tags": folder / self.tags,
            "left_out": self.left_out and folder / self.left_out,
        }
        return self.model_copy(update=changed)


def read_plan(path: str | Path) -> LabellingPlan:
    """Read a plan; its paths are relative to the file.

    Raises:
        ConfigError: not YAML, or with every unknown or missing key, unknown teacher and value of a wrong type.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the plan cannot be read ({error})") from error
    return LabellingPlan.from_document(read_yaml(text, str(path)), str(path)).resolved(path.parent)

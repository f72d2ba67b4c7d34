"""Damaged or forged texts and arrays: every reader refuses them with an error of earmark, quickly."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from earmark.core.card import ModelCard, read_rules
from earmark.core.errors import ConfigError, DataError, EarmarkError, ModelError
from earmark.core.input_spec import InputSpec
from earmark.core.json_records import parse_json
from earmark.core.storage import Store
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets.base import Clip, StoredAudio
from earmark.datasets.labelled_set import LabelledSets
from earmark.datasets.labelled_set.shards import LabelledSet
from earmark.datasets.msd_lists import read_array
from earmark.datasets.stored_audio import open_stored
from earmark.datasets.table import read_table
from earmark.distillation.packed_labels import PackedSet
from earmark.distillation.plan import read_plan
from earmark.evaluation.report import read_report
from earmark.library.tagfiles.mapping import read_mapping
from earmark.library.tagfiles.undo_log import UndoLog, read_log
from earmark.papers.results import read_results
from earmark.tagging.runtime import find_model, read_card
from earmark.training.config import load_recipe

DEEP, DIGITS = "[" * 100_000, "1" * 5_000
VOCABULARY = Vocabulary((Tag("rock"),))


@pytest.mark.parametrize(
    "text", [DEEP, DIGITS, "", "{", b"\xff\xfe\xfd", "nul"], ids=["deep", "digits", "empty", "open", "bytes", "nul"]
)
def test_bad_json_is_one_kind_of_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the messages are Python's
        parse_json(text)


@pytest.mark.parametrize(
    "text",
    [DEEP, DIGITS, f'{{"a": {DEEP}', f'{{"format": {DIGITS}}}'],
    ids=["deep", "digits", "deep value", "digits value"],
)
@pytest.mark.parametrize(
    "read", [ModelCard.read, read_rules, read_report, read_results, read_table], ids=lambda read: read.__qualname__
)
def test_json_of_any_depth_and_with_any_number(tmp_path: Path, read: Callable[[Path], object], text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(EarmarkError):
        read(path)


@pytest.mark.slow
@pytest.mark.parametrize("value", [DEEP, DIGITS], ids=["deep", "digits"])
def test_toml_and_yaml_too(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"genre = {value}")
    with pytest.raises(ConfigError, match="not TOML"):
        read_mapping(path, VOCABULARY)
    path = tmp_path / "a.yaml"
    path.write_text(f"name: {value}")
    with pytest.raises(ConfigError, match="not YAML"):
        load_recipe(path)
    with pytest.raises(ConfigError, match="not YAML"):
        read_plan(path)


@pytest.mark.parametrize("text", ["[]", "{}", "5", DEEP], ids=["list", "empty", "number", "deep"])
def test_labelled_sets(tmp_path: Path, text: str) -> None:
    for name in ("set.json", "tags.json"):
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError):
        LabelledSet.open(tmp_path)
    with pytest.raises(DataError):
        LabelledSets.open(tmp_path)


# Cards ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sample_rate_hz", "window_samples", "hop_samples", "lead_samples"])
@pytest.mark.parametrize("value", [float("nan"), 16000.5, 1e300, True, "1"])
def test_sizes_of_windows_are_whole_numbers(name: str, value: object) -> None:
    values = {"sample_rate_hz": 16_000, "window_samples": 100, "hop_samples": 50, "lead_samples": 0, name: value}
    with pytest.raises(ConfigError, match=f"{name} .* must be a whole number"):
        InputSpec(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 5),
        ("description", []),
        ("version", {}),
        ("weights_sha256", 5),
        ("embedding_dims", 1.5),
        ("embedding_dims", True),
        ("architecture", []),
        ("architecture_options", []),
        ("training", 5),
        ("vocabulary", [{"name": "\ud800"}]),
    ],
)
def test_fields_of_cards_have_types(name: str, value: object) -> None:
    document = json.loads(read_card(find_model()).to_json()) | {"thresholds": {}, "calibration": {}, "rules": {}}
    ModelCard.from_json(json.dumps(document))
    with pytest.raises(ModelError):
        ModelCard.from_json(json.dumps({**document, name: value}))


def test_a_card_of_many_tags_takes_no_longer_than_their_number() -> None:
    """A list was searched for every tag: 20,000 tags took half a minute."""

    class Name(str):
        n_compared = 0

        def __eq__(self, other: object) -> bool:
            Name.n_compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    names = [Name(f"tag {i}") for i in range(1000)]
    vocabulary = Vocabulary(tuple(Tag(name) for name in names))
    ModelCard("many", "none", InputSpec(8000, 10, 10), vocabulary, thresholds=dict.fromkeys(names, 0.5))
    assert Name.n_compared < 20_000


# Addresses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["s3://[", "s3://[::1", "http://a]b/c"])
def test_addresses_that_cannot_be_parsed(place: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        Store(place)


# The undo log ---------------------------------------------------------------------------------------------

RUN = '{"event":"run","format":1,"run":"x","time":"","kind":"write","undoes":null}\n'


def intent(fields: str = "{}", path: str = "a") -> str:
    return f'{{"event":"intent","run":"x","number":1,"content_key":"k","temporary":".earmark-x","fields":{fields},"path":"{path}"}}\n'


def test_undo_log(tmp_path: Path) -> None:
    path = tmp_path / "a.undo.jsonl"
    path.write_text(RUN + DEEP + "\n" + DIGITS + "\n")
    assert len(read_log(path)) == 1, "incomplete lines are skipped"
    path.write_text(RUN + intent(fields="[]"))
    with pytest.raises(DataError, match="damaged"):
        read_log(path)
    for stamp in ('"mtime_ns":1', '"bytes":-1,"mtime_ns":1', f'"bytes":1,"mtime_ns":{10**20}', '"links":"x"'):
        path.write_text(RUN + intent().replace('"number":1,', f'"number":1,{stamp},'))
        with pytest.raises(DataError, match="damaged"):
            read_log(path)
    path.write_text(RUN + intent(path="a\\u0000b"))
    with UndoLog(path):  # deletes temporary files of interrupted changes
        pass


# Arrays ---------------------------------------------------------------------------------------------------


def npy(shape: str, data: bytes = b"") -> bytes:
    header = f"{{'descr': '<i2', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header.encode() + data


BAD_ARRAYS = [
    b"",
    b"\x93NUMPY",
    b"PK\x03\x04",
    npy("(10,)"),
    npy("(-5,)"),
    npy("(1000000000000000,)"),
    npy("(99999999999999999999999,)"),
]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # NumPy leaves a damaged .npz open
@pytest.mark.parametrize("content", BAD_ARRAYS, ids=range(len(BAD_ARRAYS)))
def test_damaged_arrays(tmp_path: Path, content: bytes) -> None:
    shard = tmp_path / "00000"
    shard.mkdir()
    for name in ("audio", "means"):
        (shard / f"{name}.npy").write_bytes(content)
    clip = Clip("a", Path(), "train", np.ones(1, np.float32), stored=StoredAudio(shard / "audio.npy", 0, 0, 1, 8000))
    labelled = LabelledSet(tmp_path, {"teachers": []}, (shard,))
    for read in (
        lambda: read_array(shard / "audio.npy"),
        lambda: open_stored([clip]),
        lambda: labelled.audio,
        lambda: labelled.means,
    ):
        with pytest.raises(DataError, match=r"\.npy"):
            read()


def test_damaged_packed_labels(tmp_path: Path) -> None:
    file, path = io.BytesIO(), tmp_path / "train.npz"
    np.savez_compressed(file, labels=np.arange(1000), checksums=np.zeros(3), recipes=np.frombuffer(b"{}\n", np.uint8))
    content, rng, kinds = file.getvalue(), np.random.default_rng(0), set()
    damaged = [content[:n] for n in (0, 3, 30, len(content) // 2, len(content) - 10)]
    for _ in range(200):
        changed = bytearray(content)
        for at in rng.integers(len(content), size=3):
            changed[at] = rng.integers(256)
        damaged.append(bytes(changed))
    for one in damaged:
        path.write_bytes(one)
        with pytest.raises(DataError, match="no packed labels") as raised:
            PackedSet.read(path)
        kinds.add(type(raised.value.__cause__).__name__)
    assert {"BadZipFile", "EOFError"} <= kinds, "it shows nothing any more"

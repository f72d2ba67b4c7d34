"""Reading and seeding that were made fast: to the last bit what the plain way gives."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from earmark.core.input_spec import InputSpec
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import Clip, Dataset, load_dataset
from earmark.shards import ShardWaveform
from earmark.shards.prepare import prepare
from earmark.training import data_setup
from earmark.training.audio_store import PackedAudio
from earmark.training.config import LossSection, recipe_from
from earmark.training.data import TrainingWindows
from earmark.training.loss import TagLoss
from earmark.training.module import TaggingModule
from earmark.training.sections import AugmentationSection, Recipe, TrainingSection
from tests.helpers.sounds import write

RATE_HZ = 8000
SPEC = InputSpec(RATE_HZ, 1000, 1000)


def small_recipe(root: Path, name: str = "dieleman2014_raw", **training: object) -> Recipe:
    document = {
        "name": "small",
        "data": {"dataset": "manifest", "root": str(root)},
        "model": {"name": name},
        "training": {"epochs": 1, "batch_size": 3, "windows_per_clip": 2, **training},
    }
    return recipe_from(document, "small")


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    """Five clips of about a second as a manifest, and their shards."""
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    lines = ["path,split,artist,tags"]
    for i in range(5):
        samples = rng.uniform(-0.9, 0.9, 7000 + 900 * i).astype(np.float32)
        write(folder / f"{i}.wav", samples[np.newaxis], RATE_HZ)
        lines.append(f"{i}.wav,{'train' if i < 3 else 'validation'},{i},{'a;b' if i % 2 else 'a'}")
    (folder / "music.csv").write_text("\n".join(lines) + "\n")
    dataset = load_dataset("manifest", folder / "music.csv")
    prepare(dataset, folder / "shards", sample_rate_hz=RATE_HZ)
    return dataset, folder


def batches(dataset: Dataset, folder: Path, workers: int | None, spec: InputSpec = SPEC) -> list[torch.Tensor]:
    recipe = small_recipe(folder / "music.csv")
    data = data_setup.load_training_data(recipe, dataset, spec, shards=folder / "shards", workers=workers)
    windows = data.make_windows(0, 1)
    validation = [data.validation[i][0] for i in range(len(data.validation))]
    return [windows[epoch, i][0] for epoch in range(2) for i in range(len(windows))] + validation


def test_small_shards_are_kept_in_memory_and_sound_the_same(
    music: tuple[Dataset, Path],
) -> None:
    dataset, folder = music
    recipe = small_recipe(folder / "music.csv")

    def loaded(workers: int | None = None, spec: InputSpec = SPEC, **options: int) -> tuple[type, int]:
        data = data_setup.load_training_data(
            recipe, dataset, spec, shards=folder / "shards", workers=workers, **options
        )
        return type(data.validation.waveforms[0]), data.workers

    assert loaded() == (PackedAudio, 0)
    assert loaded(workers=0) == (ShardWaveform, 0)
    assert loaded(workers=3) == (ShardWaveform, 3)
    assert loaded(spec=InputSpec(4000, 500, 500))[0] is ShardWaveform, "resampled audio is not held in 16 bits"
    in_memory, read = batches(dataset, folder, None), batches(dataset, folder, 0)
    assert len(in_memory) == 2 * 2 + 2
    assert all(torch.equal(a, b) for a, b in zip(in_memory, read, strict=True))
    kind, workers = loaded(shard_memory_bytes=1000)
    assert kind is ShardWaveform
    assert 1 <= workers <= 8


@pytest.mark.parametrize("source", ["files", "shards"])
def test_clips_are_trimmed_in_training_validation_and_measuring(music: tuple[Dataset, Path], source: str) -> None:
    dataset, folder = music
    recipe = small_recipe(folder / "music.csv")
    short = recipe_from(
        {**recipe.to_document(), "data": {**recipe.to_document()["data"], "trim_seconds": 0.5}}, "short"
    )
    assert "trim_seconds" not in recipe.to_document()["data"], "runs from before it was there stay comparable"
    shards = folder / "shards" if source == "shards" else None
    data = data_setup.load_training_data(recipe, data_setup.chosen_clips(dataset, short), SPEC, shards=shards)
    assert {len(waveform) for waveform in data.make_windows(0, 1).waveforms} == {4000}
    assert {len(data.validation[i][0]) for i in range(2)} == {4}, "windows of 1,000 samples"


def test_decoding_shards_is_reported(music: tuple[Dataset, Path]) -> None:
    dataset, folder = music
    reported: list[tuple[int, int]] = []

    class Watching:
        def decoding(self, done: int, total: int) -> None:
            reported.append((done, total))

        def batch(self, *_: object) -> None: ...

        def epoch(self, *_: object) -> None: ...

    recipe = small_recipe(folder / "music.csv")
    data_setup.load_training_data(recipe, dataset, SPEC, shards=folder / "shards", progress=Watching())
    assert reported == [(i, 5) for i in range(1, 6)]


@pytest.mark.parametrize(("start", "length"), [(0, 50), (40, 60), (90, 30), (100, 5), (0, 100)])
def test_reading_into_a_row_is_reading(start: int, length: int) -> None:
    packed = PackedAudio.pack(np.random.default_rng(0).uniform(-0.7, 0.7, 100).astype(np.float32))
    row = np.full(length, np.nan, np.float32)
    packed.read_into(row, start)
    assert np.array_equal(row, packed.read(start, length))


@pytest.mark.parametrize(("n_clips", "batch_size"), [(7, 3), (9, 3), (10, 4), (2, 5)])
def test_batches_divide_an_epoch_as_numpy_does(n_clips: int, batch_size: int) -> None:
    waves = [PackedAudio(np.full(1000, i, np.int16), 1.0) for i in range(n_clips)]
    clips = [Clip(str(i), Path(), "train", np.ones(1, np.float32)) for i in range(n_clips)]
    windows = TrainingWindows(
        clips,
        waves,
        spec=SPEC,
        training=TrainingSection(epochs=1, batch_size=batch_size, seed=5),
        augmentation=AugmentationSection(),
    )
    for epoch in (3, 0, 3):  # any order, as a resumed run asks
        order = np.random.default_rng([5, epoch, 0]).permutation(n_clips)
        expected = np.array_split(order, len(windows))
        assert [windows[epoch, i][0][:, 0].tolist() for i in range(len(windows))] == [
            part.tolist() for part in expected
        ]


@pytest.mark.parametrize("kinds", ["ccrr", "crcr", "cccc", "rrrr"])
def test_tags_may_lie_in_any_order(kinds: str) -> None:
    words = {"c": "classification", "r": "regression"}
    vocabulary = Vocabulary(tuple(Tag(f"tag {i}", words[kind]) for i, kind in enumerate(kinds)))  # type: ignore[arg-type]
    torch.manual_seed(0)
    logits = torch.randn(5, 4, requires_grad=True)
    labels = torch.rand(5, 4).round()
    labels[2, 1] = labels[0, 3] = math.nan
    loss = TagLoss(vocabulary, LossSection())(logits, labels)
    expected = torch.zeros(())
    for kind in set(kinds):
        columns = [i for i, letter in enumerate(kinds) if letter == kind]
        answer, wanted = logits[:, columns], labels[:, columns]
        known = ~wanted.isnan()
        if kind == "c":
            part = torch.nn.functional.binary_cross_entropy_with_logits(answer[known], wanted[known])
        else:
            part = (answer[known].sigmoid() - wanted[known]).square().mean()
        expected = expected + part
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    full = labels.nan_to_num(0.5)
    complete, looking = (TagLoss(vocabulary, LossSection(), complete=known) for known in (True, False))
    assert complete(logits, full).item() == looking(logits, full).item()
    (own,) = torch.autograd.grad(loss, logits)
    (plain,) = torch.autograd.grad(expected, logits)
    assert torch.allclose(own, plain, atol=1e-7)
    assert own[2, 1] == own[0, 3] == 0


def test_seeding_a_batch_leaves_nothing_behind() -> None:
    """torch.manual_seed keeps a note for devices that are not there, each time it is called: memory would grow."""
    recipe = small_recipe(Path(), seed=11)
    module = SimpleNamespace(recipe=recipe, current_epoch=2, global_rank=0, device=torch.device("cpu"))
    notes = len(torch.cuda._queued_calls)
    with torch.random.fork_rng(devices=[]):
        TaggingModule.seed_batch(module, 3)  # type: ignore[arg-type]
        drawn = torch.rand(8)
        assert len(torch.cuda._queued_calls) == notes
        torch.manual_seed(int.from_bytes(hashlib.sha256(b"11 2 3").digest()[:7], "big"))
        assert torch.equal(drawn, torch.rand(8))
        TaggingModule.seed_batch(module, 4)  # type: ignore[arg-type]
        assert not torch.equal(drawn, torch.rand(8))

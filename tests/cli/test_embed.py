"""`earmark embed`: what can be embedded, what is reported, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark.core.vocabulary import Vocabulary
from earmark.export.embedding import layer_shapes
from earmark.models import create_model
from earmark.models.checkpoint import load_checkpoint, make_card, save_checkpoint
from earmark.tagging.embedding_table import read_embeddings
from earmark.tagging.embedding_writer import EmbeddingWriter
from tests.helpers import sounds
from tests.helpers.command import earmark_here
from tests.helpers.training_runs import tones

RATE = 8000


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    (folder / "album").mkdir()
    for number in range(3):
        sounds.write(folder / "album" / f"{number}.wav", sounds.music(3, RATE, seed=number), RATE)
    (folder / "album" / "broken.mp3").write_bytes(b"nothing")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    torch.manual_seed(0)
    model = create_model("samplecnn_basic", 2, n_samples=3**6, sample_rate_hz=RATE, width=0.0625).eval()
    save_checkpoint(folder, model, make_card(model, name="small", vocabulary=Vocabulary.of(["a", "b"])))
    return folder


@pytest.mark.slow
def test_a_folder(music: Path, tmp_path: Path) -> None:
    out = tmp_path / "x" / "all.npz"
    done = earmark_here("embed", music, "--out", out)
    assert done.returncode == 1
    assert f"error {music / 'album' / 'broken.mp3'}: " in done.stderr
    assert "3 embedded, 1 failed" in done.stderr
    table = read_embeddings(out)
    assert [Path(path).name for path in table.paths] == ["0.wav", "1.wav", "2.wav", "broken.mp3"]
    assert [bool(error) for error in table.errors] == [False, False, False, True]
    assert table.about["model"] == "earmark-2"
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.slow
def test_a_table_of_files(music: Path, tmp_path: Path) -> None:
    with (music / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "anything"], ["album/2.wav", 1], ["album/0.wav", 2]])
    done = earmark_here("embed", "--manifest", music / "list.csv", "--out", tmp_path / "t.parquet", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert [Path(path).name for path in read_embeddings(tmp_path / "t.parquet").paths] == ["2.wav", "0.wav"]


@pytest.mark.slow
def test_clips_of_a_dataset_with_a_layer_of_a_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    root = tones(tmp_path / "tones", 8)
    out = tmp_path / "t.npz"
    options = ("--dataset", "manifest", "--root", root, "--split", "train", "--out", out)
    layers = {name: shape for name, _, shape in layer_shapes(load_checkpoint(checkpoint)[0])}
    name, (n_channels, n_frames) = next(
        (name, shape) for name, shape in layers.items() if len(shape) == 2 and shape[1] > 1
    )
    done = earmark_here("embed", *options, "--model", checkpoint, "--layer", name, "--unit", "frame", "--pool", "none")
    assert done.returncode == 0, done.stderr
    table = read_embeddings(out)
    assert set(table.clips) == {"0.wav", "1.wav", "2.wav", "3.wav", "4.wav", "5.wav"}
    assert table.values.shape[1] == n_channels
    assert len(table.values) % n_frames == 0


def test_a_checkpoint_on_a_gpu_is_refused(checkpoint: Path, music: Path, tmp_path: Path) -> None:
    done = earmark_here("embed", music, "--out", tmp_path / "a.npz", "--model", checkpoint, "--device", "cuda")
    assert done.returncode == 2
    assert "checkpoints run on the CPU; `earmark export` makes an .onnx file" in done.stderr


@pytest.mark.slow
def test_the_embedding_of_a_checkpoint_is_that_of_its_export(checkpoint: Path, music: Path, tmp_path: Path) -> None:
    file = tmp_path / "small.onnx"
    assert earmark_here("export", checkpoint, "--out", file).returncode == 0
    for model, out in ((checkpoint, "a.npz"), (file, "b.npz")):
        done = earmark_here("embed", music / "album" / "0.wav", "--model", model, "--out", tmp_path / out)
        assert done.returncode == 0, done.stderr
    first, second = (read_embeddings(tmp_path / name).values for name in ("a.npz", "b.npz"))
    assert first.shape == second.shape
    np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.slow
def test_layers_are_listed(checkpoint: Path) -> None:
    done = earmark_here("embed", "--layers")
    assert "embedding\tRelu\t384" in done.stdout.splitlines()
    listed = earmark_here("embed", "--layers", "--model", checkpoint).stdout.splitlines()
    assert len(listed) > 10
    wrong = earmark_here("embed", "x.mp3", "--out", "x.npz", "--model", checkpoint, "--layer", "nothing")
    assert wrong.returncode == 2
    assert "no layer 'nothing'" in wrong.stderr


@pytest.mark.slow
def test_a_run_continues(music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "t.npz"
    command = ("embed", music / "album", "--out", out)
    add = EmbeddingWriter.add

    def stopping(writer: EmbeddingWriter, place: int, result: object) -> None:
        add(writer, place, result)  # type: ignore[arg-type]
        if place == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(EmbeddingWriter, "add", stopping)
    done = earmark_here(*command)
    assert done.returncode == 130
    assert "after 2 of 4 files" in done.stderr
    assert not out.exists()
    monkeypatch.undo()
    refused = earmark_here(*command, "--pool", "max")
    assert refused.returncode == 2
    assert "other files or settings" in refused.stderr
    again = earmark_here(*command)
    assert "2 files embedded before" in again.stderr
    assert "1 embedded, 1 failed" in again.stderr
    assert len(read_embeddings(out).paths) == 4
    assert earmark_here(*command).returncode == 2  # it is there already
    assert earmark_here(*command, "--pool", "max", "--force").returncode == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["x.mp3"], "--out is missing"),
        (["--out", "x.npz"], "give one of PATH"),
        (["x.mp3", "--manifest", "t.csv", "--out", "x.npz"], "PATH, --manifest: give one of"),
        (["x.mp3", "--split", "test", "--out", "x.npz"], "--split: only with --dataset"),
        (["--dataset", "emotify", "--out", "x.npz"], "with --root"),
        (["x.mp3", "--out", "x.csv"], "end it in .parquet or .npz"),
        (["x.mp3", "--out", "x.npz", "--step", "2"], "only with pool none"),
    ],
)
def test_wrong_usage(options: list[str], message: str) -> None:
    done = earmark_here("embed", *options)
    assert done.returncode == 2
    assert message in done.stderr

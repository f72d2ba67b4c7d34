"""What can go wrong in a run: kills at any moment, full disks, weights that grow without bounds, broken data."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earmark.core.errors import ConfigError, DataError
from earmark.models.checkpoint import load_checkpoint
from earmark.training.audio_store import AudioStore
from earmark.training.run import train
from tests.helpers.training_runs import (
    BRISTOL,
    KIM,
    RATE,
    command,
    command_there,
    heed_ctrl_c,
    log_of,
    recipe,
    same_run,
    start,
    state_of,
    state_time_ns,
    tones,
    train_there,
    wait_for_epochs,
    wait_for_state,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

ADAM: dict[str, Any] = {
    **KIM,
    "name": "adam",
    "training": {"epochs": 12, "batch_size": 7, "windows_per_clip": 3, "seed": 3, "validate_every": 2},
    "optimiser": {"name": "adam", "learning_rate": 3e-3, "schedule": "cosine", "warmup_epochs": 1},
    "augmentation": {"gain_db": 3.0, "mixup_alpha": 0.2},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of runs that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    for document in (KIM, BRISTOL, ADAM):
        train(recipe(document, root), folder / document["name"], device="cpu")
    return {path.name: path for path in folder.iterdir()}


def leftovers(out: Path) -> list[Path]:
    return list(out.rglob("*.part"))


def part_appears(out: Path) -> bool:
    """A file is being written: seen as soon as a directory can be read."""
    for folder in (out, out / "checkpoint"):
        try:
            if any(name.endswith(".part") for name in os.listdir(folder)):  # noqa: PTH208
                return True
        except FileNotFoundError:
            continue
    return False


@pytest.mark.parametrize("document", [KIM, BRISTOL, ADAM], ids=lambda document: document["name"])
def test_killed_again_and_again_it_ends_as_if_it_had_not_been(
    document: dict[str, Any], whole: dict[str, Path], root: Path, tmp_path: Path
) -> None:
    out, rng = tmp_path / "run", np.random.default_rng(4)
    n_writing = n_killed = 0
    for attempt in range(5):
        process = start(train_there, document, root, out, attempt > 0)
        kept = state_time_ns(out)
        wait_for_state(out, process, later_than_ns=kept)  # it goes on by at least an epoch
        if attempt % 2:
            time.sleep(rng.uniform(0, 0.1))
        else:  # in the middle of a write
            while process.is_alive() and not part_appears(out):
                time.sleep(0.0002)
        process.kill()
        process.join()
        n_killed += process.exitcode == -signal.SIGKILL
        n_writing += bool(leftovers(out))
    assert n_killed >= 2, "the run is too fast to be killed"
    print(f"{document['name']}: killed {n_killed} times, {n_writing} times in the middle of a write")

    done = start(train_there, document, root, out, True)
    done.join(300)
    assert done.exitcode == 0
    same_run(out, whole[document["name"]])
    assert leftovers(out) == []


def test_the_schedule_went_through_its_stages(whole: dict[str, Path]) -> None:
    """So that the runs above prove something: rates fell, and the run ended by itself, below its epochs."""
    rows = log_of(whole["kim"])
    rates = [float(row["learning_rate"]) for row in rows]
    assert sorted({round(rate, 6) for rate in rates}) == [0.0008, 0.004, 0.02, 0.1]
    assert len(rows) < KIM["training"]["epochs"]
    (plateau,) = [value["plateau"] for value in state_of(whole["kim"])["callbacks"].values() if "plateau" in value]
    assert plateau["finished"]
    assert plateau["stage"] == 4


def test_a_finished_schedule_stays_finished(whole: dict[str, Path], root: Path, tmp_path: Path) -> None:
    shutil.copytree(whole["kim"], tmp_path / "run")
    again = train(recipe(KIM, root), tmp_path / "run", resume=True, device="cpu")
    assert again.resumed_after == len(again.history) == len(log_of(whole["kim"]))
    same_run(tmp_path / "run", whole["kim"])


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_full_disk_stops_the_run_and_loses_nothing(
    share: float, whole: dict[str, Path], root: Path, tmp_path: Path
) -> None:
    """No file may be larger than a share of the state: first the log fits and the checkpoint does not, then the
    checkpoint fits and the state does not.
    """
    yaml, out = whole["kim"] / "recipe.yaml", tmp_path / "run"
    started = start(train_there, KIM, root, out)
    wait_for_state(out, started)
    started.kill()
    started.join()
    before = log_of(out)
    size = round(share * (whole["kim"] / "state.ckpt").stat().st_size)
    code, said = command(
        tmp_path / "said", "train", yaml, "--root", root, "--out", out, "--resume", "--device", "cpu", largest_file=size
    )
    assert code == 1, said
    assert f"earmark: {out}: cannot be written (" in said.splitlines()[-1]
    assert said.splitlines()[-1].endswith("free some space and continue with --resume")
    assert "Traceback" not in said
    assert leftovers(out) == []
    assert len(log_of(out)) - len(before) in (0, 1), "the log may be an epoch ahead"
    load_checkpoint(out / "checkpoint")
    state_of(out)
    code, said = command(tmp_path / "said", "train", yaml, "--root", root, "--out", out, "--resume", "--device", "cpu")
    assert code == 0, said
    same_run(out, whole["kim"])


def test_a_full_disk_before_the_first_epoch(root: Path, whole: dict[str, Path], tmp_path: Path) -> None:
    options = ["train", whole["kim"] / "recipe.yaml", "--root", root, "--device", "cpu"]
    code, said = command(tmp_path / "said", *options, "--out", tmp_path / "a", largest_file=100)
    assert code == 1
    assert "File too large" in said.splitlines()[-1]
    assert "Traceback" not in said
    kept = ["--keep-audio", tmp_path / "kept"]
    code, said = command(tmp_path / "said", *options, "--out", tmp_path / "b", *kept, largest_file=1000)
    assert code == 1
    assert "decoded audio cannot be kept (File too large)" in said.splitlines()[-1]
    assert leftovers(tmp_path / "kept") == []


def test_a_loss_that_is_not_finite_stops_the_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wild = {"learning_rate": 1e30, "momentum": 0.0, "nesterov": False, "schedule": "none"}
    yaml = tmp_path / "wild.yaml"
    yaml.write_text(recipe(KIM, root, optimiser=wild).to_yaml())
    code, said = command(tmp_path / "said", "train", yaml, "--out", tmp_path / "run", "--device", "cpu")
    assert code == 2, said
    last = said.splitlines()[-1]
    assert last.startswith("earmark: epoch 1: the ")
    assert "lower optimiser.learning_rate or set optimiser.gradient_clip" in last
    assert "Traceback" not in said

    # After some good epochs: their best stays.
    steady = recipe(BRISTOL, root, optimiser={"schedule": "cosine"})
    with monkeypatch.context() as patch:
        patch.setattr("earmark.training.module.learning_rate_share", lambda step, *_: 1.0 if step < 16 else 1e30)
        with pytest.raises(
            ConfigError, match=r"epoch 4: .*; lower optimiser\.learning_rate.* best epoch so far is kept"
        ):
            train(steady, tmp_path / "later", device="cpu")
    assert len(log_of(tmp_path / "later")) == 3
    assert load_checkpoint(tmp_path / "later" / "checkpoint")[1].training["best_epoch"] <= 3
    assert all(weight.isfinite().all() for weight in state_of(tmp_path / "later")["state_dict"].values())


def test_tags_without_clips_and_audio_that_cannot_be_read(root: Path, tmp_path: Path) -> None:
    for name in ("none", "broken", "missing"):
        shutil.copytree(root.parent, tmp_path / name)
    text = root.read_text().splitlines()
    lines = [text[0] + ",never", *(line + (",1" if ",validation," in line else ",0") for line in text[1:])]
    (tmp_path / "none" / "tones.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="tag 'never': no training clip has it; leave it out, or train on more clips"):
        train(recipe(KIM, tmp_path / "none" / "tones.csv"), tmp_path / "a", device="cpu")
    assert not (tmp_path / "a").exists()

    (tmp_path / "broken" / "3.wav").write_bytes(b"no audio")
    (tmp_path / "broken" / "7.wav").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        train(recipe(KIM, tmp_path / "broken" / "tones.csv"), tmp_path / "b", device="cpu")
    assert "2 of 30 files cannot be read" in str(caught.value)
    assert "3.wav" in str(caught.value)
    assert "7.wav" in str(caught.value)
    for name in ("3.wav", "7.wav"):
        shutil.copy(root.parent / name, tmp_path / "broken" / name)
    train(recipe(KIM, tmp_path / "broken" / "tones.csv", training={"epochs": 1}), tmp_path / "b", device="cpu")

    (tmp_path / "missing" / "5.wav").unlink()
    with pytest.raises(DataError, match=r"5\.wav"):
        train(recipe(KIM, tmp_path / "missing" / "tones.csv"), tmp_path / "c", device="cpu")


def test_a_folder_that_cannot_be_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be made .Not a directory.; choose another folder"):
        train(recipe(KIM, root), tmp_path / "file" / "run", device="cpu")
    with pytest.raises(DataError, match=r"cannot be (made|written to).*; choose another folder"):
        train(recipe(KIM, root), "/proc/earmark/run", device="cpu")
    (tmp_path / "locked").mkdir(mode=0o500)
    if os.geteuid() != 0:
        with pytest.raises(DataError, match="cannot be written to; choose another folder"):
            train(recipe(KIM, root), tmp_path / "locked", device="cpu")


def test_a_damaged_state_is_said(whole: dict[str, Path], root: Path, tmp_path: Path) -> None:
    shutil.copytree(whole["kim"], tmp_path / "run")
    state = tmp_path / "run" / "state.ckpt"
    state.write_bytes(state.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"state\.ckpt: damaged; delete it, and the run starts over"):
        train(recipe(KIM, root), tmp_path / "run", resume=True, device="cpu")
    state.unlink()
    (tmp_path / "run" / ".state.ckpt.77-1.part").write_bytes(b"left by a kill")
    (tmp_path / "run" / "checkpoint" / ".card.json.77-1.part").write_bytes(b"left by a kill")
    train(recipe(KIM, root), tmp_path / "run", resume=True, device="cpu")
    same_run(tmp_path / "run", whole["kim"])
    assert leftovers(tmp_path / "run") == []


def test_a_run_that_kept_nothing_may_be_resumed_with_another_recipe(root: Path, tmp_path: Path) -> None:
    """recipe.yaml is there and no state: what lies beside the checkpoint in the end is the recipe that made it."""
    (tmp_path / "recipe.yaml").write_text(recipe(KIM, root, training={"seed": 9}).to_yaml())
    train(recipe(KIM, root, training={"epochs": 1}), tmp_path, resume=True, device="cpu")
    assert "seed: 1\n" in (tmp_path / "recipe.yaml").read_text()


def test_interrupts_are_kind_and_leave_the_handler_as_it_was(root: Path, tmp_path: Path) -> None:
    yaml, out, said = tmp_path / "kim.yaml", tmp_path / "run", tmp_path / "said"
    yaml.write_text(recipe(KIM, root, training={"epochs": 500}, optimiser={"schedule": "none"}).to_yaml())
    for number, (sign, more) in enumerate(((signal.SIGINT, []), (signal.SIGTERM, ["--resume"]))):
        process = start(command_there, ["train", str(yaml), "--out", str(out), "--device", "cpu", *more], said)
        n = 0 if number == 0 else len(log_of(out))
        wait_for_epochs(out, n + 2, process)
        assert process.pid is not None
        os.kill(process.pid, sign)
        process.join(200)
        assert process.exitcode == 130, said.read_text()
        assert said.read_text().splitlines()[-1].endswith("--resume`")
        assert "Traceback" not in said.read_text()
        assert len(log_of(out)) - state_of(out)["epoch"] in (1, 2), "the log may be an epoch ahead"

    class Stop:
        """A watcher that loses its patience."""

        def decoding(self, done: int, total: int) -> None: ...

        def batch(self, epoch: int, done: int, total: int, loss: float, windows_per_second: float) -> None:
            signal.raise_signal(signal.SIGINT)

        def epoch(self, row: Any) -> None: ...

    before = signal.getsignal(signal.SIGINT)
    heed_ctrl_c()
    try:
        with pytest.raises(KeyboardInterrupt):
            train(recipe(KIM, root), tmp_path / "other", device="cpu", progress=Stop())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_old_leftovers_of_kept_audio_go_and_young_ones_stay(tmp_path: Path) -> None:
    """Other runs may be writing into the same folder."""
    soundfile.write(tmp_path / "a.wav", np.full(500, 0.1), RATE)
    folder = tmp_path / "kept"
    folder.mkdir()
    old, young = folder / ".old.npy.1-1.part", folder / ".young.npy.2-2.part"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    AudioStore(RATE, folder).load([tmp_path / "a.wav", tmp_path / "a.wav"], jobs=2)  # one file twice, at the same time
    assert not old.exists()
    assert young.exists()

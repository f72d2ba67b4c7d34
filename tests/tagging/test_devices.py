"""Where networks run. No GPU is needed: ONNX Runtime's package has a provider besides the CPU's, which leaves all to the CPU."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime as ort
import pytest

from earmark.cluster.tagging import TagJob
from earmark.core.errors import ConfigError, ModelError
from earmark.library.scan.lazy_tagger import LazyTagger
from earmark.service.settings import Settings
from earmark.tagging.devices import DEVICES, GPU_BATCH_WINDOWS, Device, check_device
from earmark.tagging.embedder import Embedder, load_embedder
from earmark.tagging.runtime import OUTPUT_NAME, OnnxModel, find_model
from earmark.tagging.tagger import Tagger, load_tagger
from tests.helpers import sounds

MISSING = [name for name, device in DEVICES.items() if device.provider not in ort.get_available_providers()]


@pytest.fixture
def other_device(monkeypatch: pytest.MonkeyPatch) -> str:
    """A device that is treated like a GPU."""
    if "AzureExecutionProvider" not in ort.get_available_providers():
        pytest.skip("this package of ONNX Runtime has no other provider")
    monkeypatch.setitem(DEVICES, "other", Device("AzureExecutionProvider"))
    return "other"


class Watched(ort.InferenceSession):
    """A session that notes how it is opened, and each run: how many windows, by which thread, beside how many others."""

    opened: ClassVar[list[list[str]]]
    runs: ClassVar[list[tuple[int, str, int]]]
    guard = threading.Lock()
    n_inside = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.opened.append(self.get_providers())

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray], *arguments: Any) -> Any:
        with self.guard:
            Watched.n_inside += 1
            (windows,) = inputs.values()
            self.runs.append((len(windows), threading.current_thread().name, Watched.n_inside))
        try:
            return super().run(outputs, inputs, *arguments)
        finally:
            with self.guard:
                Watched.n_inside -= 1


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> type[Watched]:
    """All sessions of ONNX Runtime."""
    Watched.opened, Watched.runs = [], []
    monkeypatch.setattr(ort, "InferenceSession", Watched)
    return Watched


def test_the_default_is_the_cpu_alone_and_gives_the_same_bits(watched: type[Watched]) -> None:
    model = OnnxModel(find_model())
    assert model.device == "cpu"
    assert watched.opened == [["CPUExecutionProvider"]]
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(find_model(), options, providers=["CPUExecutionProvider"])
    windows = np.random.default_rng(0).normal(0, 0.1, (3, model.card.input.window_samples)).astype(np.float32)
    (expected,) = session.run([OUTPUT_NAME], {"waveform": windows})
    for same in (model, OnnxModel(find_model(), device="cpu")):
        np.testing.assert_array_equal(same(windows), expected)


@pytest.mark.parametrize("device", MISSING)
def test_a_device_that_is_not_installed_is_an_error_with_the_cure(device: str) -> None:
    with pytest.raises(ConfigError, match=f"{DEVICES[device].provider}, and runs on cpu") as caught:
        load_tagger(device=device)
    assert f"'{DEVICES[device].package}'" in str(caught.value) or DEVICES[device].package == "onnxruntime"
    for make in (load_embedder, LazyTagger):
        with pytest.raises(ConfigError, match=DEVICES[device].provider):
            make(device=device)


def test_installed_devices_pass() -> None:
    check_device("cpu", available=[])
    check_device("cuda", available=["CUDAExecutionProvider", "CPUExecutionProvider"])
    with pytest.raises(ConfigError, match="runs on cpu, cuda only"):
        check_device("coreml", available=["CUDAExecutionProvider", "CPUExecutionProvider"])


@pytest.mark.parametrize("device", ["gpu", "auto", "", "CUDA"])
def test_unknown_devices_are_refused_everywhere(device: str) -> None:
    for make in (load_tagger, load_embedder, LazyTagger, Settings, lambda device: TagJob("m.csv", "o", device=device)):
        with pytest.raises(ConfigError, match=f"device '{device}': must be one of cpu, cuda, directml, coreml"):
            make(device=device)


def test_a_provider_that_does_not_start_is_an_error_and_no_silent_cpu(
    monkeypatch: pytest.MonkeyPatch, other_device: str, tmp_path: Path
) -> None:
    # CUDA's provider is listed by its package wherever that is installed. Here: one that is listed, and refuses its options.
    broken = Device("AzureExecutionProvider", needs="a driver", options=(("no_such_option", "1"),))
    monkeypatch.setitem(DEVICES, "other", broken)

    class Session(ort.InferenceSession):
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]  # so it is where CUDA's libraries are missing

    with monkeypatch.context() as patched:
        patched.setattr(ort, "InferenceSession", Session)
        with pytest.raises(ConfigError, match="cannot start it; it needs a driver"):
            load_tagger(device=other_device)
    file = tmp_path / "no.onnx"
    file.write_bytes(b"no network")
    with pytest.raises(ModelError, match="not a model that ONNX Runtime can load"):
        OnnxModel(file, device=other_device)


def test_a_model_on_another_device_gives_the_same_scores_and_survives_pickling(
    other_device: str, watched: type[Watched]
) -> None:
    model = OnnxModel(find_model(), device=other_device)
    copy = pickle.loads(pickle.dumps(load_tagger(device=other_device)))
    assert watched.opened == [["AzureExecutionProvider", "CPUExecutionProvider"]] * 3
    noise = np.random.default_rng(0).normal(0, 0.1, 20 * 16_000)
    scores = load_tagger().tag_waveform(noise, 16_000)
    np.testing.assert_allclose(copy.tag_waveform(noise, 16_000).scores, scores.scores, atol=1e-6)
    assert pickle.loads(pickle.dumps(model)).device == other_device


@pytest.mark.slow
@pytest.mark.parametrize("load", [load_tagger, load_embedder])
def test_on_a_gpu_batches_are_larger_and_one_thread_runs_them(
    tmp_path: Path, other_device: str, watched: type[Watched], load: Callable[..., Tagger | Embedder]
) -> None:
    songs = [sounds.write(tmp_path / f"{k}.flac", sounds.music(60, 16_000), 16_000) for k in range(4)]

    def largest(device: str, batch_windows: int | None = None) -> tuple[int, int]:
        """Windows of the largest batch, and how many threads ran batches."""
        user = load(device=device, batch_windows=batch_windows)
        watched.runs.clear()
        many = user.tag_many(songs, jobs=3) if isinstance(user, Tagger) else user.embed_many(songs, jobs=3)
        assert len(list(many)) == len(songs)
        return max(n for n, _, _ in watched.runs), len({thread for _, thread, _ in watched.runs})

    n_windows, n_threads = largest(other_device)
    assert n_threads == 1
    assert 8 <= n_windows <= GPU_BATCH_WINDOWS
    assert largest(other_device, batch_windows=2) == (2, 1)
    assert largest("cpu")[0] <= 4


@pytest.mark.slow
def test_threads_that_share_a_session_take_turns(other_device: str, watched: type[Watched]) -> None:
    for device, turns in ((other_device, True), ("cpu", False)):
        model = OnnxModel(find_model(), device=device)
        watched.runs.clear()
        windows = np.zeros((2, model.card.input.window_samples), np.float32)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(model, [windows] * 20))
        assert (max(n for _, _, n in watched.runs) == 1) is turns


def test_every_device_has_a_provider_of_its_own() -> None:
    providers = [device.provider for device in DEVICES.values()]
    assert len({*providers}) == len(providers)

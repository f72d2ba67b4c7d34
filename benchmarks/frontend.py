"""Where to compute the log-mel: milliseconds on one thread for 10 s of audio, and differences between the ways.

    OMP_NUM_THREADS=1 python benchmarks/frontend.py [--repeats N] [--batch N]

For each spectrogram, alone and in front of the ensemble paper's Model 1:

- matmul: earmark's front-end, a folded matrix product in the ONNX graph
- convolution: the same transform as one strided convolution in the graph
- stft: ONNX's STFT operator in the graph
- numpy: NumPy's FFT outside, the graph begins after the front-end
- torch: PyTorch's FFT, for reference
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from earmark.core.spectrum import LogMelConfig, hann_window, log_mel, mel_filterbank
from earmark.models import TaggingModel, create_model
from earmark.models.frontend import LogMel

SPECTROGRAMS = {
    "ensemble, 1024/787, 128 bands": {},
    "musicnn, 512/256, 96 bands": {"n_fft": 512, "hop_samples": 256, "n_mels": 96},
}
SECONDS = 10.0


class ConvolutionLogMel(LogMel):
    """The transform as a convolution whose kernels are windowed cosines and sines."""

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__(config)
        angle = 2 * np.pi * (np.outer(np.arange(config.n_bins), np.arange(config.n_fft)) % config.n_fft) / config.n_fft
        kernels = np.concatenate([np.cos(angle), np.sin(angle)]) * hann_window(config)
        self.register_buffer("kernels", torch.from_numpy(kernels.astype(np.float32)).unsqueeze(1))
        self.register_buffer("mel", torch.from_numpy(mel_filterbank(config).T.astype(np.float32)))

    def energy(self, waveform: Tensor) -> Tensor:
        half = self.config.n_fft // 2
        padded = nn.functional.pad(waveform.unsqueeze(1), (half, half), mode=self.config.pad_mode)
        spectrum = nn.functional.conv1d(padded, self.kernels, stride=self.config.hop_samples)
        real, imaginary = spectrum.split(self.config.n_bins, dim=1)
        return (real.square() + imaginary.square()).transpose(1, 2)


class StftLogMel(LogMel):
    """The transform as torch.stft, which exports as ONNX's STFT."""

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__(config)
        self.register_buffer("hann", torch.from_numpy(hann_window(config).astype(np.float32)))
        self.register_buffer("mel", torch.from_numpy(mel_filterbank(config).T.astype(np.float32)))

    def energy(self, waveform: Tensor) -> Tensor:
        half = self.config.n_fft // 2
        padded = nn.functional.pad(waveform.unsqueeze(1), (half, half), mode=self.config.pad_mode).squeeze(1)
        spectrum = torch.stft(
            padded, self.config.n_fft, self.config.hop_samples, window=self.hann, center=False, return_complex=True
        )
        return torch.view_as_real(spectrum).square().sum(dim=-1).transpose(1, 2)


class Network(nn.Module):
    """The layers after the front-end of a model."""

    def __init__(self, model: TaggingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> Tensor:
        return self.model.network(features)


def session(module: nn.Module, example: Tensor) -> tuple[Callable[[np.ndarray], np.ndarray], float, float]:
    """An ONNX Runtime session of a module: how to run it, MB of the graph, milliseconds to load it."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            (torch.cat([example, example]),),
            input_names=["x"],
            opset_version=18,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    graph = program.model_proto.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    start = time.perf_counter()
    runtime = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    load_ms = 1000 * (time.perf_counter() - start)
    return lambda x: runtime.run(None, {"x": x})[0], len(graph) / 1e6, load_ms


def milliseconds(function: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and smallest processor time of a call, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times), min(times)


def measure(title: str, changes: dict[str, object], repeats: int, batch: int) -> None:
    torch.manual_seed(0)
    model = create_model("ensemble_model1", 50, window_seconds=SECONDS, frontend=changes).eval()
    assert model.frontend is not None
    config = model.frontend.config
    rng = np.random.default_rng(0)
    time_s = np.arange(model.window_samples) / model.sample_rate_hz
    chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in (220.0, 277.2, 329.6)) * 0.2 * np.exp(-time_s % 1.0)
    audio = (chord + 0.02 * rng.standard_normal((batch, model.window_samples))).astype(np.float32)
    waveform = torch.from_numpy(audio)

    runs: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray], float, float]] = {}
    for name, kind in (("matmul", LogMel), ("convolution", ConvolutionLogMel), ("stft", StftLogMel)):
        alone, *_ = session(kind(config), waveform[:1])
        frontend, model.frontend = model.frontend, kind(config)
        whole, megabytes, load_ms = session(model, waveform[:1])
        model.frontend = frontend
        runs[name] = (alone, whole, megabytes, load_ms)
    behind, megabytes, load_ms = session(Network(model), model.features(waveform[:1]))
    runs["numpy"] = (lambda x: log_mel(x, config), lambda x: behind(log_mel(x, config)), megabytes, load_ms)

    reference_frontend = StftLogMel(config).eval()

    def torch_alone(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return reference_frontend(torch.from_numpy(x)).numpy()

    def torch_whole(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model.network(reference_frontend(torch.from_numpy(x))).numpy()

    runs["torch"] = (torch_alone, torch_whole, float("nan"), float("nan"))

    print(f"\n{title}; {SECONDS:g} s windows, batch {batch}; processor ms per window: median (smallest) of {repeats}")
    names = ("front-end", "with network", "max |diff| log-mel", "logits", "MB", "load ms")
    print(" " * 12, " ".join(f"{name:>{size}}" for name, size in zip(names, (16, 16, 19, 9, 6, 8), strict=True)))
    expected = log_mel(audio, config)
    with torch.inference_mode():
        expected_logits = model.network(torch.from_numpy(expected)).numpy()
    for name, (alone, whole, megabytes, load_ms) in runs.items():
        alone_ms, alone_min = milliseconds(lambda alone=alone: alone(audio), repeats)
        whole_ms, whole_min = milliseconds(lambda whole=whole: whole(audio), repeats)
        columns = (
            f"{alone_ms / batch:8.2f} ({alone_min / batch:5.2f})",
            f"{whole_ms / batch:8.2f} ({whole_min / batch:5.2f})",
            f"{np.abs(alone(audio) - expected).max():19.1e}",
            f"{np.abs(whole(audio) - expected_logits).max():9.1e}",
            f"{megabytes:6.2f}",
            f"{load_ms:8.1f}",
        )
        print(f"{name:12} {' '.join(columns)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--batch", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"onnxruntime {onnxruntime.__version__}, torch {torch.__version__}, numpy {np.__version__}, one thread")
    for title, changes in SPECTROGRAMS.items():
        measure(title, changes, arguments.repeats, arguments.batch)


if __name__ == "__main__":
    main()

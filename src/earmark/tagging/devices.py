"""Where ONNX Runtime runs a network: on CPUs, or on a GPU through an execution provider that is installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

from earmark.core.errors import ConfigError, how_to_exchange

if TYPE_CHECKING:
    import onnxruntime

CPU = "cpu"


class Device(NamedTuple):
    """An execution provider of ONNX Runtime.

    Attributes:
        provider: its name there.
        package: what has it.
        systems: for which it does.
        needs: what else has to be there.
        options: settings of the provider.
    """

    provider: str
    package: str = "onnxruntime"
    systems: str = "all systems"
    needs: str = ""
    options: tuple[tuple[str, str], ...] = ()


DEVICES = {
    CPU: Device("CPUExecutionProvider"),
    "cuda": Device(
        "CUDAExecutionProvider",
        "onnxruntime-gpu[cuda,cudnn]",
        "Linux and Windows",
        "an NVIDIA driver, and CUDA and cuDNN of its versions, which onnxruntime-gpu[cuda,cudnn] brings",
        # TF32, which rounds factors to 10 bits, is ONNX Runtime's default, and so is an exhaustive search for the fastest
        # convolution, which is made again for each size of batch.
        (("use_tf32", "0"), ("cudnn_conv_algo_search", "HEURISTIC")),
    ),
    "directml": Device("DmlExecutionProvider", "onnxruntime-directml", "Windows", "a GPU with DirectX 12"),
    "coreml": Device("CoreMLExecutionProvider", "onnxruntime", "macOS", "macOS 12", (("ModelFormat", "MLProgram"),)),
}
"""The values of ``device``."""

GPU_BATCH_WINDOWS = 32
"""Windows per run of the network on a GPU where nothing else is asked for: some five minutes of audio, 20 MB."""


def device_problems(device: str) -> list[str]:
    """Where a device is unknown: a line that says so.

    >>> device_problems("gpu")
    ["device 'gpu': must be one of cpu, cuda, directml, coreml"]
    """
    return [] if device in DEVICES else [f"device {device!r}: must be one of {', '.join(DEVICES)}"]


def check_device(device: str, available: Sequence[str] | None = None) -> None:
    """Raises ConfigError where a device is unknown, or ONNX Runtime has no provider for it.

    Args:
        device: one of :data:`DEVICES`.
        available: names of the providers that are installed; None to ask ONNX Runtime, which is loaded unless it is "cpu".
    """
    if problems := device_problems(device):
        raise ConfigError(problems)
    if device == CPU:
        return
    if available is None:
        import onnxruntime as ort

        available = ort.get_available_providers()
    wanted = DEVICES[device]
    if wanted.provider not in available:
        names = [name for name, one in DEVICES.items() if one.provider in available]
        raise ConfigError(
            f"device {device!r}: the ONNX Runtime that is installed has no {wanted.provider}, and runs on {', '.join(names)} "
            f"only. {_how_to_install(wanted)}"
        )


def open_session(
    network: str | bytes, device: str, options: onnxruntime.SessionOptions
) -> onnxruntime.InferenceSession:
    """A session that runs on a device, and on CPUs only what the device cannot.

    Args:
        network: path or content of an ONNX file.
        device: one of :data:`DEVICES`.
        options: of the session.

    Raises:
        ConfigError: the device is unknown, or cannot be used. ONNX Runtime by itself would run on CPUs then.
        Exception: what ONNX Runtime raises for a file that it cannot load.
    """
    import onnxruntime as ort

    check_device(device)
    wanted = DEVICES[device]
    if device == CPU:
        return ort.InferenceSession(network, options, providers=[wanted.provider])
    if device == "cuda" and hasattr(ort, "preload_dlls"):  # since 1.21
        with redirect_stdout(sys.stderr):  # it prints, and stdout is for results
            ort.preload_dlls()
    if device == "directml":
        options.enable_mem_pattern = False  # not supported there
    providers: list[Any] = [(wanted.provider, dict(wanted.options)), DEVICES[CPU].provider]
    unusable = f"device {device!r}: ONNX Runtime has {wanted.provider}, but cannot start it; it needs {wanted.needs}"
    try:
        session = ort.InferenceSession(network, options, providers=providers, enable_fallback=0)
    except Exception as error:
        ort.InferenceSession(network, options, providers=[DEVICES[CPU].provider])  # raises where the file is at fault
        raise ConfigError(f"{unusable} ({first_line(error)})") from error
    session.disable_fallback()
    if wanted.provider not in session.get_providers():
        raise ConfigError(unusable)
    return session


def first_line(error: Exception) -> str:
    """The first line of ONNX Runtime's message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _how_to_install(device: Device) -> str:
    if device.package == "onnxruntime":
        return f"{device.systems} only, where {device.package}, which earmark asks for, has it"
    return f"{device.systems} only: {how_to_exchange('onnxruntime', device.package)}"

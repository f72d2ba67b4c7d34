"""Properties of each architecture: input, window, weights, and multiplications per window and per second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from earmark.models.base import TaggingModel
from earmark.models.ensemble_combiner import EnsembleCombiner
from earmark.models.harmonic import HarmonicCNN
from earmark.models.registry import create_model, list_models

N_TAGS = 50
"""Default number of outputs of the models that are summarised: that of most papers."""


@dataclass(frozen=True)
class Paper:
    """Where an architecture was published.

    Attributes:
        short: for tables, e.g. "Kim 2018".
        authors: empty if our copy of the paper does not name them.
        title: of the paper.
        where: conference or journal and year; empty if our copy does not say.
    """

    short: str
    authors: str
    title: str
    where: str

    @property
    def reference(self) -> str:
        """Authors, title and place in one line."""
        return ". ".join(part for part in (self.authors, self.title, self.where) if part)


_DIELEMAN = Paper("Dieleman 2014", "Dieleman, Schrauwen", "End-to-end learning for music audio", "ICASSP 2014")
_BRISTOL = Paper(
    "Bristol", "Banthia, Long, Saraff", "Digging deeper into automatic music tagging", "University of Bristol"
)
_KIM = Paper(
    "Kim 2018",
    "Kim, Lee, Nam",
    "Sample-level CNN architectures for music auto-tagging using raw waveforms",
    "ICASSP 2018",
)
_PONS = Paper(
    "Pons 2017",
    "Pons, Nieto, Prockup, Schmidt, Ehmann, Serra",
    "End-to-end learning for music audio tagging at scale",
    "ML4Audio workshop at NIPS 2017",
)
_ENSEMBLE = Paper(
    "Ensemble",
    "",
    "An efficient ensemble of three light CNNs for on-device auto-tagging",
    "Our copy has no title page: authors and year are not known",
)
_MUSICNN = Paper(
    "Pons 2019",
    "Pons, Serra",
    "musicnn: pre-trained convolutional neural networks for music audio tagging",
    "ISMIR 2019, late-breaking demo",
)
_CHOI_2016 = Paper(
    "Choi 2016",
    "Choi, Fazekas, Sandler",
    "Automatic tagging using deep convolutional neural networks",
    "ISMIR 2016",
)
_CHOI_2017 = Paper(
    "Choi 2017",
    "Choi, Fazekas, Sandler, Cho",
    "Convolutional recurrent neural networks for music classification",
    "ICASSP 2017",
)
_WON_SMC = Paper(
    "Won 2020b",
    "Won, Ferraro, Bogdanov, Serra",
    "Evaluation of CNN-based automatic music tagging models",
    "SMC 2020",
)
_TIMBRE = Paper(
    "Pons 2017b",
    "Pons, Slizovskaia, Gong, Gomez, Serra",
    "Timbre analysis of music audio signals with convolutional neural networks",
    "EUSIPCO 2017",
)
_LEE_NAM = Paper(
    "Lee 2017",
    "Lee, Nam",
    "Multi-level and multi-scale feature aggregation using pre-trained convolutional neural networks for music "
    "auto-tagging",
    "IEEE Signal Processing Letters 24, 2017",
)
_SCHMID = Paper(
    "Schmid 2023",
    "Schmid, Koutini, Widmer",
    "Efficient large-scale audio tagging via transformer-to-CNN knowledge distillation",
    "ICASSP 2023",
)
_WON_ICASSP = Paper(
    "Won 2020a",
    "Won, Chun, Nieto, Serra",
    "Data-driven harmonic filters for audio representation learning",
    "ICASSP 2020",
)

_OURS = Paper("earmark", "", "Small networks for a default model", "This project, without a paper")

PAPERS: dict[str, Paper] = {
    "bristol_raw": _BRISTOL,
    "compact_1d": _OURS,
    "compact_2d": _OURS,
    "crnn": _CHOI_2017,
    "dieleman2014_raw": _DIELEMAN,
    "dieleman2014_spectrogram": _DIELEMAN,
    "efficientat_mn": _SCHMID,
    "ensemble_combiner": _ENSEMBLE,
    "ensemble_model1": _ENSEMBLE,
    "ensemble_model2": _ENSEMBLE,
    "ensemble_model3": _ENSEMBLE,
    "fcn4": _CHOI_2016,
    "harmonic_cnn": _WON_ICASSP,
    "multi_level_multi_scale": _LEE_NAM,
    "musicnn": _MUSICNN,
    "musicnn_vgg": _MUSICNN,
    "pons2017_spectrogram": _PONS,
    "pons2017_waveform": _PONS,
    "samplecnn_basic": _KIM,
    "samplecnn_res1": _KIM,
    "samplecnn_res2": _KIM,
    "samplecnn_rese1": _KIM,
    "samplecnn_rese2": _KIM,
    "samplecnn_se": _KIM,
    "short_chunk_cnn": _WON_SMC,
    "timbre_cnn": _TIMBRE,
}
"""Architecture -> its paper. The files of :mod:`earmark.models` say more."""


@dataclass(frozen=True)
class ArchitectureSummary:
    """Properties of one architecture.

    Attributes:
        name: registered name.
        paper: None if it is not in :data:`PAPERS`.
        input: "waveform", or the spectrogram as bands x frames of one window.
        sample_rate_hz: of the waveform.
        window_samples: length of the window that it is built for.
        min_samples: shortest waveform; window_samples if it takes no other length.
        variable_length: takes other lengths than window_samples.
        n_tags: outputs.
        weights_trained: number of trained values.
        weights_total: number of all stored values, including frozen weights and running statistics.
        macs_window: multiplications, each with its addition, for one window, see :func:`count_macs`.
    """

    name: str
    paper: Paper | None
    input: str
    sample_rate_hz: int
    window_samples: int
    min_samples: int
    variable_length: bool
    n_tags: int
    weights_trained: int
    weights_total: int
    macs_window: int

    @property
    def window_seconds(self) -> float:
        """Length of one window in seconds."""
        return self.window_samples / self.sample_rate_hz

    @property
    def macs_second(self) -> float:
        """Multiplications per second of audio with adjacent windows."""
        return self.macs_window / self.window_seconds

    def to_dict(self) -> dict[str, Any]:
        """All values as JSON types, including derived ones; the paper as one line, or None."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["paper"] = self.paper.reference if self.paper else None
        return {**values, "window_seconds": self.window_seconds, "macs_second": self.macs_second}


def count_macs(model: TaggingModel, n_samples: int | None = None) -> int:
    """Multiplications (each with its addition) of convolutions and matrix products for one waveform.

    PyTorch's own counter sees them in a run over silence: dense layers, GRUs, attention, and the front-end, whose
    Fourier transform and mel bands are matrix products here. Products with the zeros that pad a convolution count.
    Cheap operations are not counted: normalisations, activations, poolings, windows of frames, logarithms.

    Args:
        model: on any device; its mode is put back, and running statistics stay as they are.
        n_samples: length of the waveform; None for window_samples.

    Raises:
        ConfigError: the model does not take that length.
    """
    was_training = model.training
    device = next(model.parameters()).device
    waveform = torch.zeros(1, model.window_samples if n_samples is None else n_samples, device=device)
    model.eval()
    try:
        # Not inference mode: there, composite operators such as the GRU reach the counter whole, and count as nothing.
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(waveform)
    finally:
        model.train(was_training)
    return int(counter.get_total_flops()) // 2  # it counts multiplication and addition


def count_weights(model: TaggingModel) -> tuple[int, int]:
    """Numbers of trained values, and of all values in a checkpoint except PyTorch's step counters."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    stored = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    return trained, sum(value.numel() for value in stored.values())


def describe_input(model: TaggingModel) -> str:
    """The input of the layers after the front-end, for one window.

    Example:
        >>> describe_input(create_model("musicnn", 50))
        'log-mel 96 x 187'
    """
    if isinstance(model, EnsembleCombiner):
        members = [describe_input(member) for member in model.members if isinstance(member, TaggingModel)]
        return " and ".join(sorted(set(members)))
    if isinstance(model, HarmonicCNN):
        spectrum = model.spectrum
        n_frames = spectrum.framing.config.n_frames(model.window_samples)
        return f"harmonics {spectrum.n_harmonics} x {spectrum.n_bands} x {n_frames}"
    if model.frontend is None:
        return "waveform"
    config = model.frontend.config
    return f"log-mel {config.n_mels} x {config.n_frames(model.window_samples)}"


def summarise(name: str, n_tags: int = N_TAGS, **options: Any) -> ArchitectureSummary:
    """The properties of one architecture, built with :func:`earmark.models.create_model`.

    Raises:
        ConfigError: unknown name or options, or a value that the model refuses.
    """
    model = create_model(name, n_tags, **options)
    trained, total = count_weights(model)
    return ArchitectureSummary(
        name=name,
        paper=PAPERS.get(name),
        input=describe_input(model),
        sample_rate_hz=model.sample_rate_hz,
        window_samples=model.window_samples,
        min_samples=model.min_samples,
        variable_length=model.variable_length,
        n_tags=n_tags,
        weights_trained=trained,
        weights_total=total,
        macs_window=count_macs(model),
    )


def summarise_all(n_tags: int = N_TAGS) -> list[ArchitectureSummary]:
    """All registered architectures with their default options, by name. Takes seconds: each runs once."""
    return [summarise(name, n_tags) for name in list_models()]

"""The six networks of Kim, Lee & Nam 2018: SampleCNN with each kind of block, with and without multi-level features.

Source: T. Kim, J. Lee, J. Nam, "Sample-level CNN architectures for music auto-tagging using raw waveforms", ICASSP
2018 (2, Figure 1, Table 1). For the layers, their shapes and what was decided where the paper is silent see samplecnn.py.

The counts of the authors' code include everything that it stores: weights, biases, and the running mean and variance of
batch normalisation, two more numbers per channel. Here that is every entry of ``state_dict()`` but
``num_batches_tracked``, PyTorch's own counter; with 50 tags and ``multi``: basic 2,690,354, SE 24,749,618, Res-2
4,933,938, ReSE-2 26,993,202. :attr:`earmark.models.TaggingModel.n_parameters` leaves the running statistics out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

from earmark.models.base import TaggingModel
from earmark.models.registry import register_model
from earmark.models.samplecnn import PAPER_RATE_HZ, PAPER_SAMPLES, BlockKind, LayerNormalisation, SampleCNN


def _samplecnn(
    n_convolutions: Literal[1, 2],
    residual: bool,
    n_tags: int,
    *,
    multi: bool = True,
    alpha: float | None = None,
    normalisation: LayerNormalisation = "batch",
    dropout: float = 0.5,
    block_dropout: float = 0.0,
    n_samples: int = PAPER_SAMPLES,
    n_blocks: int | None = None,
    sample_rate_hz: int = PAPER_RATE_HZ,
    width: float = 1.0,
) -> TaggingModel:
    return SampleCNN(
        n_tags,
        BlockKind(n_convolutions, residual, alpha, normalisation, block_dropout),
        multi=multi,
        dropout=dropout,
        n_samples=n_samples,
        n_blocks=n_blocks,
        sample_rate_hz=sample_rate_hz,
        width=width,
    )


def _variant(
    name: str, n_convolutions: Literal[1, 2], *, residual: bool, doc: str, **own: float
) -> Callable[..., TaggingModel]:
    """Register a network. Its options are those of ``_samplecnn``; alpha and block_dropout only where ``own`` has them."""
    parameters = []
    for parameter in list(inspect.signature(_samplecnn).parameters.values())[2:]:
        if parameter.name in own:
            parameters.append(parameter.replace(default=own[parameter.name], annotation="float"))
        elif parameter.name not in ("alpha", "block_dropout"):
            parameters.append(parameter)
    signature = inspect.Signature(parameters, return_annotation="TaggingModel")

    def build(*args: Any, **options: Any) -> TaggingModel:
        given = signature.bind(*args, **options)
        given.apply_defaults()
        return _samplecnn(n_convolutions, residual, *given.args, **given.kwargs)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = doc
    build.__signature__ = signature  # type: ignore[attr-defined]
    return register_model(build)


samplecnn_basic = _variant(
    "samplecnn_basic",
    1,
    residual=False,
    doc="""SampleCNN: blocks of convolution, normalisation, ReLU and pooling (Figure 1b).

    Args:
        n_tags: number of outputs.
        multi: the dense layers get the last three blocks' maxima over time (2.2), not only the last block's.
        normalisation: "batch" or "group" (8 groups).
        dropout: share dropped before the last layer in training; the paper has 0.5 on MTAT and none on MSD.
        n_samples: length of a window, a power of three from 3^5 = 243 on; 3^k samples have k - 1 blocks.
        n_blocks: number of blocks, which allows any n_samples from 3^(n_blocks + 1) on; poolings drop the rest, and the
            maxima are taken over the frames that are left. None: as 3^k implies.
        sample_rate_hz: rate of the waveform.
        width: multiplies the channels of all layers.

    Raises:
        ConfigError: values out of range.
    """,
)
samplecnn_se = _variant(
    "samplecnn_se",
    1,
    residual=False,
    alpha=16,
    doc="""Basic blocks, with channels then scaled by squeeze-and-excitation (2.1.1, Figure 1c).

    The options are those of :func:`samplecnn_basic` and alpha, the hidden units of the excitation per channel.
    """,
)
samplecnn_res1 = _variant(
    "samplecnn_res1",
    1,
    residual=True,
    doc="Blocks of one convolution with a skip (2.1.2, Figure 1d). Options are those of :func:`samplecnn_basic`.",
)
samplecnn_res2 = _variant(
    "samplecnn_res2",
    2,
    residual=True,
    block_dropout=0.2,
    doc="""Blocks of two convolutions with a skip (2.1.2, Figure 1d).

    The options are those of :func:`samplecnn_basic` and block_dropout, the share dropped between the convolutions of a
    block in training.
    """,
)
_RESE = "squeeze-and-excitation and a skip (2.1.3, Figure 1e). Options are those of"
samplecnn_rese1 = _variant(
    "samplecnn_rese1", 1, residual=True, alpha=16, doc=f"Blocks of one convolution, {_RESE} :func:`samplecnn_se`."
)
samplecnn_rese2 = _variant(
    "samplecnn_rese2",
    2,
    residual=True,
    alpha=16,
    block_dropout=0.2,
    doc=f"Blocks of two convolutions, {_RESE} :func:`samplecnn_se` and :func:`samplecnn_res2`.",
)

"""The six networks of Kim, Lee & Nam 2018: SampleCNN with each kind of block, with and without multi-level features.

Source: T. Kim, J. Lee, J. Nam, "Sample-level CNN architectures for music auto-tagging using raw waveforms", ICASSP
2018 (2, Figure 1, Table 1). The layers, their shapes and what was decided where the paper is silent: samplecnn.py.

The counts of the authors' code hold all that it stores: weights, biases, and the running mean and variance of batch
normalisation, two more numbers a channel. Here that is every entry of ``state_dict()`` but ``num_batches_tracked``,
PyTorch's own counter; with 50 tags and ``multi``: basic 2,690,354, SE 24,749,618, Res-2 4,933,938, ReSE-2 26,993,202.
:attr:`earmark.models.TaggingModel.n_parameters` leaves the running statistics out.
"""

from __future__ import annotations

from earmark.models.base import TaggingModel
from earmark.models.registry import register_model
from earmark.models.samplecnn import PAPER_RATE_HZ, PAPER_SAMPLES, BlockKind, LayerNormalisation, SampleCNN


@register_model
def samplecnn_basic(
    n_tags: int,
    *,
    multi: bool = True,
    normalisation: LayerNormalisation = "batch",
    dropout: float = 0.5,
    n_samples: int = PAPER_SAMPLES,
    n_blocks: int | None = None,
    sample_rate_hz: int = PAPER_RATE_HZ,
    width: float = 1.0,
) -> TaggingModel:
    """SampleCNN: blocks of convolution, normalisation, ReLU and pooling (Figure 1b). The other five take these options.

    Args:
        n_tags: outputs.
        multi: the dense layers get the last three blocks' maxima over time (2.2), not the last block's alone.
        normalisation: "batch" or "group" (8 groups).
        dropout: share dropped in front of the last layer in training; the paper has 0.5 on MTAT and none on MSD.
        n_samples: length of a window, a power of three from 3^5 = 243 on; 3^k samples have k - 1 blocks.
        n_blocks: number of blocks, which frees n_samples to be any number from 3^(n_blocks + 1) on; poolings drop
            what is over, and the maxima are taken over the frames that are left. None: as 3^k implies.
        sample_rate_hz: rate of the waveform.
        width: multiplies the channels of all layers.

    Raises:
        ConfigError: values out of range.
    """
    return SampleCNN(
        n_tags,
        BlockKind(1, residual=False, alpha=None, normalisation=normalisation),
        multi=multi,
        dropout=dropout,
        n_samples=n_samples,
        n_blocks=n_blocks,
        sample_rate_hz=sample_rate_hz,
        width=width,
    )


@register_model
def samplecnn_se(
    n_tags: int,
    *,
    multi: bool = True,
    alpha: float = 16,
    normalisation: LayerNormalisation = "batch",
    dropout: float = 0.5,
    n_samples: int = PAPER_SAMPLES,
    n_blocks: int | None = None,
    sample_rate_hz: int = PAPER_RATE_HZ,
    width: float = 1.0,
) -> TaggingModel:
    """Basic blocks whose channels are then scaled by squeeze-and-excitation (2.1.1, Figure 1c).

    Options are those of :func:`samplecnn_basic`, and

    Args:
        alpha: hidden units of the excitation over channels.
    """
    return SampleCNN(
        n_tags,
        BlockKind(1, residual=False, alpha=alpha, normalisation=normalisation),
        multi=multi,
        dropout=dropout,
        n_samples=n_samples,
        n_blocks=n_blocks,
        sample_rate_hz=sample_rate_hz,
        width=width,
    )


@register_model
def samplecnn_res1(
    n_tags: int,
    *,
    multi: bool = True,
    normalisation: LayerNormalisation = "batch",
    dropout: float = 0.5,
    n_samples: int = PAPER_SAMPLES,
    n_blocks: int | None = None,
    sample_rate_hz: int = PAPER_RATE_HZ,
    width: float = 1.0,
) -> TaggingModel:
    """Blocks of one convolution with a skip (2.1.2, Figure 1d). Options are those of :func:`samplecnn_basic`."""
    return SampleCNN(
        n_tags,
        BlockKind(1, residual=True, alpha=None, normalisation=normalisation),
        multi=multi,
        dropout=dropout,
        n_samples=n_samples,
        n_blocks=n_blocks,
        sample_rate_hz=sample_rate_hz,
        width=width,
    )


@register_model
def samplecnn_res2(
    n_tags: int,
    *,
    multi: bool = True,
    normalisation: LayerNormalisation = "batch",
    dropout: float = 0.5,
    block_dropout: float = 0.2,
    n_samples: int = PAPER_SAMPLES,
    n_blocks: int | None = None,
    sample_rate_hz: int = PAPER_RATE_HZ,
    width: float = 1.0,
) -> TaggingModel:
    """Blocks of two convolutions with a skip (2.1.2, Figure 1d).

    Options are those of :func:`samplecnn_basic`, and

    Args:
        block_dropout: share dropped between a block's convolutions in training.
    """
    return SampleCNN(
        n_tags,
        BlockKind(2, residual=True, alpha=None, normalisation=normalisation, dropout=block_dropout),
        multi=multi,
        dropout=dropout,
        n_samples=n_samples,
        n_blocks=n_blocks,
        sample_rate_hz=sample_rate_hz,
        width=width,
    )


@register_model
def samplecnn_rese1(
    n_tags: int,
    *,
    multi: bool = True,
    alpha: float = 16,
    normalisation: LayerNormalisation = "batch",
    dropout: float = 0.5,
    n_samples: int = PAPER_SAMPLES,
    n_blocks: int | None = None,
    sample_rate_hz: int = PAPER_RATE_HZ,
    width: float = 1.0,
) -> TaggingModel:
    """Blocks of one convolution, squeeze-and-excitation and a skip (2.1.3, Figure 1e).

    Options are those of :func:`samplecnn_basic`, and

    Args:
        alpha: hidden units of the excitation over channels.
    """
    return SampleCNN(
        n_tags,
        BlockKind(1, residual=True, alpha=alpha, normalisation=normalisation),
        multi=multi,
        dropout=dropout,
        n_samples=n_samples,
        n_blocks=n_blocks,
        sample_rate_hz=sample_rate_hz,
        width=width,
    )


@register_model
def samplecnn_rese2(
    n_tags: int,
    *,
    multi: bool = True,
    alpha: float = 16,
    normalisation: LayerNormalisation = "batch",
    dropout: float = 0.5,
    block_dropout: float = 0.2,
    n_samples: int = PAPER_SAMPLES,
    n_blocks: int | None = None,
    sample_rate_hz: int = PAPER_RATE_HZ,
    width: float = 1.0,
) -> TaggingModel:
    """Blocks of two convolutions, squeeze-and-excitation and a skip (2.1.3, Figure 1e).

    Options are those of :func:`samplecnn_basic`, and

    Args:
        alpha: hidden units of the excitation over channels.
        block_dropout: share dropped between a block's convolutions in training.
    """
    return SampleCNN(
        n_tags,
        BlockKind(2, residual=True, alpha=alpha, normalisation=normalisation, dropout=block_dropout),
        multi=multi,
        dropout=dropout,
        n_samples=n_samples,
        n_blocks=n_blocks,
        sample_rate_hz=sample_rate_hz,
        width=width,
    )

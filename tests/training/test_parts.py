"""What a run is made of: packed audio, windows, mixup, masks, loss, schedule, selection."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from earmark.core.errors import DataError
from earmark.core.input_spec import Conditioning, InputSpec
from earmark.core.vocabulary import Tag, Vocabulary
from earmark.datasets import Clip
from earmark.training.audio_store import AudioStore, PackedAudio
from earmark.training.config import AugmentationSection, LossSection, OptimiserSection, TrainingSection
from earmark.training.data import TrainingWindows, ValidationClips
from earmark.training.loss import TagLoss, logit_spreads
from earmark.training.module import SpectrumMask
from earmark.training.schedule import learning_rate_share
from earmark.training.selection import Validator

BOTH = Vocabulary((Tag("a"), Tag("b"), Tag("r", "regression")))


@pytest.mark.parametrize("peak", [1.0, 1.7, 1e-4, 0.0])
def test_packed_audio_is_true_to_96_db(peak: float) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    samples *= peak / np.abs(samples).max()
    packed = PackedAudio.pack(samples)
    assert packed.values.dtype == np.int16
    assert np.abs(packed.read() - samples).max() <= peak / 32767 * 0.51
    assert np.array_equal(packed.read(4990, 20), np.pad(packed.read()[4990:], (0, 10)))


def wav(path: Path, samples: np.ndarray, rate: int = 8000) -> Path:
    import soundfile

    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def test_the_store_decodes_once_by_content(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    paths = [wav(tmp_path / f"{i}.wav", rng.uniform(-1, 1, 8000)) for i in range(3)]
    in_memory = AudioStore(8000).load(paths, jobs=2)
    reported: list[tuple[int, int]] = []
    store = AudioStore(8000, tmp_path / "kept")
    first = store.load(paths, on_done=lambda done, total: reported.append((done, total)))
    kept = sorted((tmp_path / "kept").iterdir())
    assert reported == [(1, 3), (2, 3), (3, 3)]
    assert len(kept) == 3
    stamps = [path.stat().st_mtime_ns for path in kept]
    moved = paths[0].rename(tmp_path / "moved.wav")
    again = store.load([moved, *paths[1:]])
    for a, b, c in zip(in_memory, first, again, strict=True):
        assert np.array_equal(a.read(), b.read())
        assert np.array_equal(a.read(), c.read())
    assert stamps == [path.stat().st_mtime_ns for path in kept]
    wav(moved, rng.uniform(-1, 1, 8000))
    assert not np.array_equal(store.load([moved])[0].read(), again[0].read())
    for path in kept:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="delete it, it will be made again"):
        store.load([moved, *paths[1:]])


def test_files_that_cannot_be_read_are_all_named(tmp_path: Path) -> None:
    good = wav(tmp_path / "good.wav", np.zeros(100) + 0.1)
    (tmp_path / "bad.wav").write_text("no audio")
    for folder in (None, tmp_path / "kept"):
        with pytest.raises(DataError) as caught:
            AudioStore(8000, folder).load([good, tmp_path / "bad.wav", tmp_path / "none.wav"])
        assert "2 of 3 files cannot be read" in str(caught.value)
        assert "bad.wav" in str(caught.value)
        assert "none.wav" in str(caught.value)


def windows_of(lengths: list[int], *, per_clip: int = 2, **augmentation: float) -> TrainingWindows:
    """Clip i holds the samples i + k / 100000, so that a window tells where it was cut."""
    waves = [PackedAudio((np.arange(n) % 1000 + 1000 * i).astype(np.int16), 1.0) for i, n in enumerate(lengths)]
    clips = [
        Clip(str(i), Path(), "train", np.array([i == 0, i == 1, math.nan], np.float32)) for i in range(len(lengths))
    ]
    return TrainingWindows(
        clips,
        waves,
        spec=InputSpec(1000, 50, 50),
        training=TrainingSection(epochs=1, batch_size=4, windows_per_clip=per_clip, seed=3),
        augmentation=AugmentationSection(**augmentation),  # type: ignore[arg-type]
    )


def test_an_epoch_has_every_clip_and_repeats_with_its_number() -> None:
    windows = windows_of([500, 50, 500, 500, 500], per_clip=3)
    assert len(windows) == 4
    batches = [windows[7, i] for i in range(4)]
    assert [len(x) for x, _ in batches] == [4, 4, 4, 3], "none dropped, none tiny"
    starts = torch.cat([x[:, 0] for x, _ in batches])
    owners = (starts // 1000).int().tolist()
    assert sorted(owners) == sorted(list(range(5)) * 3)
    for waveform, labels in batches:
        assert waveform.dtype == labels.dtype == torch.float32
        assert torch.equal(waveform - waveform[:, :1], torch.arange(50.0).expand(len(waveform), 50))
        assert torch.equal(labels[:, 0] == 1, waveform[:, 0] < 1000)
    assert all(torch.equal(windows[7, i][0], batches[i][0]) for i in range(4))
    assert not torch.equal(torch.cat([windows[8, i][0] for i in range(4)]), torch.cat([x for x, _ in batches]))


def test_a_clip_shorter_than_the_window_is_filled_up_as_in_tagging() -> None:
    windows = windows_of([30], per_clip=1)
    waveform = windows[0, 0][0]
    clip = ValidationClips(windows.waveforms, InputSpec(8000, 50, 50))[0][0]
    assert torch.equal(waveform, clip)
    assert torch.equal(waveform[0, 30:], torch.zeros(20))


def test_gain_scales_whole_windows_within_its_range() -> None:
    plain, loud = windows_of([500] * 8), windows_of([500] * 8, gain_db=6.0)
    assert plain.n_batches == loud.n_batches
    ratios = torch.cat([(loud[0, i][0] / plain[0, i][0]).nan_to_num(nan=1.0) for i in range(4)])
    assert ratios.std(dim=1).max() < 1e-3
    gains_db = 20 * torch.log10(ratios[:, 5])
    assert gains_db.abs().max() <= 6.001
    assert gains_db.std() > 1


def test_mixup_mixes_sound_and_labels_alike() -> None:
    plain, mixed = windows_of([500] * 6), windows_of([500] * 6, mixup_alpha=0.5)
    rng = np.random.default_rng(0)
    plain.waveforms = mixed.waveforms = [
        PackedAudio.pack(rng.standard_normal(500).astype(np.float32)) for _ in range(6)
    ]
    (x, y), (mixed_x, mixed_y) = plain[0, 0], mixed[0, 0]
    assert torch.isnan(mixed_y[:, 2]).all(), "not labelled stays not labelled"
    n_mixed = 0
    for i in range(len(x)):
        fits = [(float((mixed_x[i] - x[i]).abs().max()), 0.0, i)]
        for j in set(range(len(x))) - {i}:  # the share that explains the sound must explain the labels
            other = x[j] - x[i]
            share = float((mixed_x[i] - x[i]) @ other / (other @ other))
            fits.append((float((x[i] + share * other - mixed_x[i]).abs().max()), share, j))
        error, share, j = min(fits)
        assert error < 1e-5
        assert -1e-6 <= share <= 1 + 1e-6
        assert torch.allclose(mixed_y[i, :2], (1 - share) * y[i, :2] + share * y[j, :2], atol=1e-4)
        n_mixed += share > 0.01
    assert n_mixed > 0


def test_the_loss_is_that_of_the_labelled_entries_of_each_kind() -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 3, requires_grad=True)
    labels = torch.rand(6, 3).round(decimals=1)
    labels[:, :2] = labels[:, :2].round()
    labels[0, 0] = labels[1, 2] = math.nan
    loss = TagLoss(BOTH, LossSection(regression="mse", regression_weight=3.0))
    keep = [(i, j) for i in range(6) for j in range(2) if (i, j) != (0, 0)]
    rows, columns = map(list, zip(*keep, strict=True))
    expected = F.binary_cross_entropy_with_logits(logits[rows, columns], labels[rows, columns])
    others = [0, 2, 3, 4, 5]
    expected = expected + 3 * F.mse_loss(logits[others, 2].sigmoid(), labels[others, 2])
    value = loss(logits, labels)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    value.backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] == 0
    assert logits.grad[1, 2] == 0
    assert torch.isfinite(logits.grad).all()

    jointly = TagLoss(BOTH, LossSection(classification="mse", regression_weight="by_tags"))
    known = ~labels.isnan()
    assert jointly(logits, labels).item() == pytest.approx(F.mse_loss(logits.sigmoid()[known], labels[known]).item())
    full = labels.nan_to_num(1.0)
    complete = TagLoss(BOTH, LossSection(classification="mse", regression_weight="by_tags"), complete=True)
    assert complete(logits, full).item() == pytest.approx(F.mse_loss(logits.sigmoid(), full).item())
    assert jointly(logits, torch.full((6, 3), math.nan)).item() == 0

    soft = TagLoss(BOTH, LossSection(regression="bce"))
    binary = F.binary_cross_entropy_with_logits(logits[rows, columns], labels[rows, columns])
    graded = F.binary_cross_entropy_with_logits(logits[others, 2], labels[others, 2])
    assert soft(logits, labels).item() == pytest.approx((binary + graded).item(), rel=1e-6)
    nothing = soft(logits, torch.full((6, 3), math.nan))
    nothing.backward()
    assert nothing.item() == 0


def test_learning_logits_counts_small_degrees_as_keenly_as_large_ones() -> None:
    p = torch.tensor([[0.2, 0.5, 0.9], [0.1, 0.5, 0.001], [0.0, 0.5, 0.02]])
    labels = torch.cat([p, torch.full((1, 3), math.nan)])
    spreads = logit_spreads(labels.numpy())
    z = torch.logit(p.clamp(1e-5, 1 - 1e-5))
    assert spreads[2] == pytest.approx(z[:, 2].std(correction=0).item(), rel=1e-5)
    assert 0 < spreads[1] < 0.1  # all alike: no division by zero
    loss = TagLoss(BOTH, LossSection(regression="logits"), spreads=spreads)
    logits = torch.zeros(4, 3)
    logits[:3, 2] = z[:, 2] + 0.5 * spreads[2]
    binary = F.binary_cross_entropy_with_logits(logits[:3, :2], p[:, :2])
    assert loss(logits, labels).item() == pytest.approx(binary.item() + 0.25, rel=1e-5)
    both = TagLoss(BOTH, LossSection(regression="logits", cross_entropy=3.0), spreads=spreads)
    added = 3 * F.binary_cross_entropy_with_logits(logits[:3, 2], p[:, 2])
    assert both(logits, labels).item() == pytest.approx(binary.item() + 0.25 + added.item(), rel=1e-5)


def test_masks_hide_runs_in_training_only() -> None:
    spectrum = torch.arange(1.0, 1 + 20 * 40 * 64).reshape(20, 40, 64)
    layer = nn.Identity()
    layer.register_forward_hook(SpectrumMask(AugmentationSection(mask_bands=10, mask_frames=20, masks=1)))
    layer.eval()
    assert torch.equal(layer(spectrum), spectrum)
    layer.train()
    torch.manual_seed(0)
    masked = layer(spectrum)
    hidden = masked != spectrum
    assert torch.equal(masked[hidden], spectrum.mean(dim=(1, 2), keepdim=True).expand_as(spectrum)[hidden])
    bands, frames = hidden.all(dim=2), hidden.all(dim=1)
    for axis, longest in ((bands, 10), (frames, 20)):
        counts = axis.sum(dim=1)
        assert counts.max() <= longest
        assert counts.float().mean() > longest / 4
        assert ((axis[:, 1:] != axis[:, :-1]).sum(dim=1) <= 2).all(), "one run each"
    assert torch.equal(hidden, bands.unsqueeze(2) | frames.unsqueeze(1))


def test_the_learning_rate_ramps_and_falls() -> None:
    cosine = OptimiserSection(schedule="cosine")
    shares = [learning_rate_share(step, 110, 10, cosine) for step in range(111)]
    assert shares[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert shares[10] == 1
    assert shares[60] == pytest.approx(0.5)
    assert shares[110] == pytest.approx(0)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert learning_rate_share(99, 100, 0, OptimiserSection()) == 1


def test_selection_is_skill() -> None:
    labels = np.array([[0, 1, 0.1], [1, 0, 0.5], [1, 1, 0.9], [0, 0, 0.5]], np.float32)
    train = np.array([[0, 0, 0.4], [0, 0, 0.6]], np.float32)
    validator = Validator(BOTH, labels, train)
    assert validator(labels).selection == pytest.approx(1)
    constant = np.broadcast_to([0.3, 0.3, 0.5], labels.shape)
    assert validator(constant).selection == pytest.approx(0)
    half = labels.copy()
    half[:, 2] = 0.5
    assert validator(half).selection == pytest.approx(0.5)
    found = validator(labels)
    assert found.card_thresholds(BOTH) == {"a": 0.5, "b": 0.5}
    rows = {(m.name, m.tag): m.value for m in found.card_metrics(BOTH, "d", "p", 4)}
    assert rows[("roc_auc", None)] == 1
    assert rows[("rmse", "r")] == 0
    assert ("rmse", "a") not in rows


def test_undefined_tags_do_not_select() -> None:
    labels = np.array([[0, 1, math.nan], [1, 1, math.nan]], np.float32)
    validator = Validator(BOTH, labels, labels)
    found = validator(np.array([[0.2, 0.1, 0.5], [0.7, 0.9, 0.5]], np.float32))
    assert found.selection == 1
    rows = {(m.name, m.tag): m.value for m in found.card_metrics(BOTH, "d", "p", 2)}
    assert rows[("roc_auc", "b")] is None
    assert rows[("rmse", None)] is None
    with pytest.raises(DataError, match="cannot tell good from bad"):
        Validator(BOTH, np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))


def test_conditioned_models_learn_and_validate_as_they_tag() -> None:
    """Short clips are repeated, and windows count by what is not silent."""
    spec = InputSpec(8000, 8000, 8000, conditioning=Conditioning())
    noise = (0.1 * np.random.default_rng(0).standard_normal(12_000)).astype(np.float32)
    half = np.concatenate([noise, np.zeros(8000, np.float32), noise[:500]])
    waveforms = [PackedAudio.pack(noise[:3000]), PackedAudio.pack(half)]
    windows, weights, index = ValidationClips(waveforms, spec)[1]
    assert (tuple(windows.shape), index) == ((2, 8000), 1)
    assert weights is not None
    assert weights.tolist() == pytest.approx([1.0, 0.5625])  # what is left over is moved back
    clips = [Clip(str(i), Path(f"{i}.wav"), "train", np.array([1.0])) for i in range(2)]
    training = TrainingSection(epochs=1, batch_size=2, windows_per_clip=1)
    batch, _ = TrainingWindows(clips, waveforms, spec=spec, training=training, augmentation=AugmentationSection())[0, 0]
    (short,) = [window for window in batch.numpy() if np.array_equal(window[:3000], window[3000:6000])]
    np.testing.assert_allclose(short, np.resize(noise[:3000], 8000), atol=1e-5)

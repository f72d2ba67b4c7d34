"""What a recipe may say about changes to training windows."""

from __future__ import annotations

from pydantic import Field

from earmark.training.config_schema import Section


class AugmentationSection(Section):
    """Changes to training windows; all off by default.

    Attributes:
        gain_db: each window is made louder or softer by up to this.
        mixup_alpha: each window is mixed with another of its batch, labels too, in shares drawn from
            Beta(alpha, alpha); 0 for none (Zhang et al. 2018).
        mask_bands, mask_frames: widest run of mel bands, longest run of frames, that is masked (SpecAugment,
            Park et al. 2019); 0 for none.
        masks: how many runs of each.
        pitch_semitones: each window is shifted in pitch by up to this, up or down.
        stretch: each window is played faster or slower by up to this share, with the same pitch.
        filter_share, noise_share, codec_share: shares of the windows that go through an equaliser (a shelf, or a pass
            filter), get white or pink noise 15 to 45 dB below them, or are encoded as MP3 or Opus at a low bit rate; see
            :mod:`earmark.training.augment`.
    """

    gain_db: float = Field(default=0.0, ge=0)
    mixup_alpha: float = Field(default=0.0, ge=0)
    mask_bands: int = Field(default=0, ge=0)
    mask_frames: int = Field(default=0, ge=0)
    masks: int = Field(default=1, ge=1)
    pitch_semitones: float = Field(default=0.0, ge=0, le=12)
    stretch: float = Field(default=0.0, ge=0, le=1)
    filter_share: float = Field(default=0.0, ge=0, le=1)
    noise_share: float = Field(default=0.0, ge=0, le=1)
    codec_share: float = Field(default=0.0, ge=0, le=1)

    @property
    def changes_waveforms(self) -> bool:
        """Whether windows go through :mod:`earmark.training.augment`."""
        return any((self.pitch_semitones, self.stretch, self.filter_share, self.noise_share, self.codec_share))

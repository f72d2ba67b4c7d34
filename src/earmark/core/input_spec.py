"""What audio a model takes: sample rate, windows, and what is done to it before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from earmark.core.errors import ConfigError

LastWindow = Literal["pad", "overlap", "drop"]

_REPEATED_WINDOWS = 1.25


@dataclass(frozen=True)
class Conditioning:
    """What is done to the audio so that scores depend on the music, not on how the file was made.

    Levels are in dB, RMS, relative to full scale (dBFS). Published networks have none: their way of preparing audio is kept.

    Windows are cut from the sound alone, see :class:`earmark.audio.sound.SoundStream`, and short audio is repeated, see
    :func:`earmark.audio.windows`.

    Attributes:
        level_dbfs: level to which the network itself brings each window, once offset and rumble are removed; see
            :class:`earmark.models.conditioning.WindowLevel`.
        silence_range_db: steps of 0.1 s that are further than this below the loudest are silent. Silences of half a
            second and more, and those at both ends, are left out; windows count by their share that is not silent.
        silence_dbfs: audio whose loudest step is below this level is silent as a whole, and has no tags.
        cancelled_share: where mixing to mono would cancel more of the sound than this share, by phase, the loudest
            channel is used instead; see :class:`earmark.audio.mixer.Mixer`.
    """

    level_dbfs: float = -18.0
    silence_range_db: float = 60.0
    silence_dbfs: float = -80.0
    cancelled_share: float = 0.2

    def __post_init__(self) -> None:
        problems = []
        for name in ("level_dbfs", "silence_dbfs"):
            value = getattr(self, name)
            if not -150 <= value <= 0:
                problems.append(f"{name} {value}: must be -150 to 0 dBFS")
        if not 0 < self.silence_range_db <= 150:
            problems.append(f"silence_range_db {self.silence_range_db}: must be above 0, and at most 150")
        if not 0 < self.cancelled_share <= 1:
            problems.append(f"cancelled_share {self.cancelled_share}: must be above 0, and at most 1")
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True)
class InputSpec:
    """How audio is cut into windows for a model, by :func:`earmark.audio.windows`.

    Attributes:
        sample_rate_hz: audio is mixed to mono and resampled to this.
        window_samples: length of one window.
        hop_samples: distance of window starts; ``window_samples`` for windows without overlap.
        last_window: samples left over at the end of a file get another window, either padded with zeros ("pad") or
            moved back so that it ends with the file ("overlap"); or they are left out ("drop"). A file shorter than
            one window is padded with zeros in any case; with conditioning it is repeated, see :meth:`repeats`.
        lead_samples: mirrored samples that are put in front of the file, for networks whose windows were cut from a
            spectrogram with such padding.
        conditioning: see :class:`Conditioning`; None for networks that take audio as it is.
    """

    sample_rate_hz: int
    window_samples: int
    hop_samples: int
    last_window: LastWindow = "overlap"
    lead_samples: int = 0
    conditioning: Conditioning | None = None

    def __post_init__(self) -> None:
        problems = [
            f"{name} {getattr(self, name)!r}: must be a whole number"
            for name in ("sample_rate_hz", "window_samples", "hop_samples", "lead_samples")
            if isinstance(value := getattr(self, name), bool) or not hasattr(value, "__index__")
        ]
        if problems:
            raise ConfigError(problems)
        if self.sample_rate_hz < 1:
            problems.append(f"sample_rate_hz {self.sample_rate_hz}: must be at least 1")
        if self.window_samples < 1:
            problems.append(f"window_samples {self.window_samples}: must be at least 1")
        if not 1 <= self.hop_samples <= self.window_samples:
            problems.append(
                f"hop_samples {self.hop_samples}: must be 1 to window_samples ({self.window_samples}), "
                "or samples would be skipped"
            )
        if not 0 <= self.lead_samples < self.window_samples:
            problems.append(f"lead_samples {self.lead_samples}: must be 0 or more, and less than window_samples")
        if self.last_window not in get_args(LastWindow):
            problems.append(f"last_window {self.last_window!r}: must be one of {', '.join(get_args(LastWindow))}")
        if self.conditioning is not None and self.lead_samples:
            problems.append("lead_samples: must be 0 with conditioning")
        if problems:
            raise ConfigError(problems)

    def repeats(self, n_samples: int) -> bool:
        """Whether audio of this length is repeated to fill windows; only with conditioning.

        So is audio that is a little longer than one window, where one phase of the network would decide all scores.
        """
        return self.conditioning is not None and 0 < n_samples < _REPEATED_WINDOWS * self.window_samples

    @property
    def window_seconds(self) -> float:
        """Length of one window in seconds."""
        return self.window_samples / self.sample_rate_hz

    @property
    def hop_seconds(self) -> float:
        """Distance of window starts in seconds."""
        return self.hop_samples / self.sample_rate_hz

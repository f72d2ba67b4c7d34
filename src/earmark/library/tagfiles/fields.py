"""What earmark writes into files, and what each field is called in each format.

Genre and mood have the names that music players look for. Scores and model stand in fields of our own, which no
player shows in the place of something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Field = Literal["genre", "mood", "scores", "model"]

FIELDS: tuple[Field, ...] = get_args(Field)
"""In the order in which they are shown."""

SHARED_FIELDS: tuple[Field, ...] = ("genre", "mood")
"""Fields that other programs and people write, too: what stands there is never replaced unless it is asked for."""

OWN_FIELDS: tuple[Field, ...] = ("scores", "model")
"""Fields of our own. They are kept in step with what was heard last."""


@dataclass(frozen=True)
class Names:
    """What one field is called.

    Attributes:
        id3: frames, the first one is written; ``TXXX:`` and a description for a user's own. MP3, AIFF, WAV.
            ``TMOO`` belongs to ID3v2.4 but is what programs read in v2.3, too; some write ``TXXX:MOOD`` instead.
        vorbis: key of a Vorbis comment. FLAC and all kinds of Ogg. Upper and lower case mean the same.
        mp4: atom, or ``----:mean:name`` of a free one.
        asf: attribute. WMA.
    """

    id3: tuple[str, ...]
    vorbis: str
    mp4: str
    asf: str


NAMES: Mapping[Field, Names] = {
    "genre": Names(("TCON",), "GENRE", "\xa9gen", "WM/Genre"),
    "mood": Names(("TMOO", "TXXX:MOOD"), "MOOD", "----:com.apple.iTunes:MOOD", "WM/Mood"),
    "scores": Names(("TXXX:EARMARK_SCORES",), "EARMARK_SCORES", "----:com.earmark:EARMARK_SCORES", "EARMARK/SCORES"),
    "model": Names(("TXXX:EARMARK_MODEL",), "EARMARK_MODEL", "----:com.earmark:EARMARK_MODEL", "EARMARK/MODEL"),
}
"""The map. Every field may hold several values: NUL-separated in ID3v2.4, repeated keys in Vorbis comments and ASF,
several data atoms in MP4. ID3v2.3 has no such thing; there, too, NUL stands between the values: TagLib and mutagen read
all of them, programs that follow the old specification to the letter read the first one, and none shows "a; b"."""

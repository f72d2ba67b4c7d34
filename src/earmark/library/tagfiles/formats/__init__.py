"""Tags of a file in any format, behind one interface: :class:`earmark.library.tagfiles.formats.base.FileTags`.

The format is what FFmpeg says it is, not what the file's name ends in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import av
import mutagen

from earmark.audio.decoder import AudioStream, cause
from earmark.core.audio_formats import FORMATS, find_format
from earmark.core.errors import AudioError
from earmark.library.tagfiles.formats.asf import AsfTags
from earmark.library.tagfiles.formats.base import FileTags, TagsError
from earmark.library.tagfiles.formats.id3 import ID3Tags
from earmark.library.tagfiles.formats.mp4 import Mp4Tags
from earmark.library.tagfiles.formats.vorbis import VorbisTags

__all__ = ["TAG_WRITERS", "FileTags", "FormatInfo", "TagsError", "open_tags", "probe_format"]

_ANY_RATE_HZ = 16_000  # nothing is decoded, so no rate is used


class FormatInfo:
    """What FFmpeg says of a file.

    Attributes:
        container: FFmpeg's name of the format, e.g. "mp3".
        codec: of the first audio stream.
        genre, mood: as FFmpeg reads them, wherever in the file they stand; empty where there is none.
    """

    def __init__(self, container: str, codec: str, genre: str, mood: str) -> None:
        self.container, self.codec, self.genre, self.mood = container, codec, genre, mood


TAG_WRITERS: dict[str, Callable[[BinaryIO, FormatInfo], FileTags]] = {
    "id3": lambda file, info: ID3Tags(file, info.container),
    "vorbis": lambda file, info: VorbisTags(file, info.codec if info.container == "ogg" else None),
    "mp4": lambda file, _info: Mp4Tags(file),
    "asf": lambda file, _info: AsfTags(file),
}
"""What reads and writes tags, by the ``tag_writer`` of :class:`earmark.core.audio_formats.AudioFormat`."""


def probe_format(path: Path) -> FormatInfo:
    """Look at a file. Raises TagsError where it is no audio that can be read."""
    try:
        with AudioStream(path, _ANY_RATE_HZ).open_container() as container:
            if not container.streams.audio:
                raise TagsError("holds no audio")
            stream = container.streams.audio[0]
            said = {key.lower(): text.strip() for key, text in (stream.metadata | container.metadata).items()}
            codec = stream.codec_context.name
            return FormatInfo(container.format.name, codec, said.get("genre", ""), said.get("mood", ""))
    except AudioError as error:
        raise TagsError(error.reason) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise TagsError(cause(error)) from error


def open_tags(file: BinaryIO, told: FormatInfo) -> FileTags:
    """Read the tags of an open file.

    Raises:
        TagsError: the format has no tags that we write, or they are damaged.
    """
    found = find_format(told.container)
    writer = None if found is None else found.tag_writer
    try:
        if writer is not None:
            return TAG_WRITERS[writer](file, told)
    except mutagen.MutagenError as error:
        raise TagsError(f"its tags cannot be read: they are damaged, or the file is cut off ({error})") from error
    writable = ", ".join(one.name for one in FORMATS if one.tag_writer is not None)
    raise TagsError(f"tags are not written into this format ({told.container}), only into {writable}")

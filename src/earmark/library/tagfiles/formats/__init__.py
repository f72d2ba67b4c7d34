"""Tags of a file in any format, behind one interface: :class:`earmark.library.tagfiles.formats.base.FileTags`.

A new format is a new module in this package, and its name in the table of audio formats (``tag_writer``).
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import av
import mutagen

from earmark.audio.decoder import AudioStream
from earmark.audio.frames import best_stream
from earmark.audio.source import ANY_RATE_HZ, cause
from earmark.core.audio_formats import FORMATS
from earmark.core.errors import AudioError
from earmark.library.tagfiles.formats.base import FileTags, FormatInfo, TagsError, find_tag_format

__all__ = ["FileTags", "FormatInfo", "TagsError", "open_tags", "probe_format"]

for _name in dict.fromkeys(form.tag_writer for form in FORMATS if form.tag_writer):
    import_module(f"{__name__}.{_name}")  # registers it; messages list the formats in this order


def probe_format(path: Path) -> FormatInfo:
    """What FFmpeg reports about a file.

    Raises:
        TagsError: it is not audio that can be read.
    """
    try:
        with AudioStream(path, ANY_RATE_HZ).open_container() as container:
            stream = best_stream(container)
            if stream is None:
                raise TagsError("holds no audio")
            if stream.codec_context is None:  # PyAV's types omit this
                raise TagsError("holds audio of a codec that is not known")
            metadata = {key.lower(): text.strip() for key, text in (stream.metadata | container.metadata).items()}
            codec = stream.codec_context.name
            return FormatInfo(container.format.name, codec, metadata.get("genre", ""), metadata.get("mood", ""))
    except AudioError as error:
        raise TagsError(error.reason) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        raise TagsError(cause(error)) from error


def open_tags(file: BinaryIO, info: FormatInfo) -> FileTags:
    """Read the tags of an open file.

    Args:
        file: the open file.
        info: of :func:`probe_format`.

    Raises:
        TagsError: no adapter writes tags into this format, or the tags are damaged.
    """
    adapter = find_tag_format(info.container)
    try:
        return adapter.open(file, info)
    except mutagen.MutagenError as error:
        raise TagsError(f"its tags cannot be read: they are damaged, or the file is cut off ({error})") from error

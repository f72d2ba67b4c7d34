"""The field for moods that beets has not."""

from __future__ import annotations

from collections.abc import Sequence

import mediafile

from earmark.library.tagfiles.formats.asf import AsfTags
from earmark.library.tagfiles.formats.id3 import ID3Tags
from earmark.library.tagfiles.formats.mp4 import Mp4Tags
from earmark.library.tagfiles.formats.vorbis import VorbisTags


class _ListField(mediafile.ListMediaField):
    """A list field that is removed where the list is empty."""

    def __set__(self, file: mediafile.MediaFile, values: Sequence[str] | None) -> None:
        if values:
            super().__set__(file, values)
        else:
            self.__delete__(file)


def mood_field(*, id3v23: bool) -> mediafile.ListMediaField:
    """Moods in files, under the names that earmark's own tag formats use.

    Args:
        id3v23: whether beets writes ID3v2.3. Converting to it loses TMOO, so the other frame is written, too.
    """
    frame, other = ID3Tags.names["mood"]
    return _ListField(
        mediafile.MP3ListStorageStyle(frame),
        mediafile.MP3ListDescStorageStyle(other.removeprefix("TXXX:"), split_v23=True, read_only=not id3v23),
        mediafile.MP4ListStorageStyle(Mp4Tags.names["mood"][0]),
        mediafile.ListStorageStyle(VorbisTags.names["mood"][0]),
        mediafile.ASFStorageStyle(AsfTags.names["mood"][0]),
    )

"""ID3v2 tags: at the beginning of an MP3, in a chunk of a WAV or AIFF.

mutagen would parse and rewrite every frame, in its own order and without what it does not understand, and would
make a new ID3v1 tag from them. So it is given no frame to parse: it keeps frames that it does not know as they are.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, ClassVar, NoReturn

from mutagen.aiff import AIFF
from mutagen.id3 import COMM, ID3, TCON, TXXX, Encoding, Frames, ID3NoHeaderError, TextFrame
from mutagen.wave import WAVE

from earmark.audio.ape_tag import ape_texts
from earmark.core.audio_formats import find_format
from earmark.library.tagfiles.formats.base import (
    SHARED_FIELDS,
    Digest,
    Field,
    FileTags,
    FormatInfo,
    TagsError,
    Values,
    own_names,
    register_tag_format,
    size_of,
)
from earmark.library.tagfiles.formats.id3_parts import (
    ID3v1,
    decode_unsynchronised,
    is_latin1,
    parse_frame,
    render_frame,
    synchsafe,
)
from earmark.library.tagfiles.formats.riff_info import InfoList, check_writable, riff_chunks

_UNSYNCHRONISED, _HAS_LENGTH, _PACKED = 0x0002, 0x0001, 0x004C  # flags of an ID3v2.4 frame; compressed and so on
_LENGTH_BYTES = 4
_HEADER_BYTES = 10  # of a frame


class _UnparsedFrames(dict[str, Any]):
    """mutagen's table of frames, in which every name is known and no class is found: frames stay bytes.

    mutagen counts known names to find out how sizes are written, so an empty table would not do.
    """

    def __getitem__(self, name: str) -> NoReturn:
        raise KeyError(name)


_LOADING = {"known_frames": _UnparsedFrames(Frames), "translate": False, "load_v1": False}


@register_tag_format("mp3", "wav", "aiff")
class ID3Tags(FileTags):
    """Tags in ID3v2, version 2.3 or 2.4 as found; 2.4 where the file has none.

    Names are frames; ``TXXX:`` and a description for a user's own. ``TMOO`` belongs to ID3v2.4 but is what programs read
    in v2.3, too; some write ``TXXX:MOOD`` instead. The comment is the first ``COMM`` without a description. Several values are separated by NUL, also in v2.3, which defines no
    separator: TagLib and mutagen read all of them, strict programs read the first one, and none shows "a; b".

    A WAV that has a LIST INFO chunk gets the first genre there, too: FFmpeg and players built on it read that one.
    """

    names: ClassVar[Mapping[Field, tuple[str, ...]]] = {
        "genre": ("TCON",),
        "mood": ("TMOO", "TXXX:MOOD"),
        "bpm": ("TBPM",),
        "key": ("TKEY",),
        "comment": ("COMM",),
        **own_names("TXXX:EARMARK_{}"),
    }

    def __init__(self, file: BinaryIO, info: FormatInfo) -> None:
        self._container = container = info.container
        form = find_format(container)
        self._in_front = form is not None and form.tags_in_front
        self._was_there = True
        if not self._in_front:
            check_writable(file)
        self._tags: Any = self._load(file)
        major = self._tags.version[1] if self._was_there else 4
        if major not in (3, 4):
            raise TagsError(
                f"its tags are ID3v2.{major}, which no program writes any more: "
                "convert them to ID3v2.3 or 2.4 with a tag editor"
            )
        self._major = major
        self.kind = f"{container.upper()} (ID3v2.{major})"
        self._frames: list[bytes] = [self._repaired(frame) for frame in self._tags.unknown_frames]
        self._tags_end = self._tags.size if self._was_there and self._in_front else 0
        self._bare_bytes = size_of(file) - self._tags_end
        self._v1 = ID3v1.read(file) if self._in_front else None
        # Many programs ignore ID3v1 where there is an ID3v2, so what it holds is copied there.
        v1_frames = self._v1.frames() if self._v1 is not None and major == 4 else []
        # A year that is no number has no frame.
        self._from_v1 = [rendered for frame in v1_frames if (rendered := render_frame(frame, 4))]
        if self._v1 is not None and not self._was_there:
            self.notes = ("an ID3v2.4 tag is added, with title, artist and so on as the ID3v1 tag has them",)
        self._ape = ape_texts(file) if self._in_front else None
        if self._ape is not None:
            self.notes += ("its APEv2 tag stays as it is; players that prefer that one do not show what is written",)
        self._info = self._find_info(file) if container == "wav" else None

    def _find_info(self, file: BinaryIO) -> InfoList | None:
        try:
            return InfoList.read(file)
        except ValueError as error:
            self.notes += (f"{error} and stays as it is; players that prefer it do not show what is written",)
            return None

    def _load(self, file: BinaryIO) -> Any:
        """The tags, or new ones where the file has none."""
        file.seek(0)
        if self._in_front:
            try:
                return ID3(file, **_LOADING)
            except ID3NoHeaderError:
                self._was_there = False
                return ID3()
        holder = (WAVE if self._container == "wav" else AIFF)(file, **_LOADING)
        if holder.tags is None:
            self._was_there = False
            holder.add_tags()
        return holder.tags

    def _repaired(self, frame: bytes) -> bytes:
        """A frame as it is written: with a synchsafe size, in a tag that is not unsynchronised as a whole.

        Old iTunes wrote plain sizes in ID3v2.4. The flag of the whole tag applies to every frame, and some programs
        set no other.
        """
        if self._major == 3:
            return frame
        name, _, flags = struct.unpack(">4s4sH", frame[:_HEADER_BYTES])
        body = frame[_HEADER_BYTES:]
        if self._tags.f_unsynch:
            if flags & _PACKED:
                flags |= _UNSYNCHRONISED
            else:
                flags &= ~_UNSYNCHRONISED
                n = _LENGTH_BYTES if flags & _HAS_LENGTH else 0
                body = body[:n] + decode_unsynchronised(body[n:])
        return struct.pack(">4s4sH", name, synchsafe(len(body)), flags) + body

    # Our frames ---------------------------------------------------------------------------------------

    def _found(self, place: str) -> Iterator[tuple[bytes, TextFrame]]:
        """Frames of one name, as bytes and parsed."""
        name = place.partition(":")[0]
        for frame in self._frames:
            if frame[:4] != name.encode():
                continue
            read = parse_frame(frame, self._major)
            if read is None:  # damaged: not ours to touch
                continue
            if isinstance(read, TXXX | COMM) and read.desc.casefold() != place.partition(":")[2].casefold():
                continue
            yield frame, read
            if isinstance(read, COMM):  # there may be others, in other languages
                return

    def _place(self, field: Field) -> str:
        """The name under which the file has the field, or the first of its names."""
        places = self.names[field]
        return next((place for place in places if any(True for _ in self._found(place))), places[0])

    def values(self, field: Field) -> Values:
        found: list[str] = []
        for _, frame in self._found(self._place(field)):
            texts = frame.genres if isinstance(frame, TCON) else frame.text
            found += [text for text in map(str, texts) if text.strip()]
        if not found and self._ape is not None and field in SHARED_FIELDS:
            found = list(self._ape.get(field, ()))
        if not found and field == "genre" and self._v1 is not None:
            found = self._v1.genres()
        if not found and field == "genre" and self._info is not None:
            found = self._info.genres()
        return tuple(found)

    def raw(self, field: Field) -> Values:
        frames = [frame for place in self.names[field] for frame, _ in self._found(place)]
        raw = [f"id3v2.{self._major}:{base64.b64encode(frame).decode()}" for frame in frames]
        if field == "genre" and self._v1 is not None:
            raw.append(self._v1.raw())
        if field == "genre" and self._info is not None:
            raw.append(self._info.raw())
        return tuple(raw)

    def set(self, field: Field, values: Sequence[str]) -> None:
        place = self._place(field)
        language = next((frame.lang for _, frame in self._found(place) if isinstance(frame, COMM)), "eng")
        where = self._remove(place)
        if values:
            if not self._frames:
                self._frames += self._from_v1
                where = None
            rendered = self._rendered(place, values, language)
            self._frames.insert(len(self._frames) if where is None or field != "comment" else where, rendered)
        if field == "genre" and self._v1 is not None:
            self._v1.set_genre(values[0] if values else None)
        if field == "genre" and self._info is not None:
            self._info.set_genre(values[0] if values else None)

    def restore(self, field: Field, raw: Sequence[str]) -> bool:
        version = f"id3v2.{self._major}:"
        if not all(text.startswith((version, "id3v1:", "info:")) for text in raw):
            return False  # another program changed the tag's version or kind
        where = None
        for place in self.names[field]:
            where = self._remove(place)
        frames = [base64.b64decode(text.removeprefix(version)) for text in raw if text.startswith(version)]
        if frames and not self._frames:
            self._frames += self._from_v1
        at = len(self._frames) if where is None or field != "comment" else where
        self._frames[at:at] = frames
        if self._frames == self._from_v1 and self.former_bytes in (None, self._bare_bytes):
            self._frames = []
        if self._v1 is not None:
            self._v1.restore(raw)
        for text in raw:
            if text.startswith("info:") and self._info is not None:
                self._info.restore(text)
        return True

    def _remove(self, place: str) -> int | None:
        """Where the first of them was; None where there was none."""
        gone = [frame for frame, _ in self._found(place)]
        where = next((i for i, frame in enumerate(self._frames) if any(frame is each for each in gone)), None)
        self._frames = [frame for frame in self._frames if not any(frame is each for each in gone)]
        return where

    def _rendered(self, place: str, values: Sequence[str], language: str) -> bytes:
        name, _, description = place.partition(":")
        text = "".join((description, *values))
        old = Encoding.LATIN1 if is_latin1(text) else Encoding.UTF16
        encoding = Encoding.UTF8 if self._major == 4 else old
        options = {"desc": description} if name in ("TXXX", "COMM") else {}
        options |= {"lang": language} if name == "COMM" else {}
        return render_frame(Frames[name](encoding=encoding, text=list(values), **options), self._major)

    # The file -----------------------------------------------------------------------------------------

    def save(self, file: BinaryIO) -> None:
        if self._info is not None:
            self._info.save(file)
        self._tags.unknown_frames = self._frames
        file.seek(0)
        if not self._frames:
            if self._was_there:
                self._delete(file)
        elif self._in_front:
            self._tags.save(file, v1=1, v2_version=self._major, v23_sep=None, padding=self.padding(file))
        else:
            self._tags.save(file, v2_version=self._major, v23_sep=None, padding=self.padding(file))
        if self._v1 is not None:
            self._v1.save(file)

    def _delete(self, file: BinaryIO) -> None:
        """Remove a tag in which no frame is left."""
        if self._in_front:
            self._tags.delete(file, delete_v1=False)
        else:
            self._tags.delete(file)

    def foreign(self, file: BinaryIO, /) -> str:
        digest = Digest()
        ours = [frame for places in self.names.values() for place in places for frame, _ in self._found(place)]
        foreign = [frame for frame in self._frames if not any(frame is each for each in ours)]
        digest.add(*(foreign if foreign != self._from_v1 else ()))
        if self._in_front:
            # All after the tag, except the one byte of ID3v1 that is ours.
            digest.add_span(file, self._tags_end, size_of(file) - (1 if self._v1 is not None else 0))
        else:
            for name, start, end in riff_chunks(file, "little" if self._container == "wav" else "big"):
                if self._info is not None and start == self._info.start:
                    digest.add(name, *self._info.others())
                elif name.strip().upper() != b"ID3":
                    digest.add(name)
                    digest.add_span(file, start, end)
        return digest.text()

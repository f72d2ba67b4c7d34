"""Audio formats, as data: endings, FFmpeg's names, how each is sought and checked, which tags are written into it.

A new format is one entry in :data:`FORMATS`. The browser page has its part of it from `web/src/audio_formats.json`, which
`python web/tests/from_python.py` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

LengthSource = Literal["header", "mp3", "size", "ogg", "adts", "ac3"]
"""How the length of a file is known, and so whether it is complete.

- header: written in the header, and compared with what was decoded. (ASF has sizes in bytes, too.)
- mp3: counted by a Xing, Info or VBRI header, where there is one; the last frame has to be complete.
- size: the header gives the size of the sound or of the file in bytes, or says that it is unknown.
- ogg: the last page gives the position of the last sample, and is marked as the end.
- adts, ac3: nowhere; the last frame has to be complete.
"""

ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
"""The GUID that an ASF file (WMA) begins with."""


@dataclass(frozen=True)
class AudioFormat:
    """One container format.

    Attributes:
        name: for people.
        demuxers: FFmpeg's names of the container, one of which is in what it reports for a file. Only files of listed
            containers are opened.
        suffixes: file name endings, in lower case and with their dot, by which a search through folders finds files.
        dataset_suffixes: those of them that datasets with one file per track use.
        exact_positions: seeking finds positions exactly to the sample. Elsewhere time stamps are rounded to
            milliseconds (Matroska, ASF), or positions are estimated (ADTS).
        length: how the length is known; None where it is only estimated, and nothing can be checked.
        video_suffixes: those of ``suffixes`` that films have, too: a file without sound is passed over in a folder.
        named_suffixes: endings of files that are decoded where they are named, and passed over in folders.
        one_length: the header gives one length for all streams, so that the sound may be shorter than that.
        in_page: the browser page reads the container. (Which codecs, depends on the browser.)
        magic: of formats that the page does not read, how files begin, ``?`` for any byte: by this it tells them from
            damaged files.
        made_of_frames: it is a row of frames, pages or blocks; FFmpeg stumbles over zeros behind: :mod:`earmark.audio.padding`.
        tags_as_sound: the same, and FFmpeg takes tags behind the sound for sound: :mod:`earmark.audio.ape_tag`.
        tags_in_front: an ID3v2 tag is in front of the sound, not in a chunk; FFmpeg leaves it out itself.
        tag_writer: module of :mod:`earmark.library.tagfiles.formats` that writes its tags; empty where none does.
        why_no_tags: why none does, where that needs a reason.
    """

    name: str
    demuxers: tuple[str, ...]
    suffixes: tuple[str, ...] = ()
    dataset_suffixes: tuple[str, ...] = ()
    exact_positions: bool = False
    length: LengthSource | None = None
    video_suffixes: tuple[str, ...] = ()
    named_suffixes: tuple[str, ...] = ()
    one_length: bool = False
    in_page: bool = False
    magic: tuple[bytes, ...] = ()
    made_of_frames: bool = False
    tags_as_sound: bool = False
    tags_in_front: bool = False
    tag_writer: str = ""
    why_no_tags: str = ""


# Playlists, network streams and picture formats are left out on purpose: FFmpeg would follow addresses in a text file
# that is named like a song.
FORMATS: tuple[AudioFormat, ...] = (
    AudioFormat(
        "MP3",
        demuxers=("mp3",),
        suffixes=(".mp3", ".mp2"),
        dataset_suffixes=(".mp3",),
        exact_positions=True,
        length="mp3",
        in_page=True,
        tags_as_sound=True,
        tags_in_front=True,
        tag_writer="id3",
    ),
    AudioFormat(
        "WAV",
        demuxers=("wav",),
        suffixes=(".wav", ".wave", ".rf64"),
        dataset_suffixes=(".wav",),
        exact_positions=True,
        length="size",
        in_page=True,
        tag_writer="id3",
    ),
    AudioFormat(
        "FLAC",
        demuxers=("flac",),
        suffixes=(".flac",),
        dataset_suffixes=(".flac",),
        exact_positions=True,
        length="header",
        in_page=True,
        made_of_frames=True,
        tag_writer="vorbis",
    ),
    AudioFormat(
        "Ogg (Vorbis, Opus, FLAC, Speex)",
        demuxers=("ogg",),
        suffixes=(".ogg", ".oga", ".opus", ".spx", ".ogv"),
        video_suffixes=(".ogv",),
        dataset_suffixes=(".ogg", ".opus"),
        exact_positions=True,
        length="ogg",
        in_page=True,
        made_of_frames=True,
        tag_writer="vorbis",
    ),
    AudioFormat(
        "M4A",
        demuxers=("mov",),
        suffixes=(".m4a", ".m4b", ".m4r", ".m4p", ".mp4a", ".mp4", ".m4v", ".mov", ".3gp", ".3g2"),
        video_suffixes=(".mp4", ".m4v", ".mov", ".3gp", ".3g2"),
        dataset_suffixes=(".m4a",),
        exact_positions=True,
        length="header",
        in_page=True,
        tag_writer="mp4",
    ),
    AudioFormat(
        "AIFF",
        demuxers=("aiff",),
        suffixes=(".aif", ".aiff", ".aifc"),
        exact_positions=True,
        length="size",
        in_page=True,
        tag_writer="id3",
    ),
    AudioFormat(
        "WMA",
        demuxers=("asf",),
        suffixes=(".wma", ".wmv"),
        video_suffixes=(".wmv",),
        length="header",
        one_length=True,
        magic=(ASF_HEADER,),
        tag_writer="asf",
    ),
    AudioFormat(
        "AAC",
        demuxers=("aac",),
        suffixes=(".aac",),
        length="adts",
        in_page=True,
        tags_as_sound=True,
        tags_in_front=True,
        tag_writer="apev2",
    ),
    AudioFormat(
        "Matroska",
        demuxers=("matroska",),
        suffixes=(".mka", ".weba", ".webm", ".mkv"),
        one_length=True,
        video_suffixes=(".webm", ".mkv"),
        length="header",
        in_page=True,
        why_no_tags="no library for Python keeps all else in such a file (attachments, chapters, tags of single tracks); "
        "mkvpropedit can write them",
    ),
    AudioFormat(
        "Monkey's Audio",
        demuxers=("ape",),
        suffixes=(".ape",),
        length="header",
        magic=(b"MAC ", b"MACF"),
        tags_as_sound=True,
        tag_writer="apev2",
    ),
    AudioFormat(
        "WavPack",
        demuxers=("wv",),
        suffixes=(".wv",),
        length="header",
        magic=(b"wvpk",),
        tags_as_sound=True,
        tag_writer="apev2",
    ),
    AudioFormat(
        "Musepack",
        demuxers=("mpc", "mpc8"),
        suffixes=(".mpc",),
        length="header",
        magic=(b"MPCK", b"MP+"),
        tags_as_sound=True,
        tag_writer="apev2",
    ),
    AudioFormat("True Audio", demuxers=("tta",), suffixes=(".tta",), length="header", magic=(b"TTA1", b"TTA2")),
    AudioFormat("TAK", demuxers=("tak",), suffixes=(".tak",), length="header", magic=(b"tBaK",)),
    AudioFormat("DSF", demuxers=("dsf",), suffixes=(".dsf",), length="header", magic=(b"DSD ",)),
    AudioFormat("DSDIFF", demuxers=("iff",), suffixes=(".dff",), length="size", magic=(b"FRM8",)),
    AudioFormat(
        "AC-3", demuxers=("ac3", "eac3"), suffixes=(".ac3",), length="ac3", magic=(b"\x0b\x77",), made_of_frames=True
    ),
    AudioFormat(
        "DTS",
        demuxers=("dts",),
        suffixes=(".dts",),
        magic=tuple(map(bytes.fromhex, ("7ffe8001", "fe7f0180", "1fffe800", "ff1f00e8", "4454534844484452"))),
        made_of_frames=True,
    ),
    AudioFormat("AMR", demuxers=("amr",), suffixes=(".amr",), magic=(b"#!AMR",)),
    AudioFormat("AU", demuxers=("au",), suffixes=(".au", ".snd"), length="size", in_page=True),
    AudioFormat("CAF", demuxers=("caf",), suffixes=(".caf",), length="size", in_page=True),
    AudioFormat("VOC", demuxers=("voc",), suffixes=(".voc",), magic=(b"Creative Voice File",)),
    AudioFormat("Wave64", demuxers=("w64",), suffixes=(".w64",), length="size", in_page=True),
    AudioFormat(
        "AVI", demuxers=("avi",), suffixes=(".avi",), video_suffixes=(".avi",), length="size", magic=(b"RIFF????AVI ",)
    ),
    # Decoded where a file is named. A search through folders leaves them: .mpg and .vob are films, .ts is also source code.
    AudioFormat(
        "MPEG",
        demuxers=("mpeg", "mpegts"),
        named_suffixes=(".mpg", ".mpeg", ".vob", ".ts", ".m2ts", ".mts"),
        magic=(b"\0\0\x01\xba", b"G" + 187 * b"?" + b"G"),
        made_of_frames=True,
    ),
    AudioFormat("LATM", demuxers=("loas",), named_suffixes=(".latm", ".loas"), made_of_frames=True),
    AudioFormat("OpenMG", demuxers=("oma",), named_suffixes=(".oma", ".aa3"), magic=(b"ea3\x03", b"EA3\x01")),
    AudioFormat("RealMedia", demuxers=("rm",), named_suffixes=(".rm", ".rmvb", ".ra"), magic=(b".RMF", b".ra\xfd")),
    AudioFormat("Shorten", demuxers=("shn",), named_suffixes=(".shn",), magic=(b"ajkg",)),
    AudioFormat("xWMA", demuxers=("xwma",), named_suffixes=(".xwma",), magic=(b"RIFF????XWMA",)),
)
"""All formats, those that datasets come in first: the order in which their endings are tried."""


def find_format(container: str) -> AudioFormat | None:
    """The format of a container by FFmpeg's name for it, which may be a list.

    >>> find_format("mov,mp4,m4a,3gp,3g2,mj2").name
    'M4A'
    """
    names = container.split(",")
    return next((one for one in FORMATS if any(name in one.demuxers for name in names)), None)


def has_audio_suffix(path: str | PurePath) -> bool:
    """Does a file's name end like an audio file's?

    >>> has_audio_suffix("music/Song.MP3"), has_audio_suffix("cover.jpg")
    (True, False)
    """
    suffix = (path if isinstance(path, PurePath) else PurePath(path)).suffix.lower()
    return any(suffix in one.suffixes for one in FORMATS)


def has_video_suffix(path: PurePath) -> bool:
    """Does a file's name end like that of a film, which may have no sound?

    >>> has_video_suffix(PurePath("Clip.MP4")), has_video_suffix(PurePath("song.mp3"))
    (True, False)
    """
    return any(path.suffix.lower() in one.video_suffixes for one in FORMATS)


def named_suffixes() -> frozenset[str]:
    """Endings of films and sound that are passed over in folders, though such files are decoded where they are named."""
    return frozenset(suffix for one in FORMATS for suffix in one.named_suffixes)


def dataset_suffixes() -> tuple[str, ...]:
    """Endings to try where a dataset has a file for every track, and does not say which kind."""
    return tuple(suffix for one in FORMATS for suffix in one.dataset_suffixes)


def audio_suffixes() -> list[str]:
    """Endings by which files in folders are found, sorted; see :func:`page_formats`."""
    return sorted(suffix for one in FORMATS for suffix in one.suffixes)


def page_formats() -> list[dict[str, Any]]:
    """What the browser page knows of each format: its name and endings, and of those that it does not read the magic.

    All are there, so that it finds files of each in a folder, and names what it cannot read. Bytes are as Latin-1.
    """
    return [
        {
            "name": one.name,
            "suffixes": list(one.suffixes),
            "read": one.in_page,
            "magic": [magic.decode("latin-1") for magic in one.magic],
        }
        for one in FORMATS
    ]


def format_whitelist() -> str:
    """FFmpeg's option of that name: the containers that may be opened."""
    return ",".join(name for one in FORMATS for name in one.demuxers)

"""MP4: chapters, fragments, video, and the old numeric genre."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mutagen.mp4 import MP4

from earmark.audio import load
from earmark.core.errors import FileTagsError
from earmark.library.tagfiles.write import Target, read_state
from tests.helpers import sounds
from tests.helpers.tag_writing import VALUES, ours, take_back, write


def test_the_old_numeric_genre_of_mp4_gives_way_and_comes_back(songs: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(songs[".m4a"], tmp_path))
    file = MP4(path)
    file.tags._failed_atoms["gnre"] = [b"\x00\x00\x00\x12data" + bytes(8) + b"\x00\x12"]
    file["\xa9nam"] = "Title"
    file.save()
    assert b"gnre" in path.read_bytes()
    assert read_state(path).values["genre"] == ("Rock",)
    write(path, {"mood": Target(("Calm",))})
    assert b"gnre" in path.read_bytes()
    log = write(path, {"genre": Target(("Jazz",))})
    assert b"gnre" not in path.read_bytes()
    assert MP4(path)["\xa9gen"] == ["Jazz"]
    take_back(log)
    assert b"gnre" in path.read_bytes()
    assert "\xa9nam" in MP4(path)


def mp4(path: Path, *, movflags: str = "", chapters: bool = False, video: str | None = None) -> Path:
    """A song of 3 seconds, with chapters, in fragments, or beside a picture."""
    codec = "libopus" if path.suffix == ".ogg" else "aac"
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        if video is not None:
            picture = container.add_stream(video, rate=5)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=48_000, layout="stereo")
        if chapters:
            container.set_chapters(
                [
                    {
                        "id": k,
                        "start": 1_000 * k,
                        "end": 1_000 * (k + 1),
                        "time_base": Fraction(1, 1_000),
                        "metadata": {},
                    }
                    for k in range(3)
                ]
            )
        if video is not None:
            for k in range(15):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * k, np.uint8), format="rgb24")
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        samples = sounds.music(3, 48_000, 2)
        resampler = av.AudioResampler(sound.codec_context.format.name, "stereo", 48_000, frame_size=960)
        part = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        part.sample_rate, part.pts = 48_000, 0
        for frame in [*resampler.resample(part), *resampler.resample(None)]:
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def streams(path: Path) -> tuple[list[tuple[int, int | None, bytes]], list[tuple[float, float]]]:
    """Packets of all streams, and the chapters."""
    with av.open(str(path)) as container:
        chapters = [
            (float(one["start"] * one["time_base"]), float(one["end"] * one["time_base"]))
            for one in container.chapters()
        ]
        return [(one.stream_index, one.pts, bytes(one)) for one in container.demux() if one.size], chapters


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("chapters.m4b", {"chapters": True}),
        ("chapters in front.m4b", {"chapters": True, "movflags": "faststart"}),
        ("fragments.m4a", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
        ("fragments with offsets.m4a", {"movflags": "frag_keyframe+empty_moov"}),
        ("dash.m4a", {"movflags": "dash"}),
        ("index in front.m4a", {"movflags": "faststart"}),
        ("video.mp4", {"video": "mpeg4"}),
        ("video in fragments.mp4", {"video": "mpeg4", "movflags": "frag_keyframe+empty_moov+default_base_moof"}),
        ("chapters of a video.mp4", {"video": "mpeg4", "chapters": True}),
        ("video.ogg", {"video": "libvpx"}),
    ],
)
def test_shapes_of_mp4_and_sound_beside_pictures(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = mp4(tmp_path / name, **options)
    before, samples = streams(path), load(path, 16_000)
    assert len(before[1]) == (3 if options.get("chapters") else 0)
    assert len(samples) / 16_000 == pytest.approx(3, abs=0.1)
    log = write(path)
    assert ours(path) == VALUES
    for _ in range(2):
        assert streams(path) == before
        np.testing.assert_array_equal(load(path, 16_000), samples)
        if log is not None:
            take_back(log)
            log = None
    assert set(ours(path).values()) == {()}


@pytest.mark.slow
def test_fragments_whose_offsets_would_be_wrong_are_left_alone(tmp_path: Path) -> None:
    """mutagen moves the offsets of the first fragment only."""
    path = mp4(tmp_path / "a.mp4", video="mpeg4", movflags="frag_keyframe+empty_moov")
    content = path.read_bytes()
    with pytest.raises(FileTagsError, match="its audio would not be found as it was: left as it is"):
        write(path)
    assert path.read_bytes() == content

"""Decoders are set up and called so that they give the right samples."""

from __future__ import annotations

from pathlib import Path
from random import Random

import av
import numpy as np
import pytest

from earmark import audio
from earmark.core.errors import AudioError
from earmark.core.input_spec import InputSpec
from tests.helpers import sounds
from tests.helpers.ogg import ogg_checksum

RATE_HZ = 48_000


def encoded(path: Path, codec: str, form: str, samples: np.ndarray, layout: str) -> Path:
    """Samples of ``(n_channels, n)``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE_HZ, layout=layout)
        stream.codec_context.format = form
        for start in range(0, samples.shape[1], 960):
            part = samples[:, start : start + 960].astype(np.float32)
            part = part if form == "fltp" else part.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format=form, layout=layout)
            frame.sample_rate, frame.pts = RATE_HZ, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.slow
def test_damage_to_floating_point_wavpack_is_a_packet_of_a_wrong_checksum(tmp_path: Path) -> None:
    samples = sounds.music(12, RATE_HZ, n_channels=2)
    whole = encoded(tmp_path / "a.wv", "wavpack", "fltp", samples, "stereo").read_bytes()
    n_samples, random = len(audio.load(whole, RATE_HZ)), Random(0)
    for _ in range(40):
        content = bytearray(whole)
        content[random.randrange(len(whole) // 20, len(whole))] ^= 1 << random.randrange(8)
        stream = audio.stream(bytes(content), RATE_HZ)
        decoded = np.concatenate(list(stream))  # with no error: NaN, or samples far above 1
        assert n_samples - 2 * RATE_HZ < len(decoded) <= n_samples
        assert np.abs(decoded).max() < 1
        assert all(text.startswith("damaged: 1 of ") for text in stream.warnings)


@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [
        ("a.flac", "flac", "s16"),
        ("a.mka", "flac", "s32"),
        ("a.mp4", "flac", "s16"),
        ("a.tta", "tta", "s16"),
        ("a.ac3", "ac3", "fltp"),
        ("a.eac3", "eac3", "fltp"),
    ],
)
def test_one_bad_byte_is_a_damaged_frame_where_frames_have_checksums(
    tmp_path: Path, name: str, codec: str, form: str
) -> None:
    """Not noise without a note: all that is left is as it was."""
    samples = sounds.music(3, RATE_HZ, n_channels=2)
    scaled = {"s16": samples * 2.0**15, "s32": np.floor(samples * 2.0**23) * 2.0**8}.get(form, samples)
    with av.open(str(tmp_path / name), "w", format={".eac3": "eac3"}.get(Path(name).suffix)) as container:
        stream = container.add_stream(codec, rate=RATE_HZ, layout="stereo", options={"strict": "-2"})
        stream.codec_context.format = form
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(
                scaled if form == "fltp" else scaled.astype(f"i{int(form[1:]) // 8}").T.reshape(1, -1)
            ),
            format=form,
            layout="stereo",
        )
        frame.sample_rate, frame.pts = RATE_HZ, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    whole, random = (tmp_path / name).read_bytes(), Random(1)
    undamaged = audio.stream(audio.AudioBytes(whole, name), RATE_HZ)
    right = np.concatenate(list(undamaged))
    assert not undamaged.warnings
    for _ in range(5):
        content = bytearray(whole)
        content[random.randrange(len(whole) // 4, len(whole) * 3 // 4)] ^= 1 << random.randrange(8)
        stream = audio.stream(audio.AudioBytes(bytes(content), name), RATE_HZ)
        left = np.concatenate(list(stream))
        assert [text.split(":")[0] for text in stream.warnings] == ["damaged"], stream.warnings
        n_same = int(np.argmax(left != right[: len(left)]))
        assert len(right) - RATE_HZ * 1.1 < len(left) <= len(right)
        assert np.abs(left).max() < 1
        assert n_same > len(right) // 5
        if codec in ("flac", "tta"):
            assert np.array_equal(left[n_same:], right[len(right) - len(left) + n_same :])


def test_nan_in_a_wavpack_is_still_an_error(tmp_path: Path) -> None:
    samples = sounds.music(2, RATE_HZ)
    samples[:, RATE_HZ] = np.nan
    path = encoded(tmp_path / "a.wv", "wavpack", "fltp", samples, "mono")
    with pytest.raises(AudioError, match="NaN"):
        audio.load(path, RATE_HZ)


@pytest.fixture(scope="module")
def surround(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Opus of three channels (left, right, centre), each with other music."""
    samples = np.concatenate([sounds.music(16, RATE_HZ, seed=seed) for seed in range(3)])
    return encoded(tmp_path_factory.mktemp("opus") / "a.opus", "libopus", "flt", samples, "3.0")


def channels(content: bytes) -> np.ndarray:
    with audio.AudioStream(content, RATE_HZ).open_container() as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("silent", [0, 1, 2])
@pytest.mark.parametrize("suffix", [".opus", ".mka"])
def test_a_silent_channel_of_opus_leaves_the_others_alone(
    surround: Path, tmp_path: Path, silent: int, suffix: str
) -> None:
    """FFmpeg left what was in memory in the first channel."""
    content = bytearray(surround.read_bytes())
    at = content.index(b"OpusHead") + 21 + silent
    assert content[at] in (0, 1, 2)
    content[at] = 255
    end = content.index(b"OggS", 4)
    content[22:26] = bytes(4)
    content[22:26] = ogg_checksum(bytes(content[:end])).to_bytes(4, "little")
    path = tmp_path / "a.opus"
    path.write_bytes(content)
    if suffix == ".mka":
        path = rewrapped(path, tmp_path / "a.mka")
    before, now = channels(surround.read_bytes()), channels(path.read_bytes())
    order = [0, 2, 1]  # Vorbis has the centre second, FFmpeg third
    for channel in {0, 1, 2} - {order[silent]}:
        np.testing.assert_array_equal(now[channel], before[channel])
    # The same from the disk, where a filter graph reads most files, from memory, and by seeking.
    samples = audio.load(path, 16_000)
    np.testing.assert_array_equal(samples, audio.load(path.read_bytes(), 16_000))
    np.testing.assert_allclose(audio.load(path, RATE_HZ), now.mean(axis=0), atol=1e-6)
    if suffix == ".opus":
        found = audio.sparse_windows(path, InputSpec(16_000, 16_000, 16_000), 3)
        assert found is not None
        for start, part in zip(found.starts, found.samples, strict=True):
            np.testing.assert_allclose(part, samples[start : start + 16_000], atol=2e-6)


def rewrapped(source: Path, path: Path) -> Path:
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(container.streams.audio[0])
        for packet in container.demux(audio=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return path

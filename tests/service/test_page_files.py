"""Files in the page: bad, odd and damaged ones, as the command line takes them."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

import earmark
from earmark import audio
from earmark.core.errors import AudioError
from tests.helpers import sounds
from tests.helpers.page import CLIPS, CLOSE, same


def test_reports_what_it_cannot_decode_and_continues(serve: Any, visit: Any, tmp_path: Path) -> None:
    music = CLIPS[2].read_bytes()
    contents = {
        "empty.mp3": b"",
        "letter.mp3": b"no music at all\n" * 500,
        "noise.flac": np.random.default_rng(0).bytes(50_000),
        "cut short.mp3": music[: len(music) // 2],
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    silence = sounds.write(tmp_path / "silence.wav", np.zeros(16_000), 16_000)
    person = visit(serve().url)
    person.give(*(tmp_path / name for name in contents), silence, CLIPS[0])
    assert person.page.inner_text("#news").endswith("3 tagged, 3 failed.")
    records = json.loads(person.export("json"))
    of = {record["path"]: record for record in records}
    assert of["empty.mp3"]["error"] == "the file is empty (0 bytes)"
    for name in ("letter.mp3", "noise.flac"):
        assert of[name]["status"] == "error"
        assert "no format that this browser can decode" in of[name]["error"]
    assert of["cut short.mp3"]["warnings"] == ["truncated: ends in the middle of a frame after 13.8 s"]
    assert of["silence.wav"]["warnings"][0].startswith("silent")
    assert of[CLIPS[0].name]["status"] == "ok"
    assert "no format that this browser" in person.page.inner_text("#rows")


def _bad_files(folder: Path) -> dict[str, Path]:
    """Files that are refused, each with the reason of the command line."""
    music = audio.load(CLIPS[0], 16_000)[: 3 * 16_000]
    nan = music.copy()
    nan[20_000] = np.nan
    whole = sounds.write(folder / "whole.m4a", sounds.music(3, 44_100), 44_100).read_bytes()
    at = whole.index(b"mp4a", whole.index(b"stsd"))
    wma = sounds.write(folder / "whole.wma", sounds.music(3, 44_100), 44_100).read_bytes()
    n_bytes, n_objects = struct.unpack("<QI", wma[16:28])
    encryption = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + struct.pack("<Q", 40) + bytes(16)
    head = wma[:16] + struct.pack("<QI", n_bytes + 40, n_objects + 1) + wma[28:n_bytes]
    contents = {
        "bought.m4p": whole[:at] + b"drms" + whole[at + 4 :],
        "encrypted.mp4": whole[:at] + b"enca" + whole[at + 4 :],
        "bought.wma": head + encryption + wma[n_bytes:],
        "big-endian.wav": b"RIFX" + CLIPS[0].read_bytes(),
    }
    files = {
        "integers.wav": sounds.write_float_wav(folder / "integers.wav", np.stack([music, -music]) * 32_768, 16_000),
        "nan.wav": sounds.write_float_wav(folder / "nan.wav", nan, 16_000),
    }
    for name, content in contents.items():
        files[name] = folder / name
        files[name].write_bytes(content)
    return files


def test_refuses_what_the_command_line_refuses_in_the_same_words(serve: Any, visit: Any, tmp_path: Path) -> None:
    files = _bad_files(tmp_path)
    person = visit(serve().url)
    records = {record["path"]: record for record in person.tag(*files.values())}
    for name, path in files.items():
        with pytest.raises(AudioError) as caught:
            audio.load(path, 16_000)
        assert records[name]["error"] == caught.value.reason
    assert {records[name]["error"][:9] for name in ("bought.m4p", "encrypted.mp4", "bought.wma")} == {"protected"}
    # The demuxer's own words on encrypted files.
    person.errors[:] = [error for error in person.errors if not ("drms" in error or "frma box" in error)]


def _odd_files(folder: Path) -> dict[str, bytes]:
    """Music in files with sizes that are unknown or wrong, or with damage that has a note on the command line."""
    pcm = (audio.load(CLIPS[2], 16_000)[: 12 * 16_000] * 32_767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    wide = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 64_000, 4, 32, 22, 24, 0)
    wide += bytes.fromhex("0100000000001000800000aa00389b71")
    in_32_bits = (np.frombuffer(pcm, "<i2").astype("<i4") << 16).tobytes()

    def wav(size: int, riff: int, magic: bytes = b"RIFF", before: bytes = b"") -> bytes:
        head = magic + struct.pack("<I", riff) + b"WAVE" + before + b"fmt " + struct.pack("<I", 16) + form
        return head + b"data" + struct.pack("<I", size) + pcm

    tail = b"\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a"
    w64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0" + struct.pack("<Q", 0) + b"wave" + tail
    w64 += b"fmt " + tail + struct.pack("<Q", 40) + form + b"data" + tail + struct.pack("<Q", 0) + pcm
    clips = {clip.name[:2]: clip.read_bytes() for clip in CLIPS}
    m4a = bytearray(sounds.write(folder / "whole.m4a", audio.load(CLIPS[2], 44_100), 44_100).read_bytes())
    with av.open(io.BytesIO(m4a)) as container:
        places = [(one.pos, one.size) for one in container.demux(audio=0) if one.size and one.pos is not None]
    position, size = places[300]
    m4a[position + 3 : position + size] = b"\xff" * (size - 3)
    mono = sounds.write(folder / "mono.ogg", audio.load(CLIPS[2], 22_050)[: 12 * 22_050], 22_050)
    again = sounds.write(folder / "again.ogg", audio.load(CLIPS[1], 44_100)[: 15 * 44_100], 44_100)
    whole = {
        form: sounds.write(folder / f"whole.{form}", audio.load(CLIPS[2], 48_000), 48_000) for form in ("mka", "webm")
    }
    ogg = bytearray(clips["02"])
    ogg[len(ogg) // 2] ^= 0xFF
    return {
        "unknown.wav": wav(0x7FFFF000, 0x7FFFF024),
        "nothing.wav": wav(0, 0),
        "rf64.wav": wav(2**32 - 1, 2**32 - 1, b"RF64", b"ds64" + struct.pack("<IQQQI", 28, 0, 0, 0, 0)),
        "unknown.w64": w64,
        "24 in 32.wav": b"RIFF\0\0\0\0WAVEfmt "
        + struct.pack("<I", 40)
        + wide
        + b"data"
        + struct.pack("<I", len(in_32_bits))
        + in_32_bits,
        "cut.wav": wav(len(pcm), len(pcm) + 36)[: -len(pcm) // 4],
        "cut.flac": clips["01"][: len(clips["01"]) * 2 // 3],
        "cut.ogg": clips["02"][: len(clips["02"]) * 2 // 3],
        "packet.m4a": bytes(m4a),
        "page.ogg": bytes(ogg),
        "chain.ogg": clips["02"] + mono.read_bytes(),
        "chain of three.ogg": again.read_bytes() + clips["02"] + mono.read_bytes(),
        "joined.mp3": clips["03"] + clips["03"],
        **{f"cut.{form}": (content := path.read_bytes())[: len(content) * 2 // 3] for form, path in whole.items()},
    }


def test_odd_and_damaged_files_are_tagged_like_the_command_line(serve: Any, visit: Any, tmp_path: Path) -> None:
    lenient = earmark.load_tagger(damaged="tag")
    files = {}
    for name, content in _odd_files(tmp_path).items():
        files[name] = tmp_path / name
        files[name].write_bytes(content)
    person = visit(serve().url)
    records = {record["path"]: record for record in person.tag(*files.values())}
    words = {"cut.wav": "truncated: ", "cut.flac": "truncated or damaged: ", "cut.ogg": "perhaps cut off"}
    words |= {
        "packet.m4a": "damaged: 1 of ",
        "page.ogg": "damaged: 1 of 27 Ogg pages",
        "chain.ogg": "chained: 2 streams",
        "chain of three.ogg": "chained: 3 streams",
        "cut.mka": "truncated or damaged: ",
        "cut.webm": "truncated or damaged: ",
    }
    for name, path in files.items():
        truth = lenient.tag(path)
        record = records[name]
        assert words.get(name, "") in " ".join(truth.warnings)
        if name != "joined.mp3":  # FFmpeg takes the second header for a packet that is damaged
            assert record["warnings"] == list(truth.warnings), name
        # Behind damage the browser's decoder begins anew, and another one than FFmpeg's conceals it otherwise.
        same(record, truth, close=2 * CLOSE if name in ("packet.m4a", "page.ogg") else CLOSE)


def test_a_damaged_header_of_a_flac_frame_costs_one_frame(serve: Any, visit: Any, tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "a.flac", audio.load(CLIPS[0], 44_100), 44_100)
    with av.open(str(path)) as container:
        places = [one.pos for one in container.demux(audio=0) if one.size and one.pos is not None]
    content = bytearray(path.read_bytes())
    content[places[len(places) // 2] + 1] ^= 0xFF
    path.write_bytes(content)
    (record,) = visit(serve().url).tag(path)
    assert record["warnings"] == [f"damaged: 1 of {len(places)} packets skipped"]
    same(record, earmark.load_tagger(damaged="tag").tag(path))


def test_uncompressed_sound_that_browsers_do_not_read_is_tagged_like_on_the_command_line(
    serve: Any, visit: Any, tmp_path: Path
) -> None:
    lenient = earmark.load_tagger(damaged="tag")
    samples = 0.5 * audio.load(CLIPS[2], 44_100)[: 12 * 44_100]
    turned = np.stack([samples, -samples], axis=1)
    files = {}
    for name, form, subtype, content in [
        ("a.aiff", "AIFF", "PCM_16", samples),
        ("b.aifc", "AIFF", "PCM_24", turned),
        ("c.au", "AU", "ULAW", samples),
        ("d.caf", "CAF", "FLOAT", samples),
        ("six.aif", "AIFF", "PCM_16", np.stack([samples * (k == 3) for k in range(6)], axis=1)),
    ]:
        files[name] = tmp_path / name
        soundfile.write(files[name], content, 44_100, format=form, subtype=subtype)
    files["cut.aiff"] = tmp_path / "cut.aiff"
    files["cut.aiff"].write_bytes(files["a.aiff"].read_bytes()[:-200_000])
    records = {record["path"]: record for record in visit(serve().url).tag(*files.values())}
    assert records["cut.aiff"]["warnings"][0].startswith("truncated: ")
    for name, path in files.items():
        truth = lenient.tag(path)
        assert records[name]["warnings"] == list(truth.warnings), name
        same(records[name], truth)


def test_formats_of_the_command_line_are_distinguished_from_damaged_files(
    serve: Any, visit: Any, tmp_path: Path
) -> None:
    """By what a file begins with, whatever its name; else by the name."""
    wma = sounds.write(tmp_path / "song.wma", sounds.music(2, 44_100), 44_100).read_bytes()
    aifc = b"FORM\0\0\0\x40AIFCCOMM\0\0\0\x18\0\1\0\0\0\x22\0\x10\x40\x0e\xac\x44" + bytes(6) + b"ima4\0\0"
    elsewhere = "that this page cannot read, but `earmark tag` can"
    wanted = {
        "song.wma": (wma, f"its format is WMA, one {elsewhere}"),
        "cut.wma": (wma[: len(wma) // 2], f"its format is WMA, one {elsewhere}"),
        "wrong name.mp3": (wma, f"its format is WMA, one {elsewhere}"),
        "song.ape": (b"MAC " + bytes(9000), f"its format is Monkey's Audio, one {elsewhere}"),
        "tagged.ape": (
            b"ID3\3\0\0\0\0\0\x0a" + bytes(10) + b"MAC " + bytes(9),
            f"its format is Monkey's Audio, one {elsewhere}",
        ),
        "short.wv": (b"wvpk0000", f"its format is WavPack, one {elsewhere}"),
        "ima.aifc": (aifc + b"SSND\0\0\0\x2a" + bytes(42), f"its format is AIFF of a kind (ima4) {elsewhere}"),
        "noise.mpc": (
            np.random.default_rng(3).bytes(9000),
            f"by its name Musepack, a format {elsewhere}; or it is damaged, since it begins otherwise",
        ),
        "damaged.flac": (b"fLaC" + bytes(500), "not audio, or in no format that this browser can decode, or damaged"),
        "damaged.aiff": (b"FORM\0\0\0\x40AIFF", "not audio, or in no format that this browser can decode, or damaged"),
    }
    for name, (content, _) in wanted.items():
        (tmp_path / name).write_bytes(content)
    records = visit(serve().url).tag(*(tmp_path / name for name in wanted))
    assert {record["path"]: record["error"] for record in records} == {name: why for name, (_, why) in wanted.items()}

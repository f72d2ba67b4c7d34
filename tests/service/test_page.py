"""The page in a real browser: it answers as the command line does, and nothing leaves it."""

from __future__ import annotations

import csv
import functools
import http.server
import io
import json
import signal
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

import earmark
from earmark import audio
from earmark.core.errors import AudioError
from earmark.core.vocabulary import CATEGORIES
from earmark.service.page import PAGE_FOLDER
from earmark.tagging.tag_scores import TagScores
from tests.helpers import sounds
from tests.helpers.browser import absent, chromium
from tests.helpers.served import Process

ROOT = Path(__file__).parents[2]
CLIPS = sorted((ROOT / "examples/clips").iterdir())
CLOSE = 0.02
ARGUMENTS = (
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP page.test 127.0.0.1",  # a host that is not this machine, to the browser
)


class Site:
    """A plain web server with the built page, that remembers what it was asked for."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.asked: list[str] = []
        site = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            extensions_map = {  # noqa: RUF012
                **http.server.SimpleHTTPRequestHandler.extensions_map,
                ".js": "text/javascript",
                ".mjs": "text/javascript",
            }

            def end_headers(self) -> None:
                for name, value in headers.items():
                    self.send_header(name, value)
                super().end_headers()

            def log_message(self, *_: object) -> None:
                site.asked.append(self.path)

        handler = functools.partial(Handler, directory=str(PAGE_FOLDER))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder of the built page."""
    if not (PAGE_FOLDER / "index.html").is_file():
        absent("the page is not built: make web (it needs Node.js)")
    return PAGE_FOLDER


@pytest.fixture
def serve(built: Path) -> Iterator[Callable[..., Site]]:
    """Starts servers of the page: with its headers, or as a static host would, without."""
    sites: list[Site] = []

    def started(*, with_headers: bool = True) -> Site:
        headers = json.loads((built / "headers.json").read_text()) if with_headers else {}
        sites.append(Site(headers))
        return sites[-1]

    yield started
    for site in sites:
        site.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """An installed Chromium."""
    with chromium(*ARGUMENTS) as found:
        yield found


class Visit:
    """One person at the page, with a browser profile of their own."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(240_000)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.n_given = 0
        self.page.on("console", lambda message: self.errors.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.settle()

    def settle(self) -> None:
        """Until all is loaded, kept for offline use, and the door is closed."""
        self.page.wait_for_selector("html[data-settled]")
        assert self.page.get_attribute("html", "data-ready") == "yes", self.page.inner_text("#news")

    def tag(self, *files: Path) -> list[dict[str, Any]]:
        """Gives files to the page, and all results so far as it exports them."""
        self.give(*files)
        return json.loads(self.export("json"))

    def give(self, *files: Path) -> None:
        """Gives files to the page, and waits until it is done with them."""
        self.page.set_input_files("#files-input", list(files))
        self.until_done(len(files))

    def until_done(self, n_more: int) -> None:
        """Until so many more files are tagged, or have failed."""
        self.n_given += n_more
        self.page.wait_for_selector(f'#rows[data-finished="{self.n_given}"]', state="attached")

    def export(self, kind: str) -> str:
        with self.page.expect_download() as download:
            self.page.click(f"#export-{kind}")
        return Path(download.value.path()).read_text(encoding="utf-8")

    def network(self) -> list[str]:
        """What was asked of any network; addresses of the page's own memory are none."""
        return [url for url in self.requests if not url.startswith(("blob:", "data:"))]


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Opens pages; at the end nothing may have gone wrong in any."""
    visits: list[Visit] = []

    def opened(url: str, **options: Any) -> Visit:
        visits.append(Visit(browser, url, **options))
        return visits[-1]

    yield opened
    for each in visits:
        each.context.close()
    assert [error for each in visits for error in each.errors] == []


@pytest.fixture(scope="module")
def tagger() -> earmark.Tagger:
    return earmark.load_tagger()


def same(record: dict[str, Any], truth: TagScores, close: float = CLOSE) -> None:
    """The same scores, and the same five best (two that are closer than what is allowed may have changed places)."""
    assert (record["status"], record["error"]) == ("ok", None)
    assert record["duration_seconds"] == pytest.approx(truth.duration_seconds, abs=0.03)
    assert record["degrees"] == pytest.approx(truth.degrees, abs=close)
    assert {tag["tag"]: tag["score"] for tag in record["tags"]} | record["degrees"] == pytest.approx(
        dict(zip(truth.tags, truth.scores.tolist(), strict=True)), abs=close
    )
    for ours, theirs in zip(record["tags"][:5], truth.top(5), strict=True):
        assert ours["tag"] == theirs.tag or truth[ours["tag"]] == pytest.approx(theirs.score, abs=close)
    taggram = np.array(record["taggram"]["scores"])
    assert taggram.shape == truth.taggram.shape
    assert np.abs(taggram - truth.taggram).max() < 3 * close
    assert record["taggram"]["window_starts_seconds"] == pytest.approx(truth.window_starts_seconds.tolist(), abs=0.03)


def shown_tags(page: Any, record: dict[str, Any], truth: TagScores) -> None:
    """The page of a file says what the command line says to hold, and the table the highest two of each category.

    Tags whose scores are too close to their thresholds, or to those that they exclude, may have changed their minds, and
    so may what they imply or silence.
    """
    close = {tag for tag, least in truth.thresholds.items() if abs(truth[tag] - least) < CLOSE}
    for group in truth.rules.exclusive:
        best = sorted((truth[tag] for tag in group), reverse=True)
        close |= set(group) if best[0] - best[1] < CLOSE else set()
    close |= {tag for tag, needed in truth.rules.requires.items() if needed in close}
    for tag, parents in truth.rules.parents.items():
        close |= set(parents) if tag in close or len(parents) > 1 else set()
    for tag, rivals in truth.rules.rivals.items():
        leads = {rival: truth[tag] - truth[rival] - truth.rules.rival_margin for rival in rivals}
        close |= {rival for rival, lead in leads.items() if tag in close or abs(lead) < CLOSE}
    page.click(f"#rows button.name:text-is('{record['path']}')")
    holding = page.locator("#tags section:not([data-category='degrees']) li:not(.below) .bar-name").all_inner_texts()
    assert set(holding) - close == {tag.tag for tag in truth.top(0, "auto")} - close
    row = page.locator("#rows tr", has=page.locator(f"button.name:text-is('{record['path']}')"))
    chips = [chip.rsplit(" ", 1)[0] for chip in row.locator(".chip:not(.note)").all_inner_texts()]
    ours = [tag for tag in record["tags"] if tag["tag"] in holding]
    wanted = [[tag["tag"] for tag in ours if tag["category"] == category][:2] for category in CATEGORIES]
    assert chips == [tag for tags in wanted for tag in tags]
    assert bool(chips) is not row.get_by_text("nothing over its threshold").is_visible()


def test_tags_like_the_command_line_and_makes_no_request(serve: Any, visit: Any, tagger: earmark.Tagger) -> None:
    site = serve()
    person = visit(site.url)
    page = person.page
    assert "Nothing leaves this device" in page.inner_text("header")
    assert page.get_attribute("html", "data-settled") == "offline"
    assert page.evaluate("crossOriginIsolated") is True  # several threads
    n_asked = len(site.asked)
    person.requests.clear()
    records = person.tag(*CLIPS)
    for record, clip in zip(records, CLIPS, strict=True):
        truth = tagger.tag(clip)
        assert record["path"] == clip.name
        same(record, truth)
        shown_tags(page, record, truth)
    rows = list(csv.DictReader(io.StringIO(person.export("csv"))))
    assert [row["path"] for row in rows] == [clip.name for clip in CLIPS]
    first = records[0]["tags"][0]
    assert float(rows[0][first["tag"]]) == first["score"]
    playlist = person.export("m3u").splitlines()
    assert playlist[0] == "#EXTM3U"
    assert playlist[2::2] == [clip.name for clip in CLIPS]
    page.click("#record")
    page.wait_for_selector('#record:has-text("0:01")')
    page.click("#record")
    person.until_done(1)
    (recorded,) = json.loads(person.export("json"))[len(CLIPS) :]
    assert recorded["status"] == "ok"
    assert recorded["path"].startswith("recording")
    assert recorded["duration_seconds"] > 0.9
    # The recorder's code is the one file that is not read until it is needed: from the service worker.
    assert [url for url in person.network() if not url.endswith("/recorder.js")] == []
    assert site.asked[n_asked:] == []
    refused = "fetch('/healthz').then(() => 'went out', () => 'refused')"
    assert page.evaluate(refused) == "refused"
    assert site.asked[n_asked:] == []
    person.errors[:] = [error for error in person.errors if "/healthz" not in error]


def _music_in_odd_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Real music (a clip, 44.1 kHz) as files that need conditioning; with a word of the warning that each brings."""
    rate_hz = 44_100
    clip = 0.5 * audio.load(CLIPS[2], rate_hz)[: 20 * rate_hz]
    delay = rate_hz * 3 // 1000
    silent = np.zeros(12 * rate_hz, np.float32)
    quiet_sides = 0.3 * np.roll(clip, 5 * rate_hz)
    turned = np.where(np.arange(len(clip)) < 10 * rate_hz, clip, -clip)
    files = {
        "plain.wav": (clip, ""),
        "offset.wav": (clip + 0.1, ""),
        "quiet.wav": (0.01 * clip, ""),  # in 16 bits
        "half silent.flac": (np.concatenate([silent, clip[: 12 * rate_hz]]), "silent for 12.0 of 24.0 s"),
        "silent.wav": (silent[: 3 * rate_hz], "silent: nothing above -80 dBFS"),
        "short.wav": (np.concatenate([silent[:rate_hz], clip[: 3 * rate_hz]]), "short: 4.0 s"),
        "inverted.flac": (
            np.stack([clip, -clip]),
            "cancel each other when mixed to mono: one channel was used for 20 s",
        ),
        "turns.wav": (np.stack([clip, turned]), "one channel was used for 10 s"),
        "inverted.mp3": (np.stack([clip, -0.9 * clip]), "channels cancel"),
        "delayed.wav": (np.stack([clip[delay:], clip[:-delay]]), "channels cancel"),
        "one of six.wav": (np.stack([clip * (k == 3) for k in range(6)]), "5 of 6 channels are silent"),
        "surround.flac": (
            np.stack([clip, quiet_sides, 0.5 * clip, 0 * clip, quiet_sides, np.roll(clip, rate_hz)]),
            "1 of 6 channels is silent",
        ),
    }
    written = {name: (sounds.write(folder / name, samples, rate_hz), word) for name, (samples, word) in files.items()}
    eight = folder / "one of eight.wav"
    soundfile.write(eight, np.stack([clip * (k == 5) for k in range(8)], axis=1), rate_hz, format="WAVEX")
    return {**written, eight.name: (eight, "7 of 8 channels are silent")}


def _as_the_command_line(record: dict[str, Any], truth: TagScores, word: str) -> None:
    assert record["warnings"] == list(truth.warnings)
    assert word in " ".join(truth.warnings)
    wanted = truth.to_record()
    assert record["silent_seconds"] == pytest.approx(wanted["silent_seconds"], abs=0.11)
    for name in ("windows", "abstained"):
        assert record[name] == wanted[name]


def test_conditions_like_the_command_line(serve: Any, visit: Any, tagger: earmark.Tagger, tmp_path: Path) -> None:
    files = _music_in_odd_files(tmp_path)
    person = visit(serve().url)
    records = {record["path"]: record for record in person.tag(*(path for path, _ in files.values()))}
    for name, (path, word) in files.items():
        truth = tagger.tag(path)
        _as_the_command_line(records[name], truth, word)
        if not truth.silent:
            same(records[name], truth)
        assert np.abs(np.array(records[name]["taggram"]["scores"]) - truth.taggram).max() < 3 * CLOSE
    assert records["silent.wav"]["tags"] == []
    page = person.page
    page.click("#rows button.name:text-is('silent.wav')")
    assert page.inner_text("#tags") == "This file is silent, so it has no tags."
    assert page.inner_text("#now").endswith("silent")
    assert page.locator("#rows").get_by_text("silent: no tags").count() == 1
    page.click("#rows button.name:text-is('half silent.flac')")
    assert "0:24 of audio (0:12 of it silent)" in page.inner_text("#detail-about")
    assert page.inner_text("#now").endswith("silent")  # at its beginning


def test_conditions_whole_files_as_well(serve: Any, visit: Any, tagger: earmark.Tagger, tmp_path: Path) -> None:
    files = _music_in_odd_files(tmp_path)
    names = ("inverted.flac", "half silent.flac", "silent.wav", "short.wav", "one of six.wav", "one of eight.wav")
    person = visit(f"http://page.test:{serve().port}/")
    for record in person.tag(*(files[name][0] for name in names)):
        path, word = files[record["path"]]
        truth = tagger.tag(path)
        _as_the_command_line(record, truth, word)
        if not truth.silent:
            same(record, truth, close=2.5 * CLOSE)
    person.errors[:] = [error for error in person.errors if "Opener-Policy header has been ignored" not in error]


def test_the_service_has_it_at_its_root(visit: Any, built: Path) -> None:
    service = Process()
    try:
        person = visit(service.url)
        assert person.page.evaluate("crossOriginIsolated") is True
        (record,) = person.tag(CLIPS[0])
        assert record["status"] == "ok"
    finally:
        service.process.send_signal(signal.SIGTERM)
        service.end()


def test_works_offline_and_on_a_static_host(serve: Any, visit: Any, tagger: earmark.Tagger) -> None:
    site = serve(with_headers=False)
    person = visit(site.url)
    assert person.page.evaluate("crossOriginIsolated") is False  # one thread
    person.tag(CLIPS[2])
    site.close()
    person.context.set_offline(True)
    person.page.reload()
    person.n_given = 0
    person.settle()
    assert person.page.evaluate("crossOriginIsolated") is True  # the service worker adds the headers
    (record,) = person.tag(CLIPS[2])
    same(record, tagger.tag(CLIPS[2]))


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
        "joined.mp3": clips["03"] + clips["03"],
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
    }
    for name, path in files.items():
        truth = lenient.tag(path)
        record = records[name]
        assert words.get(name, "") in " ".join(truth.warnings)
        if name != "joined.mp3":  # FFmpeg takes the second header for a packet that is damaged
            assert record["warnings"] == list(truth.warnings), name
        # Behind damage, and at joints, the browser's decoder begins anew, some 20 ms of sound sooner or later.
        begins_anew = name in ("packet.m4a", "page.ogg", "chain.ogg", "joined.mp3")
        same(record, truth, close=4 * CLOSE if begins_anew else CLOSE)


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


def test_takes_folders_and_drops(serve: Any, visit: Any, tmp_path: Path) -> None:
    folder = tmp_path / "my music"
    (folder / "live").mkdir(parents=True)
    short = sounds.write(folder / "live" / "b, c.wav", sounds.music(1, 16_000), 16_000)
    (folder / "a.wav").write_bytes(short.read_bytes())
    (folder / "cover.jpg").write_bytes(b"no sound")
    person = visit(serve().url)
    person.page.set_input_files("#folder-input", str(folder))
    person.page.wait_for_selector('#rows[data-finished="2"]', state="attached")
    assert person.export("m3u").splitlines()[2::2] == ["my music/a.wav", "my music/live/b, c.wav"]
    drop = """bytes => {
        const dropped = new DataTransfer();
        dropped.items.add(new File([Uint8Array.from(bytes)], "dropped.wav"));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
    }"""
    person.page.evaluate(drop, list(short.read_bytes()))
    person.page.wait_for_selector('#rows[data-finished="3"]', state="attached")
    paths = {record["path"]: record["tags"][0] for record in json.loads(person.export("json"))}
    assert paths["dropped.wav"] == paths["my music/a.wav"]


def test_ten_minutes(serve: Any, visit: Any, tagger: earmark.Tagger, tmp_path: Path) -> None:
    """The frames of a clip over and over, without the header that says how many there are."""
    clip = (ROOT / "examples/clips/03-rock.mp3").read_bytes()
    second = clip.index(b"\xff\xfb", clip.index(b"\xff\xfb") + 4)
    long = tmp_path / "ten minutes.mp3"
    long.write_bytes(clip[second:] * 22)
    (record,) = visit(serve().url).tag(long)
    assert record["duration_seconds"] > 600
    same(record, tagger.tag(long))


def test_a_browser_without_its_decoders_decodes_whole_files(
    serve: Any, visit: Any, tagger: earmark.Tagger, tmp_path: Path
) -> None:
    """Over http:// from another machine, browsers hide WebCodecs, service workers and the microphone."""
    person = visit(f"http://page.test:{serve().port}/")
    assert person.page.get_attribute("html", "data-settled") == "online"
    long = sounds.write(tmp_path / "long.wav", np.zeros(3600 * 8000), 8000)
    *records, refused = person.tag(CLIPS[0], CLIPS[2], long)
    for record, clip in zip(records, (CLIPS[0], CLIPS[2]), strict=True):
        same(record, tagger.tag(clip), close=2.5 * CLOSE)  # the browser has its own way to another rate
    assert refused["error"].startswith("too long (1:00:00)")
    person.page.click("#record")
    person.page.wait_for_selector('#news:has-text("No recording: this browser gives the microphone only to")')
    # Said of every page that comes this way.
    person.errors[:] = [error for error in person.errors if "Opener-Policy header has been ignored" not in error]


def test_the_table_sorts_and_filters_and_the_taggram_follows_the_player(serve: Any, visit: Any) -> None:
    person = visit(serve().url)
    page = person.page
    records = person.tag(*CLIPS)
    tag = records[2]["tags"][0]["tag"]
    by_score = sorted(records, key=lambda r: -next(t["score"] for t in r["tags"] if t["tag"] == tag))
    page.select_option("#by-tag", label=tag)
    names = page.locator("#rows button.name")
    assert names.all_inner_texts() == [record["path"] for record in by_score]
    assert page.get_attribute("th.score", "aria-sort") == "descending"
    page.click("th.length button")
    by_length = sorted(records, key=lambda record: record["duration_seconds"])
    assert names.all_inner_texts() == [record["path"] for record in by_length]
    least = next(t["score"] for t in by_score[1]["tags"] if t["tag"] == tag) - 0.005
    page.locator("#at-least").fill(f"{least:.2f}")
    assert names.count() == 2
    assert {r["path"] for r in json.loads(person.export("json"))} == {r["path"] for r in by_score[:2]}

    names.first.click()
    assert page.inner_text("#detail-title") == names.first.inner_text()
    assert page.evaluate("document.activeElement.id") == "detail-title"
    slider = page.locator("[role=slider]")
    slider.scroll_into_view_if_needed()
    seconds = float(slider.get_attribute("aria-valuemax"))
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    page.wait_for_selector("#player:not([paused])")
    assert page.evaluate("player.currentTime") == pytest.approx(seconds / 2, abs=1.5)
    page.evaluate("player.pause()")
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert 1 <= page.evaluate("player.currentTime") <= 12  # a window, but not beyond the end
    assert slider.get_attribute("aria-valuetext").startswith(page.inner_text("#now").split(":")[0])
    page.click("#clear")
    assert not page.is_visible("#detail")
    assert not page.is_visible("#files")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_usable_by_all(serve: Any, visit: Any, tmp_path: Path, scheme: str) -> None:
    """Names, roles and contrast by axe; on a phone nothing is wider than the screen."""
    axe = ROOT / "web/node_modules/axe-core/axe.min.js"
    if not axe.is_file():
        absent("axe-core is not installed (make web)")
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    person = visit(serve().url, color_scheme=scheme, **phone)
    page = person.page
    page.evaluate(axe.read_text(encoding="utf-8"))
    for _ in range(2):  # empty, then with files, of which one failed
        found = page.evaluate("axe.run()")["violations"]
        assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        if page.is_hidden("#files"):
            empty = tmp_path / "empty.mp3"
            empty.touch()
            person.tag(CLIPS[0], empty)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")

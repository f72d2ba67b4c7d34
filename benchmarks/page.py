"""Speed, memory and download size of the page, in an installed Chromium.

    make web && python benchmarks/page.py --out docs/results/page.md
    make web && python benchmarks/page.py --tempo-key                  # only what tempo and key cost
    make web && python benchmarks/page.py --picture docs/page.png      # the page with the example clips, and no measurement

Serves the built page from this machine and gives it music made from the example clips: three minutes in several
formats, and an hour. Times are from handing a file over to its scores; memory is the largest resident size of a
renderer process, as Linux counts it. Needs `earmark[dev]` and Chromium.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import json
import os
import platform
import shutil
import statistics
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from machine import cpu_name
from playwright.sync_api import Browser, Page, sync_playwright

from earmark import audio
from earmark.audio.file_discovery import find_audio
from earmark.core.cpu import available_cores
from earmark.service.page import PAGE_FOLDER

ROOT = Path(__file__).parent.parent
RATE_HZ = 48_000
SONG_SECONDS = 180
CODECS = {"mp3": "libmp3lame", "m4a": "aac", "flac": "flac", "opus": "libopus", "wav": "pcm_s16le"}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def serve(headers: dict[str, str]) -> tuple[http.server.ThreadingHTTPServer, str]:
    """The built page on a free port."""

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
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(PAGE_FOLDER)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/"


def encode(path: Path, samples: np.ndarray, times: int = 1) -> Path:
    """Stereo (2, n) float32 in the format that the name's ending says, `times` over."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODECS[path.suffix[1:]], rate=RATE_HZ, layout="stereo")
        resampler = av.AudioResampler(stream.format.name, "stereo", RATE_HZ)
        at = 0
        for _ in range(times):
            for start in range(0, samples.shape[1], 65_536):
                part = np.ascontiguousarray(samples[:, start : start + 65_536])
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
                frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, at, Fraction(1, RATE_HZ)
                at += part.shape[1]
                for converted in resampler.resample(frame):
                    container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return path


def opened(browser: Browser, url: str) -> tuple[Page, float]:
    """The page in a fresh profile, and the seconds until it was ready to tag."""
    page = browser.new_context().new_page()
    page.set_default_timeout(600_000)
    started = time.perf_counter()
    page.goto(url)
    page.wait_for_selector("html[data-ready=yes]")
    ready = time.perf_counter() - started
    page.wait_for_selector("html[data-settled]")
    return page, ready


def tagged(page: Page, path: Path) -> float:
    """Seconds from handing over a file to its scores."""
    started = time.perf_counter()
    page.set_input_files("#files-input", [str(path)])
    page.wait_for_selector('#rows[data-finished="1"]', state="attached")
    seconds = time.perf_counter() - started
    if page.locator("#rows .error").count():
        raise SystemExit(f"{path.name}: {page.inner_text('#rows .error')}")
    page.click("#clear")
    page.wait_for_selector('#rows[data-finished="0"]', state="attached")
    return seconds


def take_picture(browser: Browser, url: str, out: Path) -> None:
    """The page with the example clips, as a PNG."""
    page = browser.new_context(viewport={"width": 1100, "height": 900}).new_page()
    page.set_default_timeout(600_000)
    page.goto(url)
    page.wait_for_selector("html[data-settled]")
    clips = sorted((ROOT / "examples" / "clips").iterdir())
    page.set_input_files("#files-input", clips)
    page.wait_for_selector(f'#rows[data-finished="{len(clips)}"]', state="attached")
    page.wait_for_timeout(1_000)  # the player has loaded
    page.screenshot(path=out, full_page=True)


def renderers(browser: Browser) -> list[int]:
    """Numbers of its renderer processes."""
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return [item["id"] for item in found if item["type"] == "renderer"]


def tempo_key_cost(browser: Browser, url: str, repeats: int) -> str:
    """CPU seconds of the renderer for the example clips with tempo and key and without, by turns."""
    page, _ = opened(browser, url)
    clips = sorted((ROOT / "examples" / "clips").iterdir())
    processes = renderers(browser)

    def cpu_seconds() -> float:
        fields = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in processes]
        return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")

    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(repeats + 1):
        for wanted in (turn % 2 == 0, turn % 2 == 1):
            page.set_checked("#measure", wanted)
            before = cpu_seconds()
            page.set_input_files("#files-input", clips)
            page.wait_for_selector(f'#rows[data-finished="{len(clips)}"]', state="attached")
            taken[wanted].append(cpu_seconds() - before)
            page.click("#clear")
            page.wait_for_selector('#rows[data-finished="0"]', state="attached")
    both, tags = (statistics.median(taken[wanted][1:]) for wanted in (True, False))
    return (
        f"six example clips, medians of {repeats} runs after one that is not counted, in seconds of CPU: {both:.1f} "
        f"with tempo and key, {tags:.1f} without: {100 * (both / tags - 1):.0f} % more; load {os.getloadavg()[0]:.1f}"
    )


def renderer_megabytes(browser: Browser) -> float:
    """Largest resident size that any renderer of this browser has had."""
    peaks = []
    for each in renderers(browser):
        lines = Path(f"/proc/{each}/status").read_text().splitlines()
        peaks += [int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM")]
    return max(peaks)


def sizes() -> dict[str, Any]:
    """Megabytes of the page's files as they are, and with what is text sent as gzip."""
    files = [path for path in PAGE_FOLDER.rglob("*") if path.is_file() and path.name != "headers.json"]
    plain = sum(path.stat().st_size for path in files)
    packed = sum(min(path.stat().st_size, len(gzip.compress(path.read_bytes()))) for path in files)
    largest = sorted(files, key=lambda path: -path.stat().st_size)[:3]
    return {
        "plain": plain / 1e6,
        "packed": packed / 1e6,
        "largest": ", ".join(f"{path.name.split('-')[0]} {path.stat().st_size / 1e6:.1f} MB" for path in largest),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="counted runs of each (default: 3)")
    parser.add_argument("--hours", type=int, default=1, help="length of the long file (default: 1)")
    parser.add_argument("--browser", default=shutil.which("chromium"), help="program (default: chromium)")
    parser.add_argument("--out", type=Path, help="write the table there as well")
    parser.add_argument("--picture", type=Path, help="write only a picture of the page there")
    parser.add_argument("--tempo-key", action="store_true", help="measure only what tempo and key cost")
    options = parser.parse_args()
    headers = json.loads((PAGE_FOLDER / "headers.json").read_text())
    if options.picture or options.tempo_key:
        with sync_playwright() as driver:
            server, url = serve(headers)
            browser = driver.chromium.launch(executable_path=options.browser, args=FLAGS)
            if options.picture:
                take_picture(browser, url, options.picture)
            if options.tempo_key:
                print(tempo_key_cost(browser, url, options.repeats))
            browser.close()
            server.shutdown()
        return
    rows: list[tuple[str, str]] = []
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        clips = [audio.load(item.path, RATE_HZ) for item in find_audio([ROOT / "examples" / "clips"]) if not item.error]
        left = np.resize(np.concatenate(clips), SONG_SECONDS * RATE_HZ)
        song = np.stack([left, np.roll(left, 441) * np.float32(0.8)])
        songs = [encode(folder / f"song.{kind}", song) for kind in CODECS]
        long = encode(folder / "long.mp3", song, times=options.hours * 3600 // SONG_SECONDS)
        weight = sizes()
        rows.append(("download, files as they are", f"{weight['plain']:.1f} MB ({weight['largest']})"))
        rows.append(("download, text as gzip", f"{weight['packed']:.1f} MB"))
        for threads, sent in (("several threads", headers), ("one thread", {})):
            server, url = serve(sent)
            browser = driver.chromium.launch(executable_path=options.browser, args=FLAGS)
            page, ready = opened(browser, url)
            n_threads = page.get_attribute("html", "data-threads")
            rows.append((f"from the address to ready, {threads}", f"{ready:.1f} s"))
            tagged(page, songs[0])
            for path in songs if sent else songs[:1]:
                minute = statistics.median(tagged(page, path) for _ in range(options.repeats)) * 60 / SONG_SECONDS
                what = f"a minute of {path.suffix[1:]}, {threads} ({n_threads})"
                rows.append((what, f"{minute:.2f} s, {60 / minute:.0f}x real time"))
            rows.append(
                (f"peak memory of the renderer, three minutes, {threads}", f"{renderer_megabytes(browser):.0f} MB")
            )
            if sent:
                seconds = tagged(page, long)
                rows.append(
                    (f"{options.hours} h of mp3", f"{seconds:.0f} s, {options.hours * 3600 / seconds:.0f}x real time")
                )
                rows.append(
                    (f"peak memory of the renderer, {options.hours} h", f"{renderer_megabytes(browser):.0f} MB")
                )
            version = browser.version
            browser.close()
            server.shutdown()
    lines = [
        "# The page: speed, memory and download size",
        "",
        f"Written by `python benchmarks/page.py --repeats {options.repeats} --hours {options.hours} "
        f"--out docs/results/page.md`. Medians of {options.repeats} counted runs after one that is not.",
        f"Machine: {cpu_name()}, {available_cores()} cores, {platform.system()}, Chromium {version}, headless; "
        f"load of the machine before and after: {load_before:.1f}, {os.getloadavg()[0]:.1f}.",
        "",
        "| what | measured |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in rows),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

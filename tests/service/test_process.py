"""`earmark serve` as a process: its settings, its log, its end, and what it never imports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from earmark.core.errors import ConfigError
from earmark.service.scratch import Scratch
from earmark.service.settings import Settings
from tests.helpers import sounds
from tests.helpers.command import earmark_here
from tests.helpers.served import COMMAND, Process
from tests.helpers.waiting import wait_until


@pytest.mark.slow
def test_sigterm_finishes_what_runs_and_the_log_has_no_names(tmp_path: Path) -> None:
    long = sounds.write(tmp_path / "secret name.flac", sounds.hum(1800, 8000), 8000)
    (tmp_path / "uploads").mkdir()
    service = Process("--host", "0.0.0.0", "--temporary-folder", str(tmp_path / "uploads"))
    warning = next(line for line in service.lines if line["level"] == "warning")
    assert "EARMARK_SERVE_API_KEY" in warning["event"]
    url = service.url.replace("0.0.0.0", "127.0.0.1")
    pid = service.process.pid
    sent = subprocess.Popen(
        [sys.executable, "-c", SEND, url, str(long)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    wait_until(lambda: any((tmp_path / "uploads").rglob("0000.flac")))
    service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 503)
    answer, _ = sent.communicate(timeout=60)
    assert answer.split() == ["200", "1", "ok"]
    assert service.end() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not any((tmp_path / "uploads").iterdir())
    (request,) = (line for line in service.lines if line.get("route") == "/v1/tag")
    assert (request["status"], request["n_files"], request["n_tagged"]) == (200, 1, 1)
    assert request["audio_seconds"] == pytest.approx(1800, abs=1)
    assert "secret" not in str(service.lines)
    assert service.lines[-1]["event"] == "stopped"


SEND = """
import sys, httpx
answer = httpx.post(sys.argv[1] + "/v1/tag?top=1", files={"files": open(sys.argv[2], "rb")}, timeout=60)
records = answer.json()["results"]
print(answer.status_code, len(records), records[0]["status"])
"""


@pytest.mark.slow
def test_ctrl_c_names_when_asked_a_second_signal_and_what_a_killed_one_left(tmp_path: Path) -> None:
    flag = ("--temporary-folder", str(tmp_path))
    killed = Process(*flag)
    killed.process.kill()
    assert killed.end() == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    (left / "upload.mp3").touch()
    kept = Scratch(tmp_path)  # alive: it must not be taken away
    assert left.exists()  # may be one that has just been started
    hour_ago = time.time() - 3600
    os.utime(left, (hour_ago, hour_ago))
    service = Process(*flag, EARMARK_SERVE_LOG_FILE_NAMES="1")
    answer = httpx.post(f"{service.url}/v1/tag", files={"files": ("a name.mp3", b"x")})
    assert answer.status_code == 422
    malformed = httpx.post(
        f"{service.url}/v1/tag", content=b"x", headers={"Content-Type": "multipart/form-data; boundary=y"}
    )
    assert malformed.status_code == 400  # and nothing but JSON in the log
    connection = httpx.stream("GET", f"{service.url}/healthz")  # an open connection does not keep it
    service.process.send_signal(signal.SIGINT)
    assert service.end() == 130
    del connection
    request, _ = (line for line in service.lines if line.get("route") == "/v1/tag")
    assert request["files"] == ["a name.mp3"]
    assert kept.folder.exists()
    kept.close()


def test_show_settings_shows_value_and_origin_but_no_key() -> None:
    environment = {"EARMARK_SERVE_MAX_FILES": "7", "EARMARK_SERVE_API_KEY": "open sesame"}
    done = earmark_here("serve", "--port", "0", "--max-megabytes", "12.5", "--show-settings", environment=environment)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert rows["--max-files"] == ["--max-files", "EARMARK_SERVE_MAX_FILES", "7", "environment"]
    assert rows["--max-megabytes"] == ["--max-megabytes", "EARMARK_SERVE_MAX_MEGABYTES", "12.5", "flag"]
    assert rows["--port"][2:] == ["0", "flag"]
    assert rows["--max-in-flight"][2:] == ["64", "default"]
    assert "sesame" not in done.stdout
    for limit in ("--max-minutes", "--timeout-seconds", "--workers", "--stop-seconds", "--drain-seconds", "--api-key"):
        assert limit in rows


def test_flags_and_settings_have_the_same_defaults() -> None:
    import dataclasses
    import inspect

    from earmark.cli.serve import serve

    flags = {name: parameter.default for name, parameter in inspect.signature(serve).parameters.items()}
    for field in dataclasses.fields(Settings):
        name = {"models": "model"}.get(field.name, field.name)
        assert (flags[name] or None) == (field.default or None), name


def test_wrong_settings_are_reported_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings(port=70_000, max_files=0, max_minutes=float("nan"), api_key="short", temporary_folder=tmp_path / "no")
    assert len(caught.value.problems) == 5
    assert "short" not in str(caught.value)
    assert "short" not in repr(Settings(api_key="short but long enough"))


@pytest.mark.parametrize(
    ("host", "key", "exposed"),
    [
        ("127.0.0.1", None, False),
        ("::1", None, False),
        ("localhost", None, False),
        ("0.0.0.0", None, True),
        ("::", None, True),
        ("example.org", None, True),
        ("0.0.0.0", "open sesame", False),
    ],
)
def test_who_is_exposed(host: str, key: str | None, exposed: bool) -> None:
    assert Settings(host=host, api_key=key).is_exposed is exposed


@pytest.mark.slow
def test_it_needs_nothing_of_the_research_half() -> None:
    heavy = ("torch", "lightning", "pandas", "librosa", "sklearn", "matplotlib", "onnx", "scipy", "yaml", "pyarrow")
    code = (
        "import sys, numpy\n"
        "from earmark.service import app, server\n"
        "app.create_app()\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_an_address_in_use_is_reported(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([*COMMAND[:-1], str(port)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr

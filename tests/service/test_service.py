"""The service over a real socket: records as the command line gives them, models, metrics, the page, the key."""

from __future__ import annotations

import dataclasses
import html
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import earmark
from earmark.cli.main import app as command_line
from earmark.core.errors import ModelError
from earmark.core.tag_constraints import TagConstraints
from earmark.service.app import create_app
from earmark.service.page import how_to_build
from earmark.service.problems import TITLES
from earmark.service.schemas import EXAMPLE_RECORD
from earmark.service.settings import Settings
from earmark.service.tag_query import TagQuery
from earmark.service.uploads import file_name
from earmark.tagging.runtime import DEFAULT_MODEL
from tests.conftest import ROOT
from tests.helpers import sounds
from tests.helpers.degrees import CARD as GRADED
from tests.helpers.onnx_files import tiny, with_card
from tests.helpers.served import Served, serving
from tests.helpers.waiting import wait_until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("uploads")) as service:
        yield service
        wait_until(lambda: not service.kept)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("songs")
    return [
        sounds.write(folder / "1 first.mp3", sounds.music(7, 44_100, 2), 44_100),
        sounds.write(folder / "2 second.flac", sounds.music(5, 48_000, 2, seed=1), 48_000),
        sounds.write(folder / "third.m4a", sounds.music(4, 44_100, 2, seed=2), 44_100),
    ]


@pytest.mark.slow
def test_records_are_those_of_the_command_line(
    served: Served, songs: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = served.tag(*songs)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    monkeypatch.chdir(songs[0].parent)
    command_line(["tag", *[song.name for song in songs], "--format", "jsonl", "--quiet"], standalone_mode=False)
    expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = answer.json()["results"]
    for ours, theirs in zip(found, expected, strict=True):
        assert list(ours) == list(theirs)
        assert {**ours, "tags": None} == {**theirs, "tags": None}
        scores = {tag["tag"]: tag["score"] for tag in ours["tags"]}
        for tag in theirs["tags"]:  # batches are filled across files there, so the last digit may differ
            assert scores[tag["tag"]] == pytest.approx(tag["score"], abs=2e-4)


@pytest.mark.slow
def test_what_the_docs_show_is_true(served: Served) -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "service.md").read_text("utf-8"), re.DOTALL)
    answer = served.tag(ROOT / "examples" / "clips" / "03-rock.mp3", top=2).json()
    assert answer == json.loads(shown) == {"results": [EXAMPLE_RECORD]}


def test_the_docs_name_every_refusal_flag_and_setting() -> None:
    page = (ROOT / "docs" / "service.md").read_text("utf-8")
    flags = [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Settings)]
    words = {*TITLES, *TagQuery.model_fields, *(flag for flag in flags if "max" in flag or "seconds" in flag)}
    assert [word for word in sorted(words - {"not-ready"}) if f"`{word}`" not in page] == []


@pytest.mark.slow
def test_top_threshold_and_taggram(served: Served, songs: list[Path]) -> None:
    (everything,) = served.tag(songs[0]).json()["results"]
    (record,) = served.tag(songs[0], top=2, taggram="true").json()["results"]
    assert record["tags"] == everything["tags"][:2]
    scores = earmark.load_tagger().tag(songs[0])
    taggram = record["taggram"]
    assert taggram["tags"] == list(scores.tags)
    np.testing.assert_allclose(taggram["scores"], scores.taggram, atol=2e-4)
    np.testing.assert_allclose(taggram["window_starts_seconds"], scores.window_starts_seconds, atol=1e-3)
    limit = everything["tags"][1]["score"] - 1e-4
    (over,) = served.tag(songs[0], threshold=limit).json()["results"]
    assert over["tags"] == everything["tags"][:2]
    (auto,) = served.tag(songs[0], threshold="auto").json()["results"]
    assert [tag["tag"] for tag in auto["tags"]] == [tag.tag for tag in scores.top(0, "auto")]
    assert auto["abstained"] is (not auto["tags"])


@pytest.mark.slow
def test_windows_and_segments_are_those_of_the_command_line(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loud, quiet = sounds.music(40, 16_000), np.zeros((1, 10 * 16_000))
    song = sounds.write(tmp_path / "a.flac", np.concatenate([loud[:1], quiet, loud[:1]], axis=1), 16_000)
    for query, flags in (
        ({"windows": 3}, ["--windows", "3"]),
        ({"segments": "true", "threshold": "auto"}, ["--segments", "--threshold", "auto"]),
        (
            {"segments": "true", "min_segment": 5, "smoothing": 0.5, "step": 5, "top": 2},
            ["--segments", "--min-segment", "5", "--smoothing", "0.5", "--step", "5", "--top", "2"],
        ),
    ):
        (ours,) = served.tag(song, **query).json()["results"]
        command_line(["tag", str(song), "--format", "jsonl", "--quiet", *flags], standalone_mode=False)
        theirs = json.loads(capsys.readouterr().out)
        assert list(ours) == list(theirs)
        assert ours["windows"] == theirs["windows"]
        assert ours["heard_seconds"] == theirs["heard_seconds"]
        shown = [
            [
                (part["start_seconds"], part["end_seconds"], part["silent"], [tag["tag"] for tag in part["tags"]])
                for part in record.get("segments", [])
            ]
            for record in (ours, theirs)
        ]
        assert shown[0] == shown[1]
        assert ("segments" in ours) == ("segments" in query)
    assert any(part["silent"] for part in ours["segments"])
    assert all(len(part["tags"]) <= 2 for part in ours["segments"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"windows": 65}, ["windows '65'", "1 to 64"]),
        ({"windows": 0}, ["windows '0'"]),
        ({"step": 0.01}, ["step '0.01'", "0.1 or more"]),
        ({"smoothing": "nan", "segments": "true"}, ["smoothing", "above 0"]),
        ({"segments": "perhaps"}, ["true or false"]),
        ({"windows": 4, "segments": "true"}, ["windows with segments"]),
        ({"windows": 4, "tempo": "true", "key": "true"}, ["windows with tempo", "windows with key"]),
        ({"key": "F#m"}, ["key 'F#m'", "true or false"]),
        ({"windows": 4, "step": 1, "min_segment": 3}, ["windows with step", "min_segment: only with segments=true"]),
    ],
)
def test_wrong_windows_and_segments_are_refused(
    served: Served, songs: list[Path], query: dict[str, Any], words: list[str]
) -> None:
    refused = served.tag(songs[0], **query)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:earmark:problem:wrong-values")
    assert all(word in refused.json()["detail"] for word in words)


@pytest.mark.slow
def test_tempo_and_key_are_those_of_the_command_line(
    served: Served, songs: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for query, flags in (
        ({}, []),
        ({"tempo": "true"}, ["--tempo"]),
        ({"key": "true"}, ["--key"]),
        ({"tempo": 1, "key": 1}, ["--tempo", "--key"]),
    ):
        (ours,) = served.tag(songs[0], **query).json()["results"]
        command_line(["tag", str(songs[0]), "--format", "jsonl", "--quiet", *flags], standalone_mode=False)
        theirs = json.loads(capsys.readouterr().out)
        assert list(ours) == list(theirs)
        assert {name: ours.get(name) for name in ("tempo", "key")} == {
            name: theirs.get(name) for name in ("tempo", "key")
        }
        assert {"tempo", "key"} & ours.keys() == set(query)
    assert ours["tempo"].keys() == {"bpm", "confidence"}
    assert ours["key"].keys() == {"key", "name", "camelot", "open_key", "confidence", "tuning_hz"}


@pytest.mark.slow
def test_rules_of_a_card_hold_in_the_service_as_elsewhere(tmp_path: Path) -> None:
    clip = ROOT / "examples" / "clips" / "01-piano.flac"
    ranked = [tag for tag in earmark.load_tagger().tag(clip).top(0) if tag.kind == "classification"]
    first = ranked[0].tag
    # Of the tags that it clearly beats, the first two reach their thresholds, too; the others do not.
    rival, held, implied, unmet = [tag.tag for tag in ranked if tag.score < ranked[0].score - 0.15][:4]
    rules = TagConstraints(parents={held: (implied,), rival: (unmet,)}, rivals={first: (rival,)})
    thresholds = {tag.tag: 0.0 if tag.tag in (first, rival, held) else 1.0 for tag in ranked}
    model = with_card(tmp_path / "ruled.onnx", name="ruled", rules=rules, thresholds=thresholds)
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    with serving(uploads, models=(str(model),)) as service:
        (record,) = service.tag(clip, threshold="auto").json()["results"]
        card = service.client.get("/v1/models/ruled").json()
        wait_until(lambda: not service.kept)
    assert [tag["tag"] for tag in record["tags"] if tag["kind"] == "classification"] == [first, held, implied]
    scores = earmark.load_tagger(model).tag(clip)
    assert [tag.tag for tag in scores.top(0, "auto") if tag.kind == "classification"] == [first, held, implied]
    assert card["rules"]["parents"] == {held: [implied], rival: [unmet]}
    assert card["rules"]["rivals"] == {first: [rival]}


@pytest.mark.slow
def test_degrees_of_a_model_are_beside_its_tags(tmp_path: Path) -> None:
    clip = ROOT / "examples" / "clips" / "01-piano.flac"
    model = tiny(tmp_path / "graded.onnx", GRADED)
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    with serving(uploads, models=(str(model),)) as service:
        (record,) = service.tag(clip, threshold=1, top=1).json()["results"]
        (everything,) = service.tag(clip).json()["results"]
        wait_until(lambda: not service.kept)
    expected = earmark.load_tagger(model).tag(clip).degrees
    assert record["degrees"] == everything["degrees"] == pytest.approx(expected, abs=2e-4)
    assert {tag["tag"] for tag in everything["tags"]} == set(GRADED.vocabulary.names) - set(GRADED.degrees)


def bad_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Name -> bytes that cannot be tagged, and a word of why."""
    flac = sounds.write(folder / "whole.flac", sounds.music(6, 44_100), 44_100)
    mp3 = sounds.write(folder / "whole.mp3", sounds.music(6, 44_100), 44_100)
    nan, infinite = sounds.music(2, 44_100), sounds.music(2, 44_100)
    nan[0, 1000], infinite[0, 1000] = np.nan, np.inf
    unknown = sounds.write_int_wav(folder / "unknown.wav", sounds.music(1, 16_000)[0], 16_000).read_bytes()
    return {
        "empty.mp3": (b"", "empty"),
        "letter.mp3": (b"dear friend\n" * 100, "not audio"),
        "noise.mp3": (np.random.default_rng(1).bytes(50_000), "audio"),
        "cut.flac": (sounds.shorten(flac, 0.6, folder / "a").read_bytes(), "truncated"),
        "cut.mp3": (sounds.shorten(mp3, 0.6, folder / "a").read_bytes(), "truncated"),
        "nan.wav": (sounds.write_float_wav(folder / "a.wav", nan, 44_100).read_bytes(), "NaN"),
        "infinite.wav": (sounds.write_float_wav(folder / "a.wav", infinite, 44_100).read_bytes(), "infinite"),
        "nothing.wav": (sounds.write_float_wav(folder / "a.wav", np.zeros((1, 0)), 44_100).read_bytes(), "no audio"),
        "slow.wav": (sounds.write_float_wav(folder / "a.wav", sounds.music(3, 16_000), 1).read_bytes(), "of 1 Hz"),
        "fast.wav": (sounds.write_float_wav(folder / "a.wav", np.ones((1, 9)), 500_000_000).read_bytes(), "less audio"),
        "unknown.wav": (unknown[:20] + b"\x34\x12" + unknown[22:], "no decoder"),  # of the codec 0x1234
        "list.mp3": (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.aac\n", "not audio"),
    }


@pytest.mark.slow
def test_bad_audio_is_reported_next_to_good_and_refused_alone(
    served: Served, songs: list[Path], tmp_path: Path
) -> None:
    bad = bad_files(tmp_path)
    answer = served.tag(songs[0], *[(name, content) for name, (content, _) in bad.items()], songs[1])
    assert answer.status_code == 200
    first, *failed, last = answer.json()["results"]
    assert (first["status"], last["status"]) == ("ok", "ok")
    assert [record["path"] for record in failed] == list(bad)
    for record, (_, word) in zip(failed, bad.values(), strict=True):
        assert record["status"] == "error"
        assert word in record["error"]
        assert str(tmp_path) not in record["error"]
    for name, (content, word) in bad.items():
        alone = served.tag((name, content))
        assert alone.status_code == 422, name
        assert alone.headers["content-type"] == "application/problem+json"
        assert alone.json()["type"] == "urn:earmark:problem:not-tagged"
        assert word in alone.json()["detail"]
        assert alone.json()["results"][0]["path"] == name
    cut = served.tag(("cut.flac", bad["cut.flac"][0]), damaged="tag")
    assert cut.status_code == 200
    assert "truncated" in cut.json()["results"][0]["warnings"][0]


@pytest.mark.slow
def test_silence_and_unusual_audio_are_tagged(served: Served, tmp_path: Path) -> None:
    still = sounds.write(tmp_path / "still.wav", np.zeros((2, 32_000)), 16_000)
    shapes = [(0.2, 44_100, 1), (3, 8_000, 8), (3, 192_000, 2), (1 / 8_000, 8_000, 1)]
    paths = [
        sounds.write_float_wav(tmp_path / f"{k}.wav", sounds.music(*shape), shape[1]) for k, shape in enumerate(shapes)
    ]
    silent, *others = served.tag(still, *paths).json()["results"]
    assert "silent" in silent["warnings"][0]
    for record, (seconds, _, _) in zip(others, shapes, strict=True):
        assert record["duration_seconds"] == pytest.approx(seconds, abs=1e-3)
        assert all(0 <= tag["score"] <= 1 for tag in record["tags"])


@pytest.mark.slow
def test_odd_names_come_back_as_they_were(served: Served, tmp_path: Path) -> None:
    content = sounds.write_int_wav(tmp_path / "a.wav", sounds.music(1, 16_000)[0], 16_000).read_bytes()
    names = ["песня 曲 🎵.wav", "../../etc/passwd", "-q.wav", "a" * 300 + ".wav", "it's $2.wav", "a.exe", "no ending"]
    records = served.tag(*[(name, content) for name in names]).json()["results"]
    assert [record["path"] for record in records] == names
    assert {record["status"] for record in records} == {"ok"}
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="caf\xe9\xff.wav"\r\n\r\n' + content
    body += b'\r\n--x\r\nContent-Disposition: form-data; name="files"\r\n\r\n' + content + b"\r\n--x--\r\n"
    answer = served.client.post("/v1/tag", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    answer.content.decode("utf-8")  # strict
    named, unnamed = answer.json()["results"]
    assert os.fsencode(named["path"]) == b"caf\xe9\xff.wav"
    assert unnamed["path"] is None


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ("filename=\"=?utf-8?B?w7wubXAz?=\"; filename*=utf-8''%C3%BC.mp3", "ü.mp3"),
        ("filename*=UTF-8''%C3%BC.mp3", "ü.mp3"),
        ("filename=\"x.mp3\"; filename*=utf-8'en'%e2%82%ac%20rates.mp3", "€ rates.mp3"),
        ("filename*=iso-8859-1''%FC.mp3", "ü.mp3"),
        ("filename*=no-such-charset''%C3%BC.mp3", "ü.mp3"),
        ("filename*0*=UTF-8''%C3%BC; filename*1=\" b.mp3\"", "ü b.mp3"),
        ('filename*0="a"; filename*1="b.mp3"', "ab.mp3"),
        ('filename="z.mp3"; filename*0="a"; filename*="b.mp3"', "z.mp3"),
        ('filename="01 =?utf-8?Q?=C3=BC?= =?iso-8859-1?B?/C5tcDM=?="', "01 üü.mp3"),
        ('filename="=?utf-8?B?####?="', "=?utf-8?B?####?="),
        ('filename="=?no-such-charset?B?w7w=?="', "=?no-such-charset?B?w7w=?="),
        ('filename="why=?.mp3"', "why=?.mp3"),
        ("filename=\"a; filename*=UTF-8''b.mp3\"", "a; filename*=UTF-8''b.mp3"),
        ('filename="ü*.mp3"', "ü*.mp3"),
    ],
)
def test_encoded_names_of_uploads_are_read(parameters: str, name: str) -> None:
    assert file_name(f"form-data; name=files; {parameters}".encode()) == name


def test_an_encoded_name_alone_makes_an_upload(served: Served, tmp_path: Path) -> None:
    content = sounds.write_int_wav(tmp_path / "a.wav", sounds.music(1, 16_000)[0], 16_000).read_bytes()
    body = b"--x\r\nContent-Disposition: form-data; name=\"files\"; filename*=UTF-8''%C3%BC.wav\r\n\r\n" + content
    body += b"\r\n--x--\r\n"
    answer = served.client.post("/v1/tag", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    (record,) = answer.json()["results"]
    assert (record["path"], record["status"]) == ("ü.wav", "ok")


def test_models_and_their_cards(served: Served) -> None:
    (model,) = served.client.get("/v1/models").json()["models"]
    card = earmark.load_tagger().card
    assert (model["name"], model["default"], model["n_tags"]) == (card.name, True, len(card.vocabulary))
    shown = served.client.get(f"/v1/models/{model['name']}")
    assert shown.json() == json.loads(card.to_json())
    missing = served.client.get("/v1/models/earmrak")
    assert (missing.status_code, missing.json()["detail"]) == (404, f"model 'earmrak': served are {DEFAULT_MODEL}")


@pytest.mark.slow
def test_several_models_the_first_is_the_default(tmp_path: Path, songs: list[Path]) -> None:
    second = with_card(tmp_path / "a file.onnx", name="second", licence="none")
    (tmp_path / "uploads").mkdir()
    with serving(tmp_path / "uploads", models=(str(second), DEFAULT_MODEL)) as served:
        models = served.client.get("/v1/models").json()["models"]
        assert [(item["name"], item["default"]) for item in models] == [("second", True), (DEFAULT_MODEL, False)]
        assert served.client.get("/v1/models/second").json()["licence"] == "none"
        assert served.tag(songs[2]).json()["results"][0]["model"] == "second"
        assert served.tag(songs[2], model=DEFAULT_MODEL).json()["results"][0]["model"] == DEFAULT_MODEL
    with pytest.raises(ModelError, match="served already"):
        create_app(Settings(models=(DEFAULT_MODEL, DEFAULT_MODEL)))
    with pytest.raises(ModelError, match=f"did you mean {DEFAULT_MODEL}"):
        create_app(Settings(models=(DEFAULT_MODEL[:-1],)))


@pytest.mark.slow
def test_health_and_metrics(served: Served, songs: list[Path]) -> None:
    assert served.client.get("/healthz").json() == {"status": "ok"}
    assert served.client.get("/readyz").status_code == served.client.head("/readyz").status_code == 200

    def counted() -> dict[str, float]:
        lines = served.client.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}

    before = counted()
    assert served.tag(songs[0], ("x.mp3", b"x")).status_code == 200
    after = counted()
    grown = {name: after[name] - before.get(name, 0) for name in after if name.startswith("earmark_")}
    assert grown['earmark_files_total{outcome="ok"}'] == 1
    assert grown['earmark_files_total{outcome="error"}'] == 1
    assert grown["earmark_audio_seconds_total"] == pytest.approx(7, abs=0.1)
    assert grown["earmark_upload_bytes_total"] > songs[0].stat().st_size
    assert grown['earmark_requests_total{method="POST",route="/v1/tag",status="200"}'] == 1
    assert after["earmark_requests_in_flight"] <= 1  # its files are cleared away after the answer
    assert after["earmark_files_waiting"] == 0
    assert after["process_resident_memory_bytes"] > 1e6


@pytest.mark.parametrize(
    ("method", "address", "status", "words"),
    [
        ("POST", "/v1/tag?top=-1", 422, "top '-1': must be a whole number from 0 (all) to 100000"),
        ("POST", "/v1/tag?threshold=2", 422, "threshold '2': must be auto, none or a number from 0 to 1"),
        ("POST", "/v1/tag?threshold=nan", 422, "threshold 'nan'"),
        ("POST", "/v1/tag?treshold=auto", 422, "'treshold': there is no such setting"),
        ("POST", "/v1/tag?model=earmrak", 422, f"model 'earmrak': served are {DEFAULT_MODEL}"),
        ("POST", "/v1/tag?damaged=maybe", 422, "damaged 'maybe': must be error or tag"),
        ("GET", "/v1/tag", 405, "GET: allowed here are POST"),
        ("DELETE", "/v1/models", 405, "DELETE: allowed here are GET"),
        ("GET", "/v1/nothing", 404, "/v1/nothing"),
        ("POST", "/", 405, "POST: allowed here are GET, HEAD"),
    ],
)
def test_wrong_requests_get_what_is_allowed(served: Served, method: str, address: str, status: int, words: str) -> None:
    files = [("files", ("a.wav", b"x" * 2_000_000))] if method == "POST" else None  # it must not be lost in the upload
    answer = served.client.request(method, address, files=files)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) >= {"type", "title", "status", "detail"}
    assert answer.json()["status"] == status
    assert words in answer.json()["detail"]
    assert ("allow" in answer.headers) == (status == 405)


MULTIPART = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\nabc'


@pytest.mark.parametrize(
    ("content_type", "body", "status", "kind"),
    [
        ("audio/mpeg", b"ID3", 415, "not-multipart"),
        ("application/json", b"{}", 415, "not-multipart"),
        (None, b"", 415, "not-multipart"),
        ("multipart/form-data", PART, 400, "bad-request"),
        (MULTIPART, b"", 400, "bad-request"),
        (MULTIPART, b"hello", 400, "bad-request"),
        (MULTIPART, PART, 400, "bad-request"),  # ends without its last boundary
        (MULTIPART, b"--x\r\nContent-Type: audio/wav\r\n\r\nabc\r\n--x--\r\n", 400, "bad-request"),
        (MULTIPART, b"--x\r\n" + b"A: b\r\n" * 100 + b"\r\nabc\r\n--x--\r\n", 400, "bad-request"),
        (MULTIPART, b"--x\r\nContent-Disposition: form-data; name=" + b"y" * 9000, 400, "bad-request"),
        (MULTIPART, b"--x--\r\n", 422, "no-file"),
        (MULTIPART, PART.replace(b"files", b"file") + b"\r\n--x--\r\n", 422, "wrong-values"),
    ],
)
def test_bodies_that_are_not_files(
    served: Served, content_type: str | None, body: bytes, status: int, kind: str
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = served.client.post("/v1/tag", content=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:earmark:problem:{kind}")
    assert not served.client.get("/metrics").text.count('status="500"')


@pytest.mark.slow
def test_a_key_is_required(tmp_path: Path, songs: list[Path]) -> None:
    with serving(tmp_path, api_key="open sesame") as served:
        for headers in ({}, {"Authorization": "Bearer open"}, {"Authorization": "Basic open sesame"}):
            for method, address in (("POST", "/v1/tag"), ("GET", "/v1/models"), ("GET", "/metrics")):
                refused = served.client.request(method, address, headers=headers)
                assert refused.status_code == 401
                assert refused.headers["www-authenticate"].startswith("Bearer")
                assert refused.headers["content-type"] == "application/problem+json"
        assert served.client.get("/healthz").status_code == served.client.get("/readyz").status_code == 200
        served.client.headers["Authorization"] = "Bearer open sesame"
        assert served.tag(songs[2]).status_code == 200
        assert served.client.get("/metrics").status_code == 200
        document = served.client.get("/openapi.json").json()
        assert document["paths"]["/v1/tag"]["post"]["security"]


@pytest.mark.slow
def test_the_page_that_is_built_while_the_service_runs_or_how_to_build_it(tmp_path: Path) -> None:
    page, uploads = tmp_path / "page", tmp_path / "uploads"
    uploads.mkdir()
    with serving(uploads, page=page) as built:
        plain = built.client.get("/")
        assert plain.status_code == 200
        assert html.escape(how_to_build(page)) in plain.text
        (page / "assets").mkdir(parents=True)
        (page / "assets" / "a.wasm").write_bytes(b"\0asm")
        (page / "headers.json").write_text('{"Cross-Origin-Opener-Policy": "same-origin"}')
        (page / "index.html").write_text("<title>built</title>")
        index = built.client.get("/")
        assert "built" in index.text
        assert index.headers["cross-origin-opener-policy"] == "same-origin"
        assert index.headers["cache-control"] == "no-cache"
        wasm = built.client.get("/assets/a.wasm")
        assert wasm.headers["content-type"] == "application/wasm"
        assert "immutable" in wasm.headers["cache-control"]
        for address in ("/nothing.js", "/../settings.py", "/%2e%2e/settings.py", "/assets/../../settings.py"):
            assert built.client.get(address).status_code == 404
        assert built.client.get("/v1/models").status_code == 200


def test_how_to_build_the_page_goes_by_the_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, installed = tmp_path / "my earmark", tmp_path / "site-packages"
    (sources / "web").mkdir(parents=True)
    (sources / "web" / "package.json").touch()
    editable = sources / "src" / "earmark" / "service" / "page"
    assert how_to_build(editable).startswith(f"make -C '{sources}' web ")
    assert "pip" not in how_to_build(editable)

    info = installed / "earmark-9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: earmark\nVersion: 9\n")
    monkeypatch.syspath_prepend(installed)
    folder = installed / "earmark" / "service" / "page"
    for url in ("", "https://example.org/earmark.whl", (tmp_path / "gone").as_uri()):
        (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {}}) if url else "{}")
        assert "make -C SOURCES web" in how_to_build(folder)
    (info / "direct_url.json").write_text(json.dumps({"url": sources.as_uri(), "dir_info": {}}))
    make, install = how_to_build(folder).splitlines()
    assert make.startswith(f"make -C '{sources}' web ")
    assert f" -m pip install --force-reinstall --no-deps '{sources}' " in install

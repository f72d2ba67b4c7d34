"""The public Python API: its names and documentation, its types, and the ways to give audio and to read scores."""

from __future__ import annotations

import doctest
import inspect
import io
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import earmark
from earmark.audio import AudioBytes
from earmark.core.errors import AudioError, ConfigError, ModelError
from earmark.tagging.runtime import DEFAULT_MODEL, find_model
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger, load_tagger
from tests.helpers import sounds

ROOT = Path(__file__).parents[2]
NAMES = [name for name in earmark.__all__ if name != "__version__"]


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.write(tmp_path_factory.mktemp("song") / "song.mp3", sounds.music(7, 44_100, 2), 44_100)


@pytest.fixture(scope="module")
def scores(tagger: Tagger, song: Path) -> TagScores:
    return tagger.tag(song)


def test_dir_lists_all_public_names() -> None:
    code = "import earmark; print(set(earmark.__all__) <= set(dir(earmark)), 'earmark.tagging' in __import__('sys').modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]  # and nothing was imported for it


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_documented_with_an_example(name: str) -> None:
    value = getattr(earmark, name)
    text = inspect.getdoc(value) or ""
    assert doctest.DocTestParser().get_examples(text), f"{name}: no example"
    if inspect.isfunction(value):
        _check_sections(name, value)
        return
    for member, function in vars(value).items():
        if member.startswith("_") or not isinstance(function, FunctionType | property | classmethod):
            continue
        assert inspect.getdoc(function), f"{name}.{member}: no docstring"
        if not isinstance(function, property):
            method = function.__func__ if isinstance(function, classmethod) else function
            _check_sections(f"{name}.{member}", method)


@pytest.mark.parametrize("function", [Tagger.tag, Tagger.tag_many, Tagger.tag_waveform, TagScores.top, load_tagger])
def test_the_main_functions_say_what_they_raise(function: Callable[..., Any]) -> None:
    assert "Raises:" in (inspect.getdoc(function) or "")


def _check_sections(name: str, function: Callable[..., Any]) -> None:
    """What a function with parameters says: each of them, and what it returns."""
    text = inspect.getdoc(function) or ""
    parameters = [one for one in inspect.signature(function).parameters if one not in ("self", "cls")]
    if not parameters:
        return
    for section in ("Args:", "Returns:"):
        assert section in text, f"{name}: no {section}"
    for parameter in parameters:
        assert f"{parameter}:" in text, f"{name}: {parameter} is not documented"


@pytest.mark.slow
def test_types_of_the_results_are_those_asked_for(tmp_path: Path) -> None:
    user_code = tmp_path / "user_code.py"
    user_code.write_text(
        """
import io
from collections.abc import Iterator
from typing import assert_type

import earmark

tagger = earmark.load_tagger(windows=4)
assert_type(tagger.tag("song.mp3"), earmark.TagScores)
for result in tagger.tag_many(["a.mp3", b"", io.BytesIO()]):
    result.top(3)
assert_type(tagger.tag_many([]), Iterator[earmark.TagScores])
assert_type(tagger.tag_many([], errors="raise"), Iterator[earmark.TagScores])
assert_type(tagger.tag_many([], errors="return"), Iterator[earmark.TagScores | earmark.AudioError])
with open("song.mp3", "rb") as file:
    assert_type(dict(tagger.tag(file)), dict[str, float])
for result_or_error in tagger.tag_many([], errors="return"):
    result_or_error.top(3)
tagger.tag_many([], errors="ignore")
tagger.tag(3)
earmark.load_tagger(window=4)
"""
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file", "pyproject.toml", user_code],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    problems = [line for line in done.stdout.splitlines() if "error:" in line]
    lines = [int(line.split(":")[1]) for line in problems]
    assert lines == [18, 19, 20, 21], done.stdout + done.stderr
    assert 'Item "AudioError" of "TagScores | AudioError" has no attribute "top"' in problems[0]


@pytest.mark.parametrize(
    "one",
    ["song.mp3", Path("song.mp3"), b"bytes", AudioBytes(b""), io.BytesIO(b"")],
    ids=lambda one: type(one).__name__,
)
def test_one_file_instead_of_several_is_refused_with_the_cure(tagger: Tagger, one: Any) -> None:
    with pytest.raises(ConfigError, match=r"tag_many takes several files.*use tag\(\.\.\.\), or put it into a list"):
        tagger.tag_many(one)


@pytest.mark.slow
def test_bytes_and_file_objects_score_as_their_file_does(tagger: Tagger, song: Path, scores: TagScores) -> None:
    content = song.read_bytes()
    with song.open("rb") as file, song.open("rb") as unbuffered:
        results = list(
            tagger.tag_many([content, file, io.BytesIO(content), unbuffered.raw, bytearray(content)], jobs=2)
        )
    for result in results:
        np.testing.assert_allclose(result.scores, scores.scores, atol=1e-4)
        assert result.duration_seconds == scores.duration_seconds
    assert [result.path for result in results] == [None, song, None, song, None]
    assert results[0].to_record()["path"] is None


@pytest.mark.slow
def test_only_some_windows_of_bytes(song: Path, tmp_path: Path) -> None:
    long = sounds.write(tmp_path / "long.flac", sounds.music(16, 16_000), 16_000)
    few = load_tagger(windows=2)
    np.testing.assert_allclose(few.tag(long.read_bytes()).taggram, few.tag(long).taggram, atol=1e-5)


def test_what_is_no_audio_source_is_refused(tagger: Tagger, song: Path) -> None:
    with pytest.raises(AudioError, match=r"^not audio"):
        tagger.tag(b"these are words and no sound" * 100)
    with pytest.raises(AudioError, match=r"^the file is empty"):
        tagger.tag(b"")
    with pytest.raises(ConfigError, match=r"int is not an audio source.*tag_waveform"):
        tagger.tag(3)  # type: ignore[arg-type]
    with song.open(encoding="latin-1") as text, pytest.raises(ConfigError, match="must be opened in binary mode"):
        tagger.tag(text)  # type: ignore[arg-type]
    file = song.open("rb")
    file.close()
    closed, whole = tagger.tag_many([file, song], errors="return")
    assert isinstance(closed, AudioError)
    assert closed.path == song
    assert "closed" in closed.reason
    assert isinstance(whole, TagScores)


def test_watch_is_given_a_path_for_bytes_too(tagger: Tagger, song: Path) -> None:
    seen: set[Path] = set()
    tagger.tag(song.read_bytes(), watch=lambda path, _seconds: seen.add(path))
    assert seen == {Path("<bytes>")}


def test_scores_are_a_mapping_from_tag_to_score(scores: TagScores) -> None:
    assert "rock" in scores
    assert "no such tag" not in scores
    assert 3 not in scores
    assert len(scores) == len(scores.tags) == len(scores.keys())
    assert tuple(scores) == scores.keys() == scores.tags
    assert dict(scores) == dict(scores.items()) == {tag: scores[tag] for tag in scores}
    assert list(dict(scores).values()) == scores.values() == scores.scores.tolist()
    with pytest.raises(ConfigError, match="did you mean rock"):
        scores["rocks"]


def test_the_repr_is_one_short_line(tagger: Tagger, scores: TagScores) -> None:
    best = scores.top(1)[0]
    start = f"<TagScores of song.mp3: 7.0 s, model {DEFAULT_MODEL}, {len(scores)} tags: {best.tag} "
    assert repr(scores).startswith(start)
    assert len(repr(scores)) < 200
    assert "waveform" in repr(tagger.tag_waveform(np.zeros(16_000), 16_000))
    assert repr(tagger) == f"<Tagger with model {DEFAULT_MODEL}, {len(scores)} tags>"


def test_the_notebook_view_is_escaped(scores: TagScores) -> None:
    odd = replace(scores, path=Path("<script>&\udcff.mp3"), model="<b>", warnings=("1 < 2",))
    html = odd._repr_html_()
    assert "&lt;script&gt;&amp;?.mp3" in html
    assert "model &lt;b&gt;" in html
    assert "1 &lt; 2" in html
    assert "<script" not in html
    html.encode()
    assert html.count("<tr>") == 11  # a head and ten tags
    assert f"<td>{scores.top(1)[0].tag}</td>" in html


@pytest.mark.slow
def test_a_tagger_is_pickled_without_its_weights(song: Path, scores: TagScores, tmp_path: Path) -> None:
    text = pickle.dumps(load_tagger(embeddings=True, batch_windows=2))
    assert len(text) < 1000
    assert str(find_model()).encode() not in text  # a bundled model is found by its name, wherever it is installed
    again = pickle.loads(text)
    assert again.embedding_dims == again.card.embedding_dims
    np.testing.assert_allclose(again.tag(song).scores, scores.scores, atol=1e-5)


@pytest.mark.slow
def test_a_pickled_tagger_of_a_file_needs_the_file(
    song: Path, scores: TagScores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(find_model(), tmp_path / "mine.onnx")
    monkeypatch.chdir(tmp_path)
    text = pickle.dumps(load_tagger("mine.onnx"))
    monkeypatch.chdir(ROOT)
    np.testing.assert_allclose(pickle.loads(text).tag(song).scores, scores.scores, atol=1e-5)
    (tmp_path / "mine.onnx").unlink()
    with pytest.raises(ModelError, match=r"mine\.onnx: no such model file"):
        pickle.loads(text)

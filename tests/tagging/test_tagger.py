"""The Tagger with the bundled model: aggregation, thresholds, waveforms in memory."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest

from earmark import audio
from earmark.core.calibration import calibrated
from earmark.core.card import CARD_KEY
from earmark.core.errors import AudioError, ConfigError, ModelError
from earmark.tagging.aggregation import aggregate
from earmark.tagging.runtime import OnnxModel, find_model
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger, load_tagger
from tests.helpers import sounds


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sounds.write(tmp_path_factory.mktemp("song") / "song.flac", sounds.music(34, 44_100, 2), 44_100)


@pytest.fixture(scope="module")
def scores(tagger: Tagger, song: Path) -> TagScores:
    return tagger.tag(song)


@pytest.mark.slow
def test_file_scores_are_the_mean_over_windows(scores: TagScores) -> None:
    n_windows = int(np.ceil(34 / scores.window_seconds))
    assert scores.taggram.shape == (n_windows, len(scores.tags))
    network = OnnxModel(find_model())
    window_scores = network(audio.cut(audio.load(scores.path, network.card.input.sample_rate_hz), network.card.input))
    maps = network.card.calibration  # which come after the mean
    new_seconds = np.diff(
        [*scores.window_starts_seconds[:-1], scores.window_starts_seconds[-2] + scores.window_seconds, 34]
    )
    mean = np.average(window_scores, axis=0, weights=new_seconds)  # the last window is moved back
    np.testing.assert_allclose(scores.scores, calibrated(mean, scores.tags, maps), atol=1e-4)
    assert scores.window_starts_seconds[-1] + scores.window_seconds == pytest.approx(34, abs=0.01)
    assert scores.taggram.std(axis=0).max() > 0  # windows get scores of their own


@pytest.mark.slow
def test_a_window_scores_as_it_would_without_those_before(tagger: Tagger, song: Path, scores: TagScores) -> None:
    samples = audio.load(song, tagger.card.input.sample_rate_hz)
    size = tagger.card.input.window_samples
    two = tagger.tag_waveform(samples[size : 3 * size], tagger.card.input.sample_rate_hz)  # one alone is repeated
    np.testing.assert_allclose(two.taggram, scores.taggram[1:3], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("batch_windows", [1, 3, 16])
def test_batch_size_and_jobs_do_not_change_scores(song: Path, scores: TagScores, batch_windows: int) -> None:
    for jobs in (1, 3):
        (again,) = load_tagger(batch_windows=batch_windows).tag_many([song], jobs=jobs)
        assert isinstance(again, TagScores)
        np.testing.assert_allclose(again.taggram, scores.taggram, atol=1e-5)


def test_a_waveform_scores_as_its_file_does(tagger: Tagger, song: Path, scores: TagScores) -> None:
    at_once = tagger.tag_waveform(audio.load(song, 44_100), 44_100)
    np.testing.assert_allclose(at_once.scores, scores.scores, atol=1e-4)
    assert at_once.path is None
    assert at_once.duration_seconds == pytest.approx(scores.duration_seconds, abs=1e-3)


@pytest.mark.slow
def test_waveforms_may_have_channels_and_silence_gives_a_warning(tagger: Tagger) -> None:
    stereo = sounds.music(12, 22_050, 2)
    np.testing.assert_allclose(
        tagger.tag_waveform(stereo, 22_050).scores, tagger.tag_waveform(stereo.mean(axis=0), 22_050).scores, atol=1e-6
    )
    assert "silent" in tagger.tag_waveform(np.zeros(30_000), 16_000).warnings[0]
    opposite = np.stack([stereo[0], -stereo[0]])
    scores = tagger.tag_waveform(opposite, 22_050)
    assert "cancel" in scores.warnings[0]
    np.testing.assert_allclose(scores.scores, tagger.tag_waveform(stereo[0], 22_050).scores, atol=1e-6)
    with pytest.raises(AudioError, match="transpose"):
        tagger.tag_waveform(stereo.T, 22_050)


def test_top_orders_and_filters(scores: TagScores) -> None:
    everything = scores.top(0)
    tags = [tag for tag in scores.tags if tag not in scores.degrees]
    assert [t.score for t in everything] == sorted((scores[tag] for tag in tags), reverse=True)
    assert scores.top(2) == everything[:2]
    assert scores[everything[0].tag] == everything[0].score
    limit = everything[1].score
    assert scores.top(0, threshold=limit) == [t for t in everything if t.score >= limit]
    automatic = scores.top(0, threshold="auto")
    reached = np.array([scores[tag] >= scores.thresholds.get(tag, 0) for tag in scores.tags])
    held = scores.rules.keep(reached, scores.scores, scores.tags)
    assert {t.tag for t in automatic} == {
        tag for tag, holds in zip(scores.tags, held, strict=True) if holds and tag in tags
    }
    assert len(automatic) < len(everything)


@pytest.mark.parametrize(("n", "threshold"), [(-1, "none"), (3, 1.5), (3, "all"), (3, None)])
def test_top_refuses_invalid_values(scores: TagScores, n: int, threshold: object) -> None:
    with pytest.raises(ConfigError, match=str(n) if n < 0 else str(threshold)):
        scores.top(n, threshold)  # type: ignore[arg-type]


@pytest.mark.slow
def test_errors_are_raised_or_returned(tagger: Tagger, song: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.mp3"
    with pytest.raises(AudioError, match="no such file"):
        tagger.tag(missing)
    with pytest.raises(AudioError):
        list(tagger.tag_many([song, missing]))
    first, second = tagger.tag_many([missing, song], errors="return")
    assert isinstance(first, AudioError)
    assert first.path == missing
    assert isinstance(second, TagScores)
    with pytest.raises(ConfigError, match="jobs 0"):
        tagger.tag_many([song], jobs=0)
    with pytest.raises(ConfigError, match="'ignore'"):
        tagger.tag_many([song], errors="ignore")  # type: ignore[arg-type]


def test_aggregate_is_the_mean_and_refuses_no_windows() -> None:
    np.testing.assert_allclose(aggregate(np.array([[0.0, 1.0], [1.0, 1.0]])), [0.5, 1.0])
    with pytest.raises(ConfigError, match="shape"):
        aggregate(np.empty((0, 3)))


def test_models_that_cannot_be_loaded_give_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model named 'x'"):
        load_tagger("x")
    with pytest.raises(ModelError, match="no such model file"):
        load_tagger(tmp_path / "x.onnx")
    (tmp_path / "x.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="not a model that ONNX Runtime can load"):
        load_tagger(tmp_path / "x.onnx")


def test_a_foreign_onnx_file_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [shape], [out])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "x.onnx")
    with pytest.raises(ModelError, match="without earmark's card"):
        load_tagger(tmp_path / "x.onnx")


@pytest.mark.slow
def test_embeddings_are_optional_and_change_no_score(tagger: Tagger, song: Path, scores: TagScores) -> None:
    asked = load_tagger(embeddings=True, batch_windows=3)
    dims = asked.card.embedding_dims
    assert (asked.embedding_dims, tagger.embedding_dims) == (dims, None)
    (result,) = asked.tag_many([song], jobs=2)
    assert isinstance(result, TagScores)
    assert scores.embedding is None
    assert result.embedding is not None
    assert (result.embedding.shape, result.embedding.dtype) == ((dims,), np.float32)
    np.testing.assert_allclose(result.taggram, scores.taggram, atol=1e-5)
    np.testing.assert_allclose(result.scores, scores.scores, atol=1e-5)
    model = OnnxModel(find_model())
    windows = audio.cut(audio.load(song, model.card.input.sample_rate_hz), model.card.input)
    starts = audio.window_starts(34 * 16_000, model.card.input)
    new_samples = np.diff([*starts[:-1], starts[-2] + model.card.input.window_samples, 34 * 16_000])
    mean = np.average(model.with_embedding(windows)[1], axis=0, weights=new_samples)
    np.testing.assert_allclose(result.embedding, mean, atol=1e-3)
    in_memory = asked.tag_waveform(audio.load(song, 16_000), 16_000).embedding
    np.testing.assert_allclose(in_memory, result.embedding, atol=1e-3)


@pytest.mark.slow
def test_a_song_lies_closer_to_its_other_half_than_to_another(song: Path, tmp_path: Path) -> None:
    clips = Path(__file__).parents[2] / "examples" / "clips"
    asked = load_tagger(embeddings=True)
    halves = []
    for name in ("01-piano.flac", "03-rock.mp3"):
        samples = audio.load(clips / name, 16_000)
        for part in np.array_split(samples, 2):
            embedding = asked.tag_waveform(part, 16_000).embedding
            assert embedding is not None
            halves.append(embedding / np.linalg.norm(embedding))
    likeness = np.stack(halves) @ np.stack(halves).T
    assert min(likeness[0, 1], likeness[2, 3]) > likeness[:2, 2:].max()


def test_a_model_without_embeddings_can_tag(tagger: Tagger, song: Path) -> None:
    class Plain:
        card = tagger.card

        def __call__(self, batch: np.ndarray) -> np.ndarray:
            return np.full((len(batch), len(self.card.vocabulary)), 0.5, np.float32)

    plain = Tagger(Plain(), embeddings=True)
    assert plain.embedding_dims is None
    assert plain.tag(song).embedding is None


@pytest.mark.slow
def test_a_file_that_is_refused_leaves_no_thread_behind(tagger: Tagger, song: Path, tmp_path: Path) -> None:
    """Left to the garbage collector, threads are joined wherever it happens to run, and once that was a deadlock."""
    (tmp_path / "letter.mp3").write_text("dear friend")
    for call in (tagger.tag, lambda path: list(tagger.tag_many([song, path, song]))):
        with pytest.raises(AudioError) as caught:
            call(tmp_path / "letter.mp3")
        assert caught.value.__traceback__ is not None  # which holds on to every frame
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("earmark-")]


@pytest.mark.slow
def test_watch_is_given_progress_and_may_end_a_file(tagger: Tagger, song: Path, tmp_path: Path) -> None:
    short = sounds.write(tmp_path / "short.flac", sounds.music(3, 44_100), 44_100)
    decoded: list[float] = []

    def watch(path: Path, seconds: float) -> None:
        if path == song:
            decoded.append(seconds)
            if seconds > 10:
                raise AudioError("too long", path)

    ended, whole = tagger.tag_many([song, short], errors="return", watch=watch)
    assert isinstance(ended, AudioError)
    assert ended.reason == "too long"
    assert decoded == sorted(decoded)
    assert 10 < decoded[-1] < 15  # it was not decoded any further
    assert isinstance(whole, TagScores)

    def fail(path: Path, seconds: float) -> None:
        raise KeyError(seconds)

    with pytest.raises(KeyError):
        tagger.tag(song, watch=fail)


@pytest.mark.parametrize("change", ["fewer tags", "more tags", "window", "output", "input"])
def test_a_network_that_is_not_that_of_its_card_is_refused(tmp_path: Path, change: str) -> None:
    """Its scores would be taken for those of other tags."""
    model = onnx.load(find_model())
    (entry,) = (item for item in model.metadata_props if item.key == CARD_KEY)
    card = json.loads(entry.value) | {"thresholds": {}, "calibration": {}, "rules": {}}
    if change == "fewer tags":
        del card["vocabulary"][-1]
    elif change == "more tags":
        card["vocabulary"].append({"name": "new", "kind": "classification", "category": "other"})
    elif change == "window":
        card["input"] |= {"window_samples": 1000, "hop_samples": 1000}
    else:
        name = {"output": "probabilities", "input": "waveform"}[change]
        for value in (*model.graph.input, *model.graph.output):
            value.name = "other" if value.name == name else value.name
        for node in model.graph.node:
            node.input[:] = ["other" if one == name else one for one in node.input]
            node.output[:] = ["other" if one == name else one for one in node.output]
    entry.value = json.dumps(card)
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(ModelError, match=r"the card says|has no"):
        OnnxModel(tmp_path / "a.onnx")

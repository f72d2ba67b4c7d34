"""Finer taggrams, and segments: made-up mixes whose parts are known."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark import audio
from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.core.input_spec import Conditioning, InputSpec
from earmark.core.tag_constraints import TagConstraints
from earmark.core.vocabulary import Vocabulary
from earmark.tagging.segments import MIN_SILENCE_SECONDS, change_points
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger, load_tagger
from earmark.tagging.time_axis import seconds_without
from tests.helpers import sounds
from tests.helpers.onnx_files import with_card

CLIPS = Path(__file__).parents[2] / "examples" / "clips"
RATE_HZ = 16_000


@pytest.fixture(scope="module")
def coarse() -> Tagger:
    return load_tagger()


@pytest.fixture(scope="module")
def fine() -> Tagger:
    return load_tagger(step_seconds=2)


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    return [audio.load(path, RATE_HZ) for path in sorted(CLIPS.iterdir()) if path.suffix != ".md"]


class Loudness:
    """A network that tells how loud a window is, by windows as published networks have them."""

    def __init__(self, spec: InputSpec) -> None:
        self.card = ModelCard("loudness", "made", spec, Vocabulary.of(["loud", "quiet"]), thresholds={"loud": 0.5})

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        level = np.abs(batch).mean(axis=1)
        return np.stack([level, 1 - level], axis=1).astype(np.float32)


@pytest.mark.slow
@given(
    n=st.integers(0, 400),
    size=st.integers(1, 60),
    hop_back=st.integers(0, 59),
    last=st.sampled_from(["pad", "overlap"]),
    lead=st.integers(0, 59),
    steps=st.integers(1, 7),
    conditioned=st.booleans(),
)
@settings(deadline=None)
def test_windows_between_leave_the_others_as_they_are(
    n: int, size: int, hop_back: int, last: str, lead: int, steps: int, conditioned: bool
) -> None:
    hop = max(1, size - hop_back)
    steps = min(steps, hop)
    spec = InputSpec(
        100, size, hop, last, 0 if conditioned else min(lead, size - 1), Conditioning() if conditioned else None
    )
    samples = np.random.default_rng(n).normal(size=n).astype(np.float32)
    few, many = audio.cut(samples, spec), audio.cut(samples, spec, steps)
    starts = audio.window_starts(n, spec, steps)
    assert len(many) == len(starts)
    np.testing.assert_array_equal(many[np.isin(starts, audio.window_starts(n, spec))], few)
    assert (np.diff(starts) > 0).all() or spec.repeats(n)
    if n + spec.lead_samples >= size and not spec.repeats(n):
        padded = last == "pad" and starts[-1] + size > n  # comes after all whole ones
        assert max(np.diff(starts[: len(starts) - padded]), default=0) <= -(-hop // steps)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [3, 9.7, 10, 11.64, 34])
def test_scores_do_not_depend_on_steps(seconds: float) -> None:
    samples = sounds.music(seconds, RATE_HZ)[0]
    samples[len(samples) // 4 : len(samples) // 2] = 0
    plain, finer = (
        load_tagger(embeddings=True, step_seconds=step).tag_waveform(samples, RATE_HZ) for step in (None, 2.0)
    )
    np.testing.assert_array_equal(finer.scores, plain.scores)
    np.testing.assert_array_equal(finer.embedding, plain.embedding)
    assert finer.to_record() == plain.to_record()
    if seconds > 12:
        assert len(finer.taggram) > 4 * len(plain.taggram) - 4
        assert np.diff(seconds_without(finer.left_out_seconds, finer.window_starts_seconds)).max() <= 2
    edges = finer.row_edges_seconds()
    assert (edges[0], edges[-1]) == (0, finer.duration_seconds)
    assert (np.diff(edges) > 0).all()
    assert len(edges) == len(finer.taggram) + 1


@pytest.mark.slow
def test_files_score_alike_with_steps(coarse: Tagger, fine: Tagger) -> None:
    files = [path for path in sorted(CLIPS.iterdir()) if path.suffix != ".md"]
    for one, other in zip(coarse.tag_many(files), fine.tag_many(files, jobs=2), strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.silences_seconds, other.silences_seconds)


@pytest.mark.parametrize(
    "spec", [InputSpec(8_000, 24_000, 24_000, "pad"), InputSpec(8_000, 24_000, 12_000, "overlap", 4_000)]
)
def test_windows_of_three_seconds(spec: InputSpec) -> None:
    samples = np.concatenate([np.full(80_000, 0.9), np.full(70_000, 0.1)]).astype(np.float32)
    plain, finer = (Tagger(Loudness(spec), step_seconds=step).tag_waveform(samples, 8_000) for step in (None, 0.5))
    np.testing.assert_array_equal(finer.scores, plain.scores)
    assert np.diff(finer.window_starts_seconds[:-1]).max() <= 0.5
    (loud, quiet) = finer.segments(min_seconds=3)
    assert [tag.tag for tag in loud.tags] == ["loud", "quiet"]  # the second has no threshold
    assert [tag.tag for tag in quiet.tags] == ["quiet"]
    assert loud.end_seconds == pytest.approx(10, abs=0.5)


@pytest.mark.slow
def test_steps_and_few_windows_contradict_each_other(coarse: Tagger) -> None:
    with pytest.raises(ConfigError, match="give one of them"):
        load_tagger(windows=3, step_seconds=2)
    for step in (0, 0.05, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=r"must be 0\.1 or more"):
            load_tagger(step_seconds=step)
    sparse = load_tagger(windows=2).tag_waveform(sounds.music(60, RATE_HZ)[0], RATE_HZ)
    with pytest.raises(ConfigError, match="need all windows"):
        sparse.segments()
    scores = coarse.tag_waveform(sounds.music(3, RATE_HZ)[0], RATE_HZ)
    for options, name in (({"min_seconds": 0}, "min_seconds"), ({"smoothing": -1}, "smoothing")):
        with pytest.raises(ConfigError, match=name):
            scores.segments(**options)
    with pytest.raises(ConfigError, match="threshold none"):
        scores.segments(threshold="none")


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 2, 1), (2, 3, 1, 0)])
def test_a_mix_falls_into_its_parts(fine: Tagger, clips: list[np.ndarray], order: tuple[int, ...]) -> None:
    parts = [clips[i][: 23 * RATE_HZ] for i in order]  # the rock fades out
    segments = fine.tag_waveform(np.concatenate(parts), RATE_HZ).segments()
    ends = np.cumsum([len(part) for part in parts]) / RATE_HZ
    np.testing.assert_allclose([segment.end_seconds for segment in segments], ends, atol=3)
    alone = [{tag.tag for tag in fine.tag_waveform(part, RATE_HZ).top(0, "auto")} for part in parts]
    found = [{tag.tag for tag in segment.tags} for segment in segments]
    both = sum(len(a & b) for a, b in zip(alone, found, strict=True))
    assert both >= 0.75 * sum(len(a | b) for a, b in zip(alone, found, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("rate_hz", [8_000, 11_127, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("n_more", [0, 1, 3, 17, 158])
def test_silence_at_the_end_is_the_last_segment(coarse: Tagger, rate_hz: int, n_more: int, tmp_path: Path) -> None:
    """At other rates than the model's, where the last sample is not quite the end; no segment of no length follows."""
    sound = np.concatenate([sounds.music(4, rate_hz)[0], np.zeros(6 * rate_hz + n_more, np.float32)])
    for scores in (
        coarse.tag_waveform(sound, rate_hz),
        coarse.tag(sounds.write_float_wav(tmp_path / "a.wav", sound[None], rate_hz)),
    ):
        parts = scores.segments()
        assert [part.silent for part in parts] == [False, True]
        assert parts[-1].end_seconds == scores.row_edges_seconds()[-1]


def test_silence_and_nothing_said_are_segments(fine: Tagger, clips: list[np.ndarray], tmp_path: Path) -> None:
    by_tag = fine.card.vocabulary.indices("classification")
    of_dance, of_folk = (fine.tag_waveform(clips[i], RATE_HZ).scores for i in (3, 5))
    most = max(by_tag, key=lambda i: of_dance[i] - of_folk[i])  # the one tag that may be said
    only = fine.card.vocabulary.names[most]
    limits = {fine.card.vocabulary.names[i]: 1.0 for i in by_tag} | {only: float(of_dance[most] + of_folk[most]) / 2}
    path = with_card(tmp_path / "one.onnx", thresholds=limits, rules=TagConstraints())
    fine = load_tagger(path, step_seconds=2)
    samples = np.concatenate([clips[3], np.zeros(12 * RATE_HZ, np.float32), clips[5], clips[5][: 20 * RATE_HZ]])
    dance, silence, folk = fine.tag_waveform(samples, RATE_HZ).segments()
    begin = len(clips[3]) / RATE_HZ
    assert (silence.silent, dance.silent, folk.silent) == (True, False, False)
    assert silence.start_seconds == pytest.approx(begin, abs=1)
    assert silence.end_seconds == pytest.approx(begin + 12, abs=1)
    assert [tag.tag for tag in dance.tags] == [only]
    assert (silence.tags, folk.tags) == ((), ())
    assert folk.to_record() == {
        "start_seconds": round(folk.start_seconds, 3),
        "end_seconds": round(len(samples) / RATE_HZ, 3),
        "silent": False,
        "tags": [],
    }
    (nothing,) = fine.tag_waveform(np.zeros(30 * RATE_HZ), RATE_HZ).segments()
    assert (nothing.silent, nothing.start_seconds, nothing.end_seconds) == (True, 0, 30)


@pytest.mark.slow
def test_one_segment_has_the_tags_of_the_file(coarse: Tagger, fine: Tagger, clips: list[np.ndarray]) -> None:
    for tagger in (coarse, fine):
        scores = tagger.tag_waveform(clips[2], RATE_HZ)
        (segment,) = scores.segments()
        assert list(segment.tags) == scores.top(0, "auto")
        assert list(segment.summary) == scores.top_per_category("auto")


@pytest.mark.slow
@given(
    n=st.integers(1, 60),
    seed=st.integers(0, 1000),
    min_seconds=st.floats(0.5, 100),
    smoothing=st.floats(0.01, 5),
    threshold=st.sampled_from(["auto", 0.3]),
    silences=st.lists(st.tuples(st.floats(0, 60), st.floats(1, 20)), max_size=3),
)
@settings(deadline=None)
def test_segments_cover_the_file_once(
    n: int, seed: int, min_seconds: float, smoothing: float, threshold: str, silences: list[tuple[float, float]]
) -> None:
    rng = np.random.default_rng(seed)
    end = n + 4.0
    taggram = np.repeat(rng.uniform(size=(n // 8 + 1, 4)), 8, axis=0)[:n].astype(np.float32)
    spans: list[tuple[float, float]] = []
    for begin, length in sorted(silences):
        begin = max(begin, spans[-1][1] + 0.1 if spans else 0)
        if begin + 1 < end:
            spans.append((begin, min(begin + length, end)))
    names = ["vocals", "no vocals", "fast", "slow"]
    scores = TagScores(
        None, "made", Vocabulary.of(names), taggram.mean(axis=0), taggram, np.arange(float(n)), 5.0, end,
        dict.fromkeys(names, 0.4), rules=TagConstraints((("vocals", "no vocals"), ("fast", "slow"))),
        silences_seconds=np.array(spans).reshape(-1, 2),
    )  # fmt: skip
    segments = scores.segments(min_seconds=min_seconds, smoothing=smoothing, threshold=threshold)
    assert (segments[0].start_seconds, segments[-1].end_seconds) == (0, end)
    for one, other in itertools.pairwise(segments):
        assert one.end_seconds == other.start_seconds
        if not (one.silent or other.silent):
            assert {tag.tag for tag in one.tags} != {tag.tag for tag in other.tags}
    for k, segment in enumerate(segments):
        assert segment.end_seconds > segment.start_seconds
        alone = all(near.silent for near in (*segments[max(0, k - 1) : k], *segments[k + 1 : k + 2]))
        length = segment.end_seconds - segment.start_seconds
        assert alone or length >= (MIN_SILENCE_SECONDS if segment.silent else min_seconds) - 1e-6
        if threshold == "auto":
            assert not {"fast", "slow"} <= {tag.tag for tag in segment.tags}


@pytest.mark.slow
@given(n=st.integers(1, 9), seed=st.integers(0, 300), least=st.integers(1, 4), penalty=st.floats(0.01, 3))
@settings(deadline=None)
def test_change_points_are_the_best(n: int, seed: int, least: int, penalty: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 2)) + rng.integers(0, 2, n)[:, None]
    edges = np.concatenate([[0.0], np.cumsum(rng.integers(1, 3, n))]).astype(float)

    def cost(points: tuple[int, ...]) -> float:
        total = 0.0
        for a, b in itertools.pairwise((0, *points, n)):
            if points and edges[b] - edges[a] < least:
                return np.inf
            lengths = np.diff(edges)[a:b, None]
            mean = (values[a:b] * lengths).sum(axis=0) / lengths.sum()
            total += ((values[a:b] - mean) ** 2 * lengths).sum() + penalty
        return total

    every = (points for k in range(n) for points in itertools.combinations(range(1, n), k))
    assert cost(tuple(change_points(values, edges, least, penalty))) == pytest.approx(min(map(cost, every)))


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    """But for the taggram itself."""
    tagger = Tagger(Loudness(InputSpec(8_000, 80_000, 80_000)), step_seconds=2)

    def peak_bytes(seconds: int) -> int:
        path = sounds.write(tmp_path / f"{seconds}.flac", np.tile(sounds.music(10, 8_000), seconds // 10), 8_000)
        tracemalloc.start()
        scores = tagger.tag(path)
        assert len(scores.segments()) >= 1
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert peak_bytes(7200) < 1.3 * peak_bytes(120) + 2e6

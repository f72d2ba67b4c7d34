"""Score the clips of a dataset with a model: the scores table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from earmark import audio
from earmark.audio import Samples
from earmark.core.cpu import available_cores
from earmark.core.errors import AudioError, DataError
from earmark.core.vocabulary import Vocabulary
from earmark.datasets.base import Clip, Dataset, label_matrix, raise_problems
from earmark.datasets.stored_audio import FULL_SCALE, open_stored
from earmark.evaluation.scores import ScoreTable
from earmark.tagging.tag_scores import TagScores
from earmark.tagging.tagger import Tagger


def shared_tags(model: Vocabulary, dataset: Vocabulary) -> Vocabulary:
    """Tags that both have by name and kind, in the model's order. Raises DataError where there are none."""
    kinds = {tag.name: tag.kind for tag in dataset}
    tags = tuple(tag for tag in model if kinds.get(tag.name) == tag.kind)
    if not tags:
        raise DataError(
            "model and dataset share no tag of the same name and kind: the model knows "
            f"{', '.join(f'{t.name} ({t.kind})' for t in model)}; the dataset "
            f"{', '.join(f'{t.name} ({t.kind})' for t in dataset)}"
        )
    return Vocabulary(tags)


def score_dataset(
    tagger: Tagger,
    dataset: Dataset,
    *,
    split: str = "test",
    jobs: int | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> ScoreTable:
    """Tag all clips of one split.

    Args:
        tagger: the model.
        dataset: labelled clips.
        split: which of them.
        jobs: files side by side; None for one per core.
        on_done: called with how many clips are done and how many there are.

    Raises:
        DataError: no such split, files missing, no shared tags, or files that cannot be read: all are named,
            none is left out silently.
    """
    clips = dataset.split(split)
    dataset.require_files(split)
    vocabulary = shared_tags(tagger.card.vocabulary, dataset.vocabulary)
    of_model = [tagger.card.vocabulary.index(name) for name in vocabulary.names]
    of_dataset = [dataset.vocabulary.index(name) for name in vocabulary.names]
    scores = np.zeros((len(clips), len(vocabulary)), np.float32)
    problems, warnings = [], []
    results = _results(tagger, clips, jobs)
    for place, result in enumerate(results):
        if isinstance(result, AudioError):
            problems.append(str(result))
        else:
            scores[place] = result.scores[of_model]
            warnings += [f"{clips[place].clip_id}: {warning}" for warning in result.warnings]
        if on_done is not None:
            on_done(place + 1, len(clips))
    raise_problems(f"{len(problems)} of {len(clips)} files cannot be read", problems)
    return ScoreTable(
        vocabulary,
        tuple(clip.clip_id for clip in clips),
        tuple(clip.artist for clip in clips),
        tuple(clip.song for clip in clips),
        label_matrix(clips)[:, of_dataset],
        scores,
        dataset.name,
        dataset.protocol,
        split,
        tagger.card.name,
        tuple(warnings),
        dataset.exclusive if set(dataset.exclusive) <= set(vocabulary.names) else (),
    )


def _results(tagger: Tagger, clips: Sequence[Clip], jobs: int | None) -> Iterable[TagScores | AudioError]:
    """Scores of clips, in order, from their files or from the decoded audio that the dataset keeps."""
    if any(clip.stored is None for clip in clips):
        if any(clip.seconds is not None for clip in clips):
            return _trimmed_results(tagger, clips, jobs or available_cores())
        return tagger.tag_many([clip.path for clip in clips], jobs=jobs, errors="return")
    return (
        tagger.tag_waveform(
            samples[: _n_samples(clip, clip.stored.sample_rate_hz)] / np.float32(FULL_SCALE), clip.stored.sample_rate_hz
        )
        for clip, samples in zip(clips, open_stored(clips), strict=True)
        if clip.stored is not None
    )


def _trimmed_results(tagger: Tagger, clips: Sequence[Clip], jobs: int) -> Iterator[TagScores | AudioError]:
    """Scores of the beginnings of clips, as far as the dataset takes them to be the clip."""
    spec = tagger.card.input

    def decoded(clip: Clip) -> Samples | AudioError:
        try:
            samples = audio.load(clip.path, spec.sample_rate_hz, spec.conditioning)
        except AudioError as error:
            return error
        return samples[: _n_samples(clip, spec.sample_rate_hz)]

    with ThreadPoolExecutor(jobs, thread_name_prefix="earmark-decode") as pool:
        for start in range(0, len(clips), 4 * jobs):  # no more are in memory at once
            for samples in pool.map(decoded, clips[start : start + 4 * jobs]):
                yield samples if isinstance(samples, AudioError) else tagger.tag_waveform(samples, spec.sample_rate_hz)


def _n_samples(clip: Clip, sample_rate_hz: int) -> int | None:
    """Samples of a trimmed clip; None for a whole one."""
    return None if clip.seconds is None else round(clip.seconds * sample_rate_hz)

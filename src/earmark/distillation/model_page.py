"""A finished model as a page for a sceptic: what it is made of, what was measured, and where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.core.card import ModelCard
from earmark.core.vocabulary import CATEGORIES
from earmark.datasets.emotify import GENRES
from earmark.distillation.agreement import Agreement
from earmark.distillation.calibration import HELD_OUT, VALIDATION, Finished
from earmark.distillation.calibration_targets import calibration_error, reliability
from earmark.distillation.model_figures import InstrumentRow, Mistake, best_single
from earmark.distillation.teacher_comparison import GenreRow
from earmark.evaluation.report import Report
from earmark.tagging.tag_scores import TagScores

TEACHER_LICENCES = {"musicnn-mtt": "ISC", "musicnn-msd": "ISC", "vgg-mtt": "ISC", "vgg-msd": "ISC"}
"""Those of the musicnn library; all others are MIT, of sota-music-tagging-models."""
_MOST_MISTAKES = 12


@dataclass(frozen=True, eq=False)
class Findings:
    """All that the page tells.

    Attributes:
        finished: the model and its agreement with the teachers.
        n_weights, macs_10_s, size_bytes: of the network, for ten seconds of audio, and of the file.
        licences: of the corpus: kind -> hours.
        emotify: what `earmark evaluate` measured on the test split, of the file that is shipped.
        teachers: genres of the same songs by the teachers.
        averaged_ends: 95 % interval of the teachers' average.
        groups: song -> source, of the corpus.
        mistakes, n_songs: songs of the test split taken for another genre, and how many there are.
        sounds: what is said of sounds that are no music.
        instruments: single notes; empty where none are at hand.
        command: what made the page.
    """

    finished: Finished
    n_weights: int
    macs_10_s: int
    size_bytes: int
    licences: dict[str, float]
    emotify: Report
    teachers: Sequence[GenreRow]
    averaged_ends: tuple[float, float]
    groups: dict[str, str]
    mistakes: Sequence[Mistake]
    n_songs: int
    sounds: dict[str, TagScores]
    instruments: Sequence[InstrumentRow]
    command: str


def to_markdown(found: Findings) -> str:
    """The page."""
    card = found.finished.card
    parts = [
        _head(found, card),
        _sources(found, card),
        _emotify(found),
        _agreement(found),
        _calibration(found),
        _failures(found),
        _tags(found),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(found: Findings, card: ModelCard) -> list[str]:
    heard = found.finished.agreement[HELD_OUT]
    return [
        f"# {card.name}",
        "",
        f"Written by `{found.command}`.",
        "",
        card.description,
        "",
        "| | |",
        "|---|---|",
        f"| architecture | `{card.architecture}`, {found.n_weights / 1e6:.2f} M weights, "
        f"{found.macs_10_s / 1e9:.3f} GMAC for 10 s of audio, front-end included |",
        f"| file | {found.size_bytes / 1e6:.1f} MB |",
        f"| hears | {card.input.sample_rate_hz:,} Hz mono, windows of {card.input.window_seconds:g} s |",
        f"| tags | {len(card.vocabulary)}: "
        + ", ".join(f"{n} {category}" for category, n in _counts(card).items())
        + " |",
        f"| licence of the weights | {card.licence} |",
        f"| real genres, unseen artists | ROC-AUC {_figure(found.emotify, 'roc_auc')}; best single teacher "
        f"{best_single(found.teachers, _teachers(card)).mean:.3f} |",
        f"| held-out music, against the averaged teachers | rank correlation {heard.mean_correlation:.3f}, "
        f"{heard.mean_shared:.2f} of the five highest tags shared |",
    ]


def _sources(found: Findings, card: ModelCard) -> list[str]:
    clips = card.training.get("clips", {})
    hours = sum(found.licences.values())
    lines = [
        "## What it learned from",
        "",
        "No person labelled music for it, but for Emotify's four genres: it learned what published networks say of music.",
        f"{_stages(card, clips.get('train', 0))}: the training songs of Emotify (CC BY-NC-SA, Magnatune) and nine tenths of a "
        f"corpus of {hours:.1f} h of free music, mostly of games, with "
        "changes of level, pitch and speed, mixing, filters, codecs and noise. Never trained on: Emotify's validation and test "
        "songs, which are by other artists, and the held-out tenth of the corpus, which is from other sources.",
        "",
        "| licence in the corpus | hours |",
        "|---|---|",
        *(f"| {kind} | {value:.2f} |" for kind, value in found.licences.items()),
        "",
        "| teacher | vocabulary | licence | weights (SHA-256) | labelled the training set |",
        "|---|---|---|---|---|",
    ]
    learned = card.training.get("teachers_of_training_set", ())
    vocabularies = card.training.get("vocabularies", {})
    for name, digest in card.training.get("teachers", {}).items():
        licence = TEACHER_LICENCES.get(name, "MIT")
        lines.append(
            f"| {name} | {vocabularies.get(name, '')} | {licence} | {digest[:12]}… | {'yes' if name in learned else 'no: too slow'} |"
        )
    lines += [
        "",
        "The weights are given out under CC BY-NC-SA, the terms of Emotify's music. Part of the corpus has others, some narrower "
        "(see the table: GPL, no derivatives); none of its audio is given out. Whether a model inherits the terms of what it was "
        "trained on is not settled; who sells what it makes should ask a lawyer, and can train a model on music of their own by "
        "the same recipe.",
    ]
    return lines


def _stages(card: ModelCard, n_clips: int) -> str:
    """What the training clips are, and that there were others before."""
    training = card.training.get("recipe", {}).get("training", {})
    n_windows = training.get("windows_per_clip", 1) if training.get("sampling") == "subclips" else 1
    said = f"{n_clips:,} examples of {n_windows * card.input.window_seconds:.1f} s, {training.get('epochs')} times over"
    if "begun_with" in card.training:
        first = card.training["begun_with"]
        return f"In its last stage, begun with {first['name']} ({first['weights_sha256'][:12]}…), it heard {said}"
    return f"It heard {said}"


def _emotify(found: Findings) -> list[str]:
    report = found.emotify
    lines = [
        "## Real labels: Emotify's genres",
        "",
        f"{report.n_clips} test songs of {report.n_groups} artists that are in no other split. ROC-AUC with 95 % intervals, "
        f"drawing artists. {found.finished.card.name}: whole songs, as `earmark tag` hears them; teachers: the mean over a song's "
        "parts of 29.1 s. A dash: a genre that is not known; the mean is then over the others.",
        "",
        "| | " + " | ".join(GENRES) + " | mean |",
        "|---|" + "---|" * (len(GENRES) + 1),
    ]
    names = found.finished.card.vocabulary.names
    own = [_figure(report, "roc_auc", genre) if genre in names else "–" for genre in GENRES]
    lines.append(f"| **{found.finished.card.name}** | {' | '.join(own)} | {_figure(report, 'roc_auc')} |")
    for row in found.teachers:
        ends = ""
        if row.title == "all averaged":
            ends = f" [{found.averaged_ends[0]:.3f}, {found.averaged_ends[1]:.3f}]"
        cells = " | ".join("–" if np.isnan(value) else f"{value:.3f}" for value in row.values)
        lines.append(f"| {row.title} | {cells} | {row.mean:.3f}{ends} |")
    return lines


def _agreement(found: Findings) -> list[str]:
    names = {HELD_OUT: "held-out sources of the corpus", VALIDATION: "validation songs of Emotify"}
    n = len(_teachers(found.finished.card))
    lines = [
        "## Agreement with the averaged teachers",
        "",
        f"Scores before calibration against those of {n} networks averaged on a common scale, on parts of 29.1 s. Rank "
        "correlation: Spearman's over parts, for each tag, then the mean over tags. 95 % intervals draw sources in the corpus, "
        "songs in Emotify.",
        "",
        "| music | parts | rank correlation | of five highest tags, shared |",
        "|---|---|---|---|",
    ]
    for part, heard in found.finished.agreement.items():
        ranks, top = heard.intervals(found.groups if part == HELD_OUT else None)
        lines.append(
            f"| {names[part]} | {len(heard.songs)} | {heard.mean_correlation:.3f} [{ranks[0]:.3f}, {ranks[1]:.3f}] "
            f"| {heard.mean_shared:.2f} [{top[0]:.2f}, {top[1]:.2f}] |"
        )
    heard = found.finished.agreement[HELD_OUT]
    lines += ["", "By category, on the held-out sources:", "", "| category | tags | rank correlation | worst tag |"]
    lines += ["|---|---|---|---|"]
    for category in _counts(found.finished.card):
        tags = [tag.name for tag in found.finished.card.vocabulary if tag.category == category]
        part_of = heard.of_tags(tags)
        worst = int(np.nanargmin(part_of.correlations))
        lines.append(
            f"| {category} | {len(tags)} | {part_of.mean_correlation:.3f} "
            f"| {tags[worst]} {part_of.correlations[worst]:.2f} |"
        )
    return lines


def _calibration(found: Findings) -> list[str]:
    fitted = found.finished.fitted
    bins = reliability(found.finished.holds, fitted.scores)
    card = found.finished.card
    limits = np.array([card.thresholds[tag] for tag in card.vocabulary.names])
    said = fitted.scores >= limits
    held = found.finished.holds
    return [
        "## Calibration and thresholds",
        "",
        "The reference: a tag holds where the teachers' average is among the highest, in so large a share of music as that "
        "average itself says has the tag. Scores were calibrated to it on the held-out music and Emotify's validation songs. The "
        "table is from cross-validation: each song by maps that were fitted without it.",
        "",
        "| score | clip-tag pairs | mean score | share that holds |",
        "|---|---|---|---|",
        *(f"| {one.low:.1f} to {one.high:.1f} | {one.n} | {one.mean_score:.2f} | {one.share:.2f} |" for one in bins),
        "",
        f"Expected calibration error {calibration_error(bins):.4f}; log loss {fitted.losses[fitted.freedom]:.4f}, before "
        f"calibration {fitted.losses[None]:.4f}, with one map for all tags {fitted.losses[0.0]:.4f}. At the thresholds (.5, more where that was wrong too often) "
        f"{said.sum(axis=1).mean():.1f} tags are said of a clip, {held.sum(axis=1).mean():.1f} hold; "
        f"{_share(held[said].mean() if said.any() else float('nan'))} of those said hold, "
        f"{_share(said[held].mean())} of those that hold are said.",
    ]


def _failures(found: Findings) -> list[str]:
    card = found.finished.card
    lines = ["## What it is bad at", ""]
    lines += [f"- {limit}" for limit in card.limits]
    lines += [
        "",
        f"**Songs taken for another genre:** of the {found.n_songs} test songs of Emotify {len(found.mistakes)} have another of "
        "the four genres highest"
        + (f"; the {_MOST_MISTAKES} surest mistakes:" if len(found.mistakes) > _MOST_MISTAKES else ":"),
        "",
        "| song | is filed under | was heard as | scores of both | highest tags |",
        "|---|---|---|---|---|",
    ]
    for one in found.mistakes[:_MOST_MISTAKES]:
        title = one.title.replace("|", "/")
        lines.append(
            f"| {title} | {one.genre} | {one.heard} | {one.scores[0]:.2f}, {one.scores[1]:.2f} | {', '.join(one.tags)} |"
        )
    lines += [
        "",
        "**Sounds that are no music**, of 20 s: it has no tag for them and says",
        "",
        "| sound | tags that hold | highest |",
    ]
    lines += ["|---|---|---|"]
    for name, result in found.sounds.items():
        holding = ", ".join(f"{tag.tag} {tag.score:.2f}" for tag in result.top(0, "auto")) or "none"
        highest = ", ".join(f"{tag.tag} {tag.score:.2f}" for tag in result.top(3))
        lines.append(f"| {name} | {holding} | {highest} |")
    if found.instruments:
        lines += [
            "",
            "**Single notes and phrases** of known instruments, a few seconds long and without a room, as no training music is:",
            "",
            "| instrument | files | highest instrument | among three highest | reaches its threshold | highest most often |",
            "|---|---|---|---|---|---|",
            *(
                f"| {row.instrument} | {row.n} | {_share(row.first)} | {_share(row.among_three)} | {_share(row.holds)} | {row.instead} |"
                for row in found.instruments
            ),
        ]
    return lines


def _tags(found: Findings) -> list[str]:
    finished, card = found.finished, found.finished.card
    heard: Agreement = finished.agreement[HELD_OUT]
    lines = [
        "## The tags",
        "",
        "Rank correlation with the averaged teachers on held-out sources; share of the clips of the calibration in which the tag "
        "holds by the reference; the threshold; which vocabularies the teachers behind it have.",
        "",
        "| category | tag | rank correlation | holds in | threshold | heard from |",
        "|---|---|---|---|---|---|",
    ]
    sources = card.training["heard_from"]
    for i in card.vocabulary.display_order():
        tag = card.vocabulary.tags[i]
        told = ", ".join(sources[tag.name])
        lines.append(
            f"| {tag.category} | {tag.name} | {heard.correlations[i]:.2f} | {_share(finished.holds[:, i].mean())} "
            f"| {card.thresholds[tag.name]:.2f} | {told} |"
        )
    lines += ["", "Left out, because they cannot be told from noise on held-out music:", ""]
    lines += [f"- {tag}: {why}" for tag, why in finished.left_out.items()] or ["- none"]
    return lines


def _counts(card: ModelCard) -> dict[str, int]:
    numbers = {category: sum(tag.category == category for tag in card.vocabulary) for category in CATEGORIES}
    return {category: n for category, n in numbers.items() if n}


def _teachers(card: ModelCard) -> tuple[str, ...]:
    return tuple(card.training.get("teachers", {}))


def _figure(report: Report, name: str, tag: str | None = None) -> str:
    metric = report.find(name, tag)
    if metric.value is None:
        return "undefined"
    return f"{metric.value:.3f}" + ("" if metric.low is None else f" [{metric.low:.3f}, {metric.high:.3f}]")


def _share(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0%}"

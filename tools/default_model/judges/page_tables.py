"""What the judges found, for the page of a model: it and others by judge, and which tags people's labels judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.default_model.judges.answers import plain_name, tags_for_label
from tools.default_model.judges.measures import Value
from tools.default_model.judges.report import judge_table, read_results, value_cell

JUDGES = {
    "MagnaTagATune's tags": "Songs of Emotify by artists that are in no other split, with the tags that players gave to clips of "
    "them: what came to mind, so a tag that is missing says little.",
    "Emotify's genres": "Songs by artists that are in no other split, each of one of four genres.",
    "listeners' emotions": "The same songs, with the share of listeners that felt each of nine emotions. An emotion without a tag "
    "counts 0. Which tag answers: the table in [results/ear.md](results/ear.md).",
    "the composer's instruments": "Tracks of Kevin MacLeod, with the instruments that he lists. Other titles of his were trained "
    "on; versions of a piece are in one split.",
    "the composer's moods": "The same tracks, with what he says they feel like.",
    "GTZAN's genres": "Excerpts of ten genres, a tenth of GTZAN; only measured on.",
    "emotions of piano pieces": "High or low valence and arousal of pieces for piano; only measured on.",
    "all of these labels": "What is printed, over all labels above that are 0 or 1: a song's label that a printed tag says, or implies.",
    "a voice said": "Share of the songs of which a tag of voices is printed: should be high where there is a voice, low without. "
    "Nobody has said which of GTZAN's excerpts have one; of these genres nearly all have.",
    "jazz said of classical music": "Share of the songs of which jazz is printed; should be low.",
    "nothing said of music": "Share of the songs of which nothing is printed.",
    "no music": "Prompts of telephone systems in languages, and sounds in kinds, that were not trained on: share of which "
    "something of music is printed (should be low), and of which it is printed what they are.",
}
"""Judge -> its songs, for people; in the order of the page."""
HEADLINES = (
    ("Emotify's genres", "ROC-AUC"),
    ("GTZAN's genres", "ROC-AUC"),
    ("the composer's instruments", "ROC-AUC"),
    ("listeners' emotions", "rank correlation"),
    ("all of these labels", "default output: f1"),
)
"""Judge and measure of what stands at the top of the page."""
_RANKINGS = ("ROC-AUC", "rank correlation")
_WITHOUT = "one threshold"


@dataclass(frozen=True)
class Judged:
    """What was found of a model and others on one split.

    Attributes:
        split: of the songs.
        results: model -> values, the model of the page first; empty where it was not measured.
        why_not: for people, where ``results`` is empty.
    """

    split: str
    results: dict[str, list[Value]]
    why_not: str = ""

    @property
    def own(self) -> list[Value]:
        """Of the model of the page."""
        return next(iter(self.results.values()), [])

    @property
    def sections(self) -> list[tuple[str, str, str]]:
        """Title, songs and table of each judge of the model."""
        there = {value.judge for value in self.own}
        return [
            (judge[0].upper() + judge[1:], text, judge_table(judge, self.results, _WITHOUT))
            for judge, text in JUDGES.items()
            if judge in there
        ]

    @property
    def missing(self) -> list[str]:
        """Judges by which the model was not measured."""
        there = {value.judge for value in self.own}
        return [judge for judge in JUDGES if judge not in there]

    @property
    def headlines(self) -> dict[str, str]:
        """Judge and measure -> the model's number, of :data:`HEADLINES`."""
        found = {(value.judge, value.measure): value for value in self.own}
        return {
            f"{judge}, {measure.removeprefix('default output: ').replace('f1', 'F1 of what is printed')}": value_cell(
                found[judge, measure]
            )
            for judge, measure in HEADLINES
            if (judge, measure) in found
        }

    def by_tag(self, tags: Sequence[str]) -> dict[str, str]:
        """Tag -> how people's labels judge it: judge, label (where that is another word), score, songs."""
        found: dict[str, list[str]] = {}
        for value in self.own:
            if value.measure in _RANKINGS:
                for label, number in value.labels.items():
                    for place in [] if number is None else tags_for_label(label, tags):
                        word = label.removeprefix("feel: ")
                        alike = plain_name(tags[place]) == word
                        said = "" if alike else f" (“{word}”)"
                        found.setdefault(tags[place], []).append(
                            f"{value.judge}{said}: {value.measure} {number:.2f}, {value.n_songs} songs"
                        )
        return {tag: "; ".join(lines) for tag, lines in found.items()}


def read_judged(folder: Path | None, name: str, sha256: str, split: str) -> Judged:
    """The results of a model and of all others in a folder of ``judge``.

    Args:
        folder: with MODEL.SPLIT.json; None where nothing was measured.
        name, sha256: of the model; results of another file of this name do not count.
        split: of the songs.

    Raises:
        DataError: a file that is none of results.
    """
    own = None if folder is None else folder / f"{name}.{split}.json"
    if folder is None or own is None or not own.is_file():
        return Judged(split, {}, f"{name} was not measured on the {split} songs")
    found = read_results(own)
    if found.sha256 != sha256:
        return Judged(split, {}, f"{own.name} is of another file than this {name}; measure it again")
    others = sorted(set(folder.glob(f"*.{split}.json")) - {own}, key=lambda path: path.stat().st_mtime)
    return Judged(split, {one.model: one.values for one in (found, *map(read_results, others))})


def read_factors(folder: Path | None) -> dict[str, list[Value]]:
    """What is printed by share factor, as ``factors`` has found it: "factor 2" -> values."""
    paths = [] if folder is None else sorted((folder / "factors").glob("*.json"))
    found = [read_results(path) for path in paths]
    return {one.model: one.values for one in sorted(found, key=lambda one: float(one.model.rpartition(" ")[2]))}

"""All measurements of a model on one split, and what each of them is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.datasets.emotify import EMOTIONS, GENRES
from tools.default_model.judges.answers import labels_said, plain_name, read_answers
from tools.default_model.judges.magnatagatune import tagged_songs
from tools.default_model.judges.measures import (
    Value,
    best_threshold,
    correlations,
    decisions,
    frequent_labels,
    over_threshold,
    ranking,
    share,
)
from tools.default_model.judges.models import Model, ScoreSource
from tools.default_model.judges.songs import (
    GTZAN_GENRES,
    Collection,
    composer_songs,
    emotify_songs,
    gtzan_songs,
    piano_songs,
    plain_files,
)

SPLITS = ("validation", "test")
LEAST_TAG_SONGS = 4
"""Of MagnaTagATune's tags: songs with and songs without a tag that is to count."""
LEAST_INSTRUMENT_SONGS = 3
EMOTION_LABELS = tuple(name.replace("_", " ") for name in EMOTIONS)
VOICES: tuple[str, ...] = (
    "a voice",
    "vocal",
    "vocals",
    "voice",
    "singing",
    "choir",
    "choral",
    "female",
    "male",
    "man",
    "woman",
)
VOICES += ("female vocal", "male vocal", "female voice", "male voice", "opera")
SUNG_GENRES = ("hip hop", "pop", "country")
QUADRANTS = ("high valence", "high arousal")
NO_MUSIC = ("speech", "noise", "silence", "environment")
MUSIC = ("emotify", "composer", "gtzan", "piano")

Doubles = npt.NDArray[np.float64]
Part = tuple[Collection, Doubles, Sequence[str]]


@dataclass(frozen=True)
class Folders:
    """Where the songs are. A judge whose songs are absent is left out.

    Attributes:
        emotify: with tracks.csv.
        composer: macleod.csv.
        mtat: MagnaTagATune's lists.
        audio: with the folders macleod, gtzan, piano, sounds and speech.
        mtat_labels: more tables of MagnaTagATune's labels.
    """

    emotify: Path
    composer: Path
    mtat: Path
    audio: Path
    mtat_labels: tuple[Path, ...] = ()


def read_collections(folders: Folders) -> dict[str, Collection]:
    """All songs with labels that there are, by the name of the collection."""
    emotify = emotify_songs(folders.emotify)
    found = [
        emotify,
        composer_songs(folders.composer, folders.audio / "macleod"),
        tagged_songs(emotify, folders.emotify / "tracks.csv", folders.mtat, folders.mtat_labels),
        gtzan_songs(folders.audio / "gtzan"),
        piano_songs(folders.audio / "piano"),
        plain_files("sounds", folders.audio / "sounds", _kind_of_sound),
        plain_files("speech", folders.audio / "speech", lambda _: "speech"),
    ]
    return {one.name: one for one in found if one.songs}


def _kind_of_sound(path: Path) -> str:
    return {"noise": "noise", "silence.wav": "silence"}.get(path.parts[0], "environment")


def instrument_labels(songs: Collection) -> list[str]:
    """Instruments that enough of these tracks have."""
    names = {label for song in songs.songs for label in song.labels if not label.startswith("feel: ")}
    return frequent_labels(songs, sorted(names - {"a voice"}), LEAST_INSTRUMENT_SONGS)


def rankings(model: ScoreSource, songs: Mapping[str, Collection], split: str) -> list[Value]:
    """How well songs with a label are separated from songs without it."""
    there = _of_split(songs, split)
    values: list[Value] = []
    if tagged := there.get("magnatagatune"):
        tags = frequent_labels(tagged, list(tagged.songs[0].labels), LEAST_TAG_SONGS)
        for metric, title in (("roc_auc", "ROC-AUC"), ("pr_auc", "PR-AUC")):
            values += ranking("MagnaTagATune's tags", tagged, model.scores(tagged, tags), tags, metric, title)
    if emotify := there.get("emotify"):
        values += ranking("Emotify's genres", emotify, model.scores(emotify, GENRES), GENRES)
        values += correlations("listeners' emotions", emotify, model.scores(emotify, EMOTION_LABELS), EMOTION_LABELS)
    if composer := there.get("composer"):
        instruments = instrument_labels(composer)
        values += ranking("the composer's instruments", composer, model.scores(composer, instruments), instruments)
        feels = sorted({label for song in composer.songs for label in song.labels if label.startswith("feel: ")})
        feels = frequent_labels(composer, feels, LEAST_INSTRUMENT_SONGS)
        values += ranking("the composer's moods", composer, model.scores(composer, feels), feels)
    if gtzan := there.get("gtzan"):
        values += ranking("GTZAN's genres", gtzan, model.scores(gtzan, GTZAN_GENRES), GTZAN_GENRES)
    if piano := there.get("piano"):
        values += ranking("emotions of piano pieces", piano, model.scores(piano, QUADRANTS), QUADRANTS)
    return values


def outputs(model: Model, songs: Mapping[str, Collection], split: str) -> list[Value]:
    """What is printed: tags at the model's thresholds, which published networks do not have, and at a fixed one."""
    there, names = _of_split(songs, split), model.card.vocabulary.names
    labels = _labels_of_output(there)
    values: list[Value] = []
    threshold = _fixed_threshold(model, songs)
    outcomes: dict[str, dict[str, Part]] = {}
    for judge, (collection, chosen) in labels.items():
        if threshold is not None:
            said = over_threshold(model.scores(collection, chosen), threshold)
            outcomes.setdefault(f"one threshold of {threshold:.2f}", {})[judge] = (collection, said, chosen)
        if model.card.thresholds:
            said = labels_said(chosen, names, model.output(collection).predicted)
            outcomes.setdefault("default output", {})[judge] = (collection, said, chosen)
    for title, parts in outcomes.items():
        for judge, part in parts.items():
            values += decisions(judge, title, [part])
        values += decisions("all of these labels", title, list(parts.values()))
    if not model.card.thresholds:
        return values
    values += _voices(model, there)
    for name, collection in _classical(there).items():
        said = labels_said(["jazz"], names, model.output(collection).predicted)[:, 0]
        values.append(share("jazz said of classical music", name, collection, said))
    tags = _tags_of_music(model)
    for name in MUSIC:
        if music := there.get(name):
            nothing = ~model.output(music).predicted[:, tags].any(axis=1)
            values.append(share("nothing said of music", name, music, nothing))
    values += _no_music(model, there)
    return values


def _of_split(songs: Mapping[str, Collection], split: str) -> dict[str, Collection]:
    parts = {name: collection.split(split) for name, collection in songs.items()}
    return {name: part for name, part in parts.items() if part.songs}


def _labels_of_output(there: Mapping[str, Collection]) -> dict[str, tuple[Collection, Sequence[str]]]:
    """The labels that default output is compared with: those that are known of every song."""
    found: dict[str, tuple[Collection, Sequence[str]]] = {}
    if tagged := there.get("magnatagatune"):
        tags = frequent_labels(tagged, list(tagged.songs[0].labels), LEAST_TAG_SONGS)
        found["MagnaTagATune's tags"] = (tagged, tags)
    if emotify := there.get("emotify"):
        found["Emotify's genres"] = (emotify, GENRES)
    if composer := there.get("composer"):
        listed = Collection("composer", tuple(song for song in composer.songs if "piano" in song.labels))
        found["the composer's instruments"] = (listed, instrument_labels(listed))
    if gtzan := there.get("gtzan"):
        found["GTZAN's genres"] = (gtzan, GTZAN_GENRES)
    return found


def _fixed_threshold(model: ScoreSource, songs: Mapping[str, Collection]) -> float | None:
    """The one threshold with the highest F1 on the training songs: tags or genres of Emotify, and instruments."""
    train = _labels_of_output(_of_split(songs, "train"))
    parts = [(part.matrix(labels), model.scores(part, labels)) for part, labels in train.values()]
    if not parts:
        return None
    y, s = (np.concatenate([pair[i].ravel() for pair in parts]) for i in (0, 1))
    return best_threshold(y, s)


def _voices(model: Model, there: Mapping[str, Collection]) -> list[Value]:
    """A voice said where there is one, and where there is none."""
    values = []
    for name in ("magnatagatune", "composer", "gtzan", "piano"):
        if (music := there.get(name)) is None:
            continue
        if name == "gtzan":  # nobody said which excerpts have a voice; of these genres nearly all have
            sung = np.where(np.nansum(music.matrix(SUNG_GENRES), axis=1) > 0, 1.0, np.nan)
        elif name == "piano":
            sung = np.zeros(len(music.songs))
        else:
            y = music.matrix(VOICES)
            sung = np.where(np.isnan(y).all(axis=1), np.nan, np.nan_to_num(y).max(axis=1))
        said = labels_said(["a voice"], model.card.vocabulary.names, model.output(music).predicted)[:, 0]
        for wanted, title in ((1.0, ", ".join(SUNG_GENRES) if name == "gtzan" else "with a voice"), (0.0, "without")):
            if (sung == wanted).any():
                holds = np.where(sung == wanted, said, np.nan)
                values.append(share("a voice said", f"{name}, {title}", music, holds))
    return values


def _classical(there: Mapping[str, Collection]) -> dict[str, Collection]:
    """Classical songs, and solo piano."""
    found = {}
    for name in ("emotify", "gtzan"):
        if collection := there.get(name):
            songs = tuple(song for song in collection.songs if song.labels["classical"] == 1)
            found[f"{name}, classical"] = Collection(name, songs)
    if piano := there.get("piano"):
        found["solo piano"] = piano
    return {name: collection for name, collection in found.items() if collection.songs}


def _no_music(model: Model, there: Mapping[str, Collection]) -> list[Value]:
    """Of sounds that are no music: are they named as what they are, and is anything of music said?"""
    names, music = model.card.vocabulary.names, _tags_of_music(model)
    values = []
    for collection in (there[name] for name in ("speech", "sounds") if name in there):
        predicted = model.output(collection).predicted
        for kind in NO_MUSIC:
            holds = collection.matrix([kind])[:, 0] == 1
            if holds.any():
                said = labels_said([kind], names, predicted)[:, 0]
                of_music = predicted[:, music].any(axis=1)
                values.append(share("no music", f"{kind}: music said", collection, np.where(holds, of_music, np.nan)))
                values.append(share("no music", f"{kind}: said", collection, np.where(holds, said, np.nan)))
    return values


def _tags_of_music(model: Model) -> list[int]:
    """Positions of the tags that say something of music; neither degrees, nor speech, noise, silence and the like."""
    answers = [read_answers()[label] for label in NO_MUSIC]
    others = {"music", *(name for answer in answers for group in (*answer.groups, answer.implied_by) for name in group)}
    tags = enumerate(model.card.vocabulary)
    return [i for i, tag in tags if tag.kind == "classification" and plain_name(tag.name) not in others]

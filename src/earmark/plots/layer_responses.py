"""What the layers of a network respond to, by the method that suits its architecture."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from earmark.core.card import ModelCard
from earmark.core.errors import ConfigError
from earmark.models.base import TaggingModel
from earmark.models.ensemble_combiner import EnsembleCombiner
from earmark.models.harmonic import HarmonicCNN
from earmark.plots.ascent import ascend
from earmark.plots.axes import even_choice
from earmark.plots.drawing import Drawing
from earmark.plots.mel_filters import draw_mel_filters, first_mel_filters
from earmark.plots.style import about_model
from earmark.plots.sweep import N_TONES, OnDone, draw_responses, layer_names, sweep

By = Literal["auto", "filters", "sweep", "ascent"]


def draw_layer_responses(
    model: TaggingModel,
    card: ModelCard,
    by: By = "auto",
    *,
    most_layers: int = 10,
    most_units: int = 32,
    n_tones: int = N_TONES,
    seed: int = 0,
    on_done: OnDone | None = None,
) -> list[Drawing]:
    """One figure, or, of an ensemble, one for each member.

    Args:
        model: in eval mode.
        card: of the model, for the line under the title.
        by: "filters" (networks on spectrograms), "sweep" (all), "ascent" (networks on raw audio), or "auto": filters
            where there is a spectrogram, else a sweep.
        most_layers: of a sweep or an ascent; of more, evenly chosen ones from the first to the last.
        most_units: of a layer in an ascent.
        n_tones: bands of frequency, of a sweep or an ascent.
        seed: of the ascent's noise.
        on_done: called with the progress.

    Raises:
        ConfigError: an unknown method, or one that does not fit the network.
    """
    if by not in get_args(By):
        raise ConfigError(f"by {by!r}: must be one of {', '.join(get_args(By))}")
    if isinstance(model, EnsembleCombiner):
        drawings = []
        for number, member in enumerate(model.members, start=1):
            assert isinstance(member, TaggingModel)
            of = card.replace(name=f"{card.name}, member {number} ({member.architecture})")
            # a method that does not fit one member is no reason to refuse the others
            way = by if by in ("auto", "sweep") or _has_spectrogram(member) == (by == "filters") else "auto"
            for drawing in draw_layer_responses(
                member,
                of,
                way,
                most_layers=most_layers,
                most_units=most_units,
                n_tones=n_tones,
                seed=seed,
                on_done=on_done,
            ):
                drawings.append(dataclasses.replace(drawing, name=f"{drawing.name}-{number}"))
        return drawings
    about = about_model(card)
    if by == "filters" or (by == "auto" and _has_spectrogram(model)):
        if not _has_spectrogram(model):
            raise ConfigError(
                f"{model.architecture}: by filters is for networks on spectrograms, its input is raw audio; choose sweep or "
                "ascent, or, where its first filters are long, `earmark analyze filters`"
            )
        return [draw_mel_filters(first_mel_filters(model), about)]
    names = layer_names(model)
    chosen = [names[i] for i in even_choice(len(names), most_layers)]
    if by == "ascent":
        found = ascend(model, chosen, most_units=most_units, n_tones=n_tones, seed=seed, on_done=on_done)
        title, means = "Responses of the layers: sounds found by gradient ascent", "magnitude (largest of unit = 1)"
    else:
        found = sweep(model, chosen, n_tones=n_tones, on_done=on_done)
        title, means = "Responses of the layers to tones", "answer (largest of unit = 1)"
    name = "layer-ascent" if by == "ascent" else "layer-sweep"
    return [draw_responses(found, about, name=name, title=title, colour_means=means)]


def _has_spectrogram(model: TaggingModel) -> bool:
    return model.frontend is not None or isinstance(model, HarmonicCNN)

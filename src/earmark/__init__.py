"""Tag music from its audio.

    import earmark
    tagger = earmark.load_tagger()
    tagger.tag("song.mp3").top(5)

The names below need no torch, and are imported when they are first used. The research half is imported by module:
earmark.models, earmark.training, earmark.evaluation, earmark.export.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from earmark.core.version import __version__

if TYPE_CHECKING:
    from earmark.core.card import ModelCard
    from earmark.core.errors import AudioError, EarmarkError
    from earmark.core.musical_key import MusicalKey
    from earmark.core.vocabulary import Tag, Vocabulary
    from earmark.tagging.data_frames import to_frame
    from earmark.tagging.progress import TagProgress
    from earmark.tagging.segments import Segment
    from earmark.tagging.tag_scores import TagScores
    from earmark.tagging.tagger import Tagger, load_tagger
    from earmark.tagging.taggram import draw_taggram
    from earmark.tagging.tempo_key.result import KeyEstimate, Tempo
    from earmark.tagging.top_tags import TagScore

# Nothing leaves the machine: ONNX Runtime's packages (1.32) send reports of their use to Microsoft, and keep an identifier in
# the home folder, unless this is set before it is imported. An existing value is kept.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_MODULES = {
    "AudioError": "core.errors",
    "EarmarkError": "core.errors",
    "KeyEstimate": "tagging.tempo_key.result",
    "ModelCard": "core.card",
    "MusicalKey": "core.musical_key",
    "Segment": "tagging.segments",
    "Tag": "core.vocabulary",
    "TagProgress": "tagging.progress",
    "TagScore": "tagging.top_tags",
    "TagScores": "tagging.tag_scores",
    "Tagger": "tagging.tagger",
    "Tempo": "tagging.tempo_key.result",
    "Vocabulary": "core.vocabulary",
    "draw_taggram": "tagging.taggram",
    "load_tagger": "tagging.tagger",
    "to_frame": "tagging.data_frames",
}

__all__ = [
    "AudioError",
    "EarmarkError",
    "KeyEstimate",
    "ModelCard",
    "MusicalKey",
    "Segment",
    "Tag",
    "TagProgress",
    "TagScore",
    "TagScores",
    "Tagger",
    "Tempo",
    "Vocabulary",
    "__version__",
    "draw_taggram",
    "load_tagger",
    "to_frame",
]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import earmark` and `earmark --help` are quick."""
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"earmark.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'earmark' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

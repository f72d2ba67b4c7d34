"""The tag lists of published weights, in the order of their outputs.

They are text files in ``data/``: one tag and its category per line, with a tab between; lines with # are comments.
"""

from __future__ import annotations

from pathlib import Path

from earmark.core.errors import ConfigError
from earmark.core.vocabulary import Tag, Vocabulary

VOCABULARIES = (
    *("mtat-50", "msd-50", "mtg-jamendo-50", "audioset-527"),
    *("essentia-acoustic", "essentia-aggressive", "essentia-danceable", "essentia-electronic", "essentia-genre"),
    *("essentia-happy", "essentia-relaxed", "essentia-sad", "essentia-voice"),
)


def load_vocabulary(name: str) -> Vocabulary:
    """One of :data:`VOCABULARIES`. Raises ConfigError for any other name.

    Example:
        >>> load_vocabulary("mtat-50").names[:3]
        ('guitar', 'classical', 'slow')
    """
    if name not in VOCABULARIES:
        raise ConfigError(f"no vocabulary {name!r}; there are {', '.join(VOCABULARIES)}")
    text = (Path(__file__).parent / "data" / f"{name}.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return Vocabulary(tuple(Tag(tag, "classification", category) for tag, category in rows))

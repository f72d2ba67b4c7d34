"""The scores of a file as a JSON record, and as HTML for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.tagging.tag_scores import TagScores
    from earmark.tagging.tempo_key.result import KeyEstimate, Tempo
    from earmark.tagging.top_tags import TagScore

_HTML_TAGS, _TEXT_TAGS = 10, 3


def score_record(scores: TagScores, tags: list[TagScore]) -> dict[str, Any]:
    """See :meth:`earmark.TagScores.to_record`; ``tags`` are those that are listed."""
    record = {
        "path": None if scores.path is None else str(scores.path),
        "status": "ok",
        "error": None,
        "duration_seconds": round(scores.duration_seconds, 3),
        "windows": len(scores.taggram) if scores.n_windows is None else scores.n_windows,
        "heard_seconds": round(scores.heard_seconds, 3),
        "silent_seconds": round(scores.silent_seconds, 3),
        "model": scores.model,
        "abstained": not tags,
        "tags": [{"tag": t.tag, "score": round(t.score, 4), "kind": t.kind, "category": t.category} for t in tags],
        "degrees": {name: round(score, 4) for name, score in scores.degrees.items()},
        "warnings": list(scores.warnings),
    }
    return record | measure_record(scores.tempo, scores.key)


def measure_record(tempo: Tempo | None, key: KeyEstimate | None) -> dict[str, Any]:
    """The parts of a record that are there where they were estimated."""
    return {
        **({} if tempo is None else {"tempo": tempo.record()}),
        **({} if key is None else {"key": key.record()}),
    }


def score_text(scores: TagScores) -> str:
    """One line with what is highest."""
    best = ", ".join(f"{tag.tag} {tag.score:.2f}" for tag in scores.top(_TEXT_TAGS))
    name = "waveform" if scores.path is None else scores.path.name
    head = f"{scores.duration_seconds:.1f} s{_measured(scores)}, model {scores.model}"
    return f"<TagScores of {name}: {head}, {len(scores)} tags: {best}>"


def _measured(scores: TagScores) -> str:
    return "".join(f", {measure}" for measure in (scores.tempo, scores.key) if measure is not None)


def score_html(scores: TagScores) -> str:
    """A small table of the highest scores."""
    from html import escape  # with a table of all entities

    name = "waveform" if scores.path is None else scores.path.name.encode("utf-8", "replace").decode()
    rows = "".join(
        f"<tr><td>{escape(tag.tag)}</td><td>{escape(tag.category)}</td><td>{tag.score:.2f}</td>"
        f'<td><meter value="{tag.score:.3f}"></meter></td></tr>'
        for tag in scores.top(_HTML_TAGS)
    )
    degrees = ", ".join(f"{escape(name)} {100 * score:.0f}" for name, score in scores.degrees.items())
    below = [degrees] if degrees else []
    below += map(escape, scores.warnings)
    return (
        f"<p><strong>{escape(name)}</strong>, {scores.duration_seconds:.1f} s{escape(_measured(scores))}, "
        f"model {escape(scores.model)}</p>"
        "<table><thead><tr><th>tag</th><th>category</th><th>score</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table>" + "".join(f"<p>{line}</p>" for line in below)
    )

"""`earmark library info`: where the index is, and what is in it."""

from __future__ import annotations

from typing import Annotated

from earmark.cli.commands import Option
from earmark.cli.console import print_json
from earmark.cli.options import Format, IndexFile, TextFormat
from earmark.core.clock import total_time


def info(
    index: IndexFile = None,
    failed: Annotated[bool, Option("--failed", help="Also list the files that cannot be tagged, and why.")] = False,
    output_format: Format = TextFormat.text,
) -> None:
    """Show where the index is, how many files it knows, and by which model.

    Examples

      earmark library info

      earmark library info --failed
    """
    from earmark.cli.text import printable
    from earmark.library.index.measures import count_unmeasured
    from earmark.library.index.schema import SCHEMA_VERSION
    from earmark.library.index.track_index import Index

    with Index.open(index) as opened:
        failures, silent = opened.failures()
        counts = {**opened.counts(), "error": len(failures)}
        models = opened.models()
        current = opened.current_model() if models else None
        tagged = dict(opened.rows("SELECT model_id, count(*) FROM results GROUP BY model_id"))
        seconds = opened.execute(
            "SELECT coalesce(sum(a.duration_seconds), 0) FROM files f JOIN audio a USING (content_key) "
            "WHERE f.status = 'ok'"
        ).fetchone()[0]
        measured = counts["ok"] - count_unmeasured(opened)
        broken = failures if failed else []
        size = sum(
            part.stat().st_size
            for part in (opened.path, opened.path.with_name(f"{opened.path.name}-wal"))
            if part.is_file()
        )
        record = {
            "index": str(opened.path),
            "schema_version": SCHEMA_VERSION,
            "size_bytes": size,
            "files": counts,
            "without_sound": len(silent),
            "audio_seconds": round(seconds, 3),
            "with_tempo_and_key": measured,
            "model": None if current is None else current.name,
            "models": [
                {
                    "name": model.name,
                    "version": model.version,
                    "weights_sha256": model.weights_sha256.partition("+")[0],
                    "windows": model.windows,
                    "embedding_dims": model.embedding_dims,
                    "recordings": tagged.get(model.model_id, 0),
                    "current": model == current,
                }
                for model in models
            ],
            **({"failed": [{"path": str(path), "error": error} for path, error in broken]} if failed else {}),
        }
    if output_format is TextFormat.json:
        print_json(record)
        return
    print(f"index    {printable(opened.path)} ({size / 1e6:.1f} MB, version {SCHEMA_VERSION})")
    without_sound = f", {len(silent)} videos without sound" if silent else ""
    print(
        f"files    {counts['ok']} tagged, {counts['error']} that cannot be, {counts['missing']} missing{without_sound}"
    )
    print(f"music    {total_time(seconds)}")
    if counts["ok"]:
        rest = "" if measured == counts["ok"] else "; for the others: earmark library scan --complete"
        print(f"measured tempo and key of {measured} files{rest}")
    for model in models:
        embeddings = f"embeddings of {model.embedding_dims} numbers" if model.embedding_dims else "no embeddings"
        windows = f", {model.windows} windows of each" if model.windows else ""
        print(
            f"model    {model.name} {model.version} ({model.weights_sha256[:12]}): {tagged.get(model.model_id, 0)} "
            f"recordings{windows}, {embeddings}{'' if model == current else '; from earlier scans'}"
        )
    if not models:
        print("model    none yet")
    for path, error in broken:
        print(f"failed   {printable(path)}: {error}")

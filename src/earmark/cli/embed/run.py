"""One run of `earmark embed`: find, embed, write, sum up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.audio.file_discovery import LeftOut, find_audio
from earmark.cli.console import print_error, print_note, print_table, stderr_console
from earmark.cli.optional_dependencies import require_extra
from earmark.cli.progress import count_bar
from earmark.cli.stdin import STDIN, stdin_paths
from earmark.cli.text import counted, printable
from earmark.core.clock import clock
from earmark.core.errors import AudioError, ConfigError
from earmark.core.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED
from earmark.core.heaps import share_heaps
from earmark.tagging.embedder import Embedder, Embedding
from earmark.tagging.embedding_writer import EmbeddingWriter
from earmark.tagging.runtime import LayerModel, OnnxModel, find_model, list_installed

if TYPE_CHECKING:
    from earmark.datasets.base import Clip


@dataclass(frozen=True)
class Source:
    """Something to embed.

    Attributes:
        path: the audio file.
        name: the path in the table, where it is another.
        error: why it cannot be one.
        clip: of a dataset.
    """

    path: Path
    name: Path | None = None
    error: AudioError | None = None
    clip: Clip | None = None


@contextmanager
def sources(
    paths: Sequence[Path],
    manifest: Path | None,
    dataset: str | None,
    root: Path | None,
    protocol: str | None,
    split: str | None,
    left_out: LeftOut,
) -> Iterator[list[Source]]:
    """What the options of `earmark embed` name; what stdin sent is there as long as the context is open.

    Raises:
        DataError: a table without a column path, or a dataset that is not as it must be.
    """
    if dataset is not None and root is not None:
        from earmark.datasets import load_dataset

        loaded = load_dataset(dataset, root, protocol)
        yield [Source(clip.path, clip=clip) for clip in (loaded.clips if split is None else loaded.split(split))]
    elif manifest is not None:
        yield _of_table(manifest)
    else:
        with stdin_paths(paths, left_out.note) as (listed, piped):
            found = find_audio(listed, left_out)
            yield [
                Source(piped, item.path)
                if piped is not None and item.path == STDIN
                else Source(item.path, error=item.error)
                for item in found
            ]


def _of_table(path: Path) -> list[Source]:
    from earmark.datasets.base import raise_problems
    from earmark.datasets.table import read_table

    table = read_table(path)
    table.require("path", where=str(path))
    cells = [(row.where, row.values.get("path")) for row in table.rows]
    raise_problems(str(path), [f"{where}: no path" for where, cell in cells if not cell])
    return [Source(path.parent / str(cell).strip()) for _, cell in cells]


def layer_model(model: str | None, layer: str | None, device: str = "cpu") -> LayerModel:
    """An ONNX model, or a checkpoint (on the CPU alone), with the layer that is wanted."""
    if model is not None and Path(model).is_dir() and model not in list_installed():
        if device != "cpu":
            raise ConfigError(
                f"--device {device} with {model}: checkpoints run on the CPU; `earmark export` makes an .onnx file"
            )
        require_extra("train", "a checkpoint", "torch", "safetensors")

        from earmark.evaluation.torch_model import TorchModel

        return TorchModel(model, layer=layer)
    return OnnxModel(find_model(model), layer=layer, device=device)


def print_layers(model: str | None) -> None:
    """Names, operators or classes, and shapes of values for a window, of all layers of a model."""
    found = layer_model(model, None)
    if isinstance(found, OnnxModel):
        from earmark.tagging.onnx_layers import layer_operators, layer_shapes

        content = found.path.read_bytes()
        shapes = layer_shapes(content)
        rows = [(name, kind, shapes[name]) for name, kind in layer_operators(content).items() if name in shapes]
    else:
        from earmark.evaluation.torch_model import TorchModel
        from earmark.export.embedding import layer_shapes as shapes_of_modules

        assert isinstance(found, TorchModel)
        rows = [(name, kind, tuple(shape)) for name, kind, shape in shapes_of_modules(found.network)]
    print_table(("layer", "kind", "shape"), [(name, kind, " x ".join(map(str, shape))) for name, kind, shape in rows])


class EmbedRun:
    """Settings and counts of one run.

    Args:
        embedder: gives the embeddings.
        out: the table.
        jobs: files read side by side; None for one per core.
        quiet: no progress, notes and summary.
        anew: do not continue a run with other settings or files, but begin again.
    """

    def __init__(self, embedder: Embedder, out: Path, *, jobs: int | None, quiet: bool, anew: bool = False) -> None:
        share_heaps()
        self.anew = anew
        self.embedder, self.out, self.jobs, self.quiet = embedder, out, jobs, quiet
        self.messages = stderr_console()
        self.left_out = LeftOut()
        self.n_failed = self.n_done = 0
        self.audio_seconds = 0.0
        self.started = time.monotonic()

    def over(self, found: Sequence[Source]) -> int:
        """Embed everything; returns the exit code."""
        for path, note in () if self.quiet else self.left_out.notes:
            print_note(self.messages, note, path)
        if not found:
            self.messages.print("earmark: no audio files found there", markup=False)
            return EXIT_FAILED
        self.out.absolute().parent.mkdir(parents=True, exist_ok=True)
        clips = None if found[0].clip is None else [item.clip.clip_id for item in found if item.clip is not None]
        names = [str(item.name or item.path) for item in found]
        writer = EmbeddingWriter(self.out, [Path(name) for name in names], self.embedder.about(), clips, anew=self.anew)
        if writer.n_done and not self.quiet:
            self.messages.print(f"earmark: {counted(writer.n_done, 'file')} embedded before; continuing", markup=False)
        try:
            with count_bar(self.messages, quiet=self.quiet) as bar:
                task = bar.add_task("embedding", total=len(found), completed=writer.n_done)
                for place, result in self._results(found, writer.todo):
                    self._note(found[place], result)
                    writer.add(place, result)
                    bar.advance(task)
            writer.finish()
        except KeyboardInterrupt:
            writer.flush()
            self.messages.print(
                f"earmark: stopped by Ctrl-C after {writer.n_done + self.n_done + self.n_failed} of {len(found)} files; "
                "the same command continues",
                markup=False,
            )
            return EXIT_INTERRUPTED
        self._sum_up()
        return EXIT_FAILED if self.n_failed else 0

    def _results(self, found: Sequence[Source], todo: Sequence[int]) -> Iterator[tuple[int, Embedding | AudioError]]:
        """Each place of ``todo`` with its result, in order."""
        if clips := [item.clip for item in found if item.clip is not None]:
            from earmark.datasets.embedded import embed_clips

            yield from embed_clips(self.embedder, clips, todo, self.jobs)
            return
        readable = [place for place in todo if found[place].error is None]
        results = self.embedder.embed_many((found[place].path for place in readable), jobs=self.jobs, errors="return")
        with closing(results):
            for place in todo:
                error = found[place].error
                yield place, next(results) if error is None else error

    def _note(self, item: Source, result: Embedding | AudioError) -> None:
        name = item.name or item.path
        if isinstance(result, AudioError):
            self.n_failed += 1
            print_error(self.messages, result.reason, name)
            return
        self.n_done += 1
        self.audio_seconds += result.duration_seconds
        for warning in () if self.quiet else result.warnings:
            print_note(self.messages, warning, name)

    def _sum_up(self) -> None:
        if self.quiet:
            return
        wall = max(time.monotonic() - self.started, 1e-6)
        text = f"{self.n_done} embedded, {self.n_failed} failed"
        if self.n_done:
            text += (
                f"; {clock(self.audio_seconds)} of music in {wall:.1f} s, {self.audio_seconds / wall:,.0f}x real time"
            )
        if passed_over := self.left_out.summary():
            text += f"; {passed_over}"
        self.messages.print(f"earmark: {text}; {printable(self.out)}", markup=False)

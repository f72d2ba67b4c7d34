"""MkDocs hooks: pages made from the README, the changelog, the commands and tables, and links that leave docs/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from earmark.core.markdown import cell

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    pages = {
        "index.md": _with_links_from_docs(ROOT / "README.md"),
        "changelog.md": _with_links_from_docs(ROOT / "CHANGELOG.md"),
        "reference/commands.md": command_reference(),
        "reference/words.md": words_for_tags(),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Show links to files of the repository outside docs/ as plain text: the site does not contain them."""
    folder = Path(page.file.src_uri).parent

    def link(match: re.Match[str]) -> str:
        target = match[3].partition("#")[0]
        outside = (
            "://" not in target and (Path("docs") / folder / target).resolve().is_relative_to(ROOT / "docs") is False
        )
        return match[2] if outside and target else match[0]

    return _LINK.sub(link, markdown)


def _with_links_from_docs(path: Path) -> str:
    return _LINK.sub(lambda link: _relative_to_docs(*link.groups()), path.read_text(encoding="utf-8"))


def _relative_to_docs(image: str, text: str, target: str) -> str:
    if target.startswith("docs/"):
        return f"{image}[{text}]({target.removeprefix('docs/')})"
    return f"{image}[{text}]({target})" if "://" in target else text


def words_for_tags() -> str:
    """The table of other words for tags, as Markdown."""
    from earmark.core.tag_words import tag_words, written_name

    lines = [
        "# Words for tags",
        "",
        "What queries of a library and the page take for a tag, if it is none itself. A word may stand in several rows: the first of which the",
        "model has a tag counts. Case, spaces and punctuation do not count, nor do `s` and `music` at the end. The last column is how",
        "genres and moods are written into files.",
        "",
        "| tag | other words | written |",
        "|---|---|---|",
    ]
    lines += [
        f"| {cell(row.tag)} | {cell(', '.join(row.words))} | {cell(written_name(row.tag))} |" for row in tag_words()
    ]
    return "\n".join(lines) + "\n"


def command_reference() -> str:
    """Every command with its help and its options, as Markdown."""
    from earmark.cli.main import app

    lines = ["# Commands", "", "Made from the commands themselves; `earmark COMMAND --help` prints the same."]
    for section in _sections(app, click.Context(app, info_name="earmark")):
        lines += ["", *section]
    return "\n".join(lines) + "\n"


def _sections(command: click.Command, context: click.Context) -> Iterator[list[str]]:
    """A command and all below it, a list of lines for each."""
    names = context.command_path.split()
    yield [f"{'#' * min(len(names) + 1, 4)} {context.command_path}", "", *_body(command, context)]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            _, below, _ = command.resolve_command(context, [name])
            if below is not None:
                yield from _sections(below, click.Context(below, info_name=name, parent=context))


def _body(command: click.Command, context: click.Context) -> list[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [*_help_lines(command.help or ""), "", "```", usage, "```"]
    records = filter(None, (option.get_help_record(context) for option in command.get_params(context)))
    rows = [f"| `{names}` | {cell(' '.join(text.split()))} |" for names, text in records]
    return [*lines, "", "| option | |", "|---|---|", *rows] if rows else lines


def _help_lines(text: str) -> list[str]:
    """Paragraphs as they are; paragraphs with indented lines as blocks of code."""
    lines: list[str] = []
    for paragraph in text.replace("\f", "").split("\n\n"):
        rows = [row for row in paragraph.split("\n") if row.strip() != "\b"]
        as_code = any(row.startswith("  ") for row in rows)
        lines += ["", *(["```", *rows, "```"] if as_code else rows)]
    return lines[1:]

"""`earmark library`: an index of a music library, searched without decoding any audio again."""

from __future__ import annotations

from earmark.cli.lazy_group import Entry, lazy_group

QUERY_SETTINGS = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""A query may begin with a minus sign, so no one-letter option may be parsed in it; see ``search.query_text``."""

group = lazy_group(
    "library",
    "A library of music: scan it once, then search it.",
    (
        Entry(
            "scan",
            "earmark.cli.library.scan:scan",
            "Scan a library: tag what is new, recognise what was moved, note what is gone.",
        ),
        Entry(
            "search",
            "earmark.cli.library.search:search",
            "Find tracks by what they sound like, how long they last, and what is written in them.",
            settings=QUERY_SETTINGS,
        ),
        Entry("similar", "earmark.cli.library.search:similar", "Find tracks that sound like another one."),
        Entry(
            "playlist",
            "earmark.cli.library.playlist:playlist",
            "Write what a query finds as a playlist (extended M3U8, UTF-8).",
            settings=QUERY_SETTINGS,
        ),
        Entry(
            "map",
            "earmark.cli.library.map:map_",
            "Draw the library as a map: an HTML page in which songs that sound alike are near each other.",
            settings=QUERY_SETTINGS,
        ),
        Entry(
            "duplicates",
            "earmark.cli.library.duplicates:duplicates",
            "Find what the library holds more than once, and say which copy is best. Nothing is deleted.",
            no_args_is_help=False,
        ),
        Entry(
            "stats",
            "earmark.cli.library.stats:stats",
            "Show what the library holds: tags by category, durations, tempi, keys, typical tracks, files that failed.",
            no_args_is_help=False,
        ),
        Entry(
            "export",
            "earmark.cli.library.export:export",
            "Write all files of the library with all their scores, for other programs.",
            no_args_is_help=False,
        ),
        Entry(
            "info",
            "earmark.cli.library.info:info",
            "Show where the index is, how many files it knows, and by which model.",
            no_args_is_help=False,
        ),
        Entry(
            "write",
            "earmark.cli.library.write:write",
            "Write results into the files' own tags: genre, mood, tempo, key, and scores in custom fields.",
            no_args_is_help=False,
        ),
        Entry(
            "undo",
            "earmark.cli.library.undo:undo",
            "Take back what `earmark library write` or `earmark tag --write` wrote into files.",
            no_args_is_help=False,
        ),
        Entry(
            "mapping",
            "earmark.cli.library.write:mapping",
            "Print a mapping file of a model's tags, to be edited and given to --map.",
            no_args_is_help=False,
        ),
    ),
)

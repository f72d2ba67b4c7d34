"""Audio formats, as data."""

from __future__ import annotations

AUDIO_SUFFIXES = frozenset(
    [
        ".aac",
        ".ac3",
        ".aif",
        ".aifc",
        ".aiff",
        ".amr",
        ".ape",
        ".au",
        ".caf",
        ".dff",
        ".dsf",
        ".dts",
        ".flac",
        ".m4a",
        ".m4b",
        ".mka",
        ".mp2",
        ".mp3",
        ".mp4a",
        ".mpc",
        ".oga",
        ".ogg",
        ".opus",
        ".rf64",
        ".snd",
        ".spx",
        ".tak",
        ".tta",
        ".voc",
        ".w64",
        ".wav",
        ".wave",
        ".wma",
        ".wv",
    ]
)
"""File name endings that a search through folders takes for audio (compared in lower case)."""

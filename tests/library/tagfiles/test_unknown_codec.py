"""A file whose audio is of a codec that FFmpeg does not know, found by benchmarks/fuzz.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.core.errors import FileTagsError
from earmark.library.scan.content import read_content
from earmark.library.tagfiles.write import read_state
from tests.helpers import sounds


def test_it_has_a_key_and_its_tags_are_left_alone(tmp_path: Path) -> None:
    path = sounds.write(tmp_path / "a.wav", sounds.music(0.5, 16_000), 16_000)
    content = path.read_bytes()
    at = content.index(b"fmt ") + 8
    path.write_bytes(content[:at] + b"\x77\x77" + content[at + 2 :])
    assert read_content(path).key.startswith("bytes-")
    with pytest.raises(FileTagsError, match="a codec that is not known"):
        read_state(path)

"""What is to be downloaded, and the space that it needs."""

from __future__ import annotations

from pathlib import Path

from earmark.datasets.download_plan import plan_download
from tests.helpers.dataset_archives import write_table

FILES = [
    {"url": "http://host/list.csv", "what": "list", "part": "annotations", "n_bytes": 10},
    {"url": "http://host/a.zip", "what": "a", "part": "audio", "n_bytes": 100},
    {
        "url": "http://host/b.zip.001",
        "what": "b",
        "part": "audio",
        "archive": "b.zip",
        "n_bytes": 30,
        "unpacked_bytes": 90,
    },
    {"url": "http://host/b.zip.002", "what": "b", "part": "audio", "archive": "b.zip", "about_bytes": 20},
]


def test_the_space_needed_at_once(tmp_path: Path) -> None:
    """The list stays; an archive and its contents are there together, and the archive goes."""
    table = write_table(tmp_path / "table.toml", FILES)
    plan = plan_download("openmic", tmp_path / "root", table=table)
    assert [archive.name for archive in plan.archives] == ["list.csv", "a.zip", "b.zip"]
    assert plan.whole
    assert plan.needed_bytes() == 10 + 100 + (50 + 90)
    assert plan.needed_bytes(keep_archives=True) == 10 + 200 + (50 + 90)
    assert plan.needed_bytes(local=True) == 10 + 100 + 90
    (tmp_path / "root" / ".downloads").mkdir(parents=True)
    (tmp_path / "root" / ".downloads" / ".b.zip.001.part").write_bytes(bytes(25))
    assert plan.needed_bytes() == 10 + 100 + (25 + 90)
    annotations = plan_download("openmic", tmp_path / "root", only=["annotations"], table=table)
    assert not annotations.whole
    assert annotations.needed_bytes() == 10


def test_what_was_unpacked_is_there_while_its_files_are(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table.toml", FILES[:2])
    (_, archive) = plan_download("openmic", tmp_path, table=table).archives
    (tmp_path / ".downloads").mkdir()
    (tmp_path / "song").write_bytes(b"12345")
    assert not archive.is_there
    archive.write_record({"song": 5})
    assert archive.is_there
    changed = write_table(tmp_path / "table.toml", [FILES[1] | {"n_bytes": 101}])
    assert not plan_download("openmic", tmp_path, table=changed).archives[0].is_there  # another archive of this name
    (tmp_path / "song").write_bytes(b"1234")
    assert not archive.is_there
    archive.record.write_text("[]")
    assert not archive.is_there

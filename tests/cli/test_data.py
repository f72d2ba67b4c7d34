"""`earmark data list`, `show` and `check`, as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.command import earmark_here as earmark
from tests.helpers.mtat import CLIPS, write_audio, write_tables


def test_list_and_show() -> None:
    listed = earmark("data", "list")
    assert listed.returncode == 0
    for text in ("magnatagatune: ", "mtat-bristol", "emotify: ", "artist-disjoint", "manifest: ", "licence: "):
        assert text in listed.stdout
    infos = {info["name"]: info for info in json.loads(earmark("data", "list", "--format", "json").stdout)}
    assert len(infos["emotify"]["tags"]) == 13
    assert infos["magnatagatune"]["tags_from"].startswith("the 50 most frequent")
    assert infos["magnatagatune"]["protocols"][0]["name"] == "mtat-folders"
    shown = earmark("data", "show", "magnatagatune")
    assert "MD5 179c91c8c2a6e9b3da3d4e69d306fd3b" in shown.stdout
    assert "the published file is empty" in shown.stdout
    assert json.loads(earmark("data", "show", "magnatagatune", "--format", "json").stdout)["citation"]
    unknown = earmark("data", "show", "magnatagatun")
    assert unknown.returncode == 2
    assert "did you mean magnatagatune?" in unknown.stderr


def test_check(tmp_path: Path) -> None:
    root = write_tables(tmp_path)
    write_audio(root)
    good = earmark("data", "check", "magnatagatune", "--root", root)
    assert (good.returncode, good.stderr) == (0, "")
    assert "magnatagatune (mtat-folders): 10 clips (train 5, validation 2, test 3)" in good.stdout
    assert "note: 2 artists have clips in more than one split" in good.stdout
    assert good.stdout.rstrip().endswith("all clips are good")

    (root / CLIPS[0].path).unlink()
    (root / CLIPS[2].path).write_text("noise")
    bad = earmark("data", "check", "magnatagatune", "--root", root, "--protocol", "mtat-lee", "--min-seconds", "30")
    assert bad.returncode == 1
    assert "mtat-lee" in bad.stdout
    assert f"missing: 1\n    1: no file {root / CLIPS[0].path}" in bad.stdout
    assert "unreadable: 1" in bad.stdout
    assert "shorter than 30 s: 5" in bad.stdout

    quick = earmark("data", "check", "magnatagatune", "--root", root, "--quick", "--format", "json")
    assert quick.returncode == 1
    report = json.loads(quick.stdout)
    assert (list(report["missing"]), report["unreadable"], report["decoded"]) == (["1"], {}, False)


def test_check_of_a_manifest_reports_missing_files(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("path,split,tags\nno.mp3,train,calm\nnor.mp3,test,\n")
    found = earmark("data", "check", "manifest", "--root", tmp_path / "mine.csv", "--most", "1")
    assert found.returncode == 1
    assert "missing: 2\n    no.mp3: no file" in found.stdout
    assert "and 1 more" in found.stdout
    assert "no clip of test has: calm" in found.stdout
    assert "Artists are not known" in found.stdout


def test_wrong_usage(tmp_path: Path) -> None:
    write_tables(tmp_path)
    both = earmark("data", "check", "magnatagatune", "--root", tmp_path, "--quick", "--min-seconds", "1")
    assert both.returncode == 2
    assert "not together with --quick" in both.stderr
    assert earmark("data", "check", "magnatagatune", "--root", tmp_path, "--protocol", "lee").returncode == 2
    nowhere = earmark("data", "check", "magnatagatune", "--root", tmp_path / "none")
    assert nowhere.returncode == 1
    assert "does not exist; dataset 'magnatagatune' needs a folder with annotations_final.csv" in nowhere.stderr

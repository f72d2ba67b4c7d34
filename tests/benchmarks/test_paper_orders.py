"""benchmarks/paper_orders.py on small results: what it counts, and that it never loses what people have written."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from earmark.core.vocabulary import Tag, Vocabulary
from earmark.evaluation import ScoreTable
from earmark.papers.results import write_results
from earmark.papers.statistics import Results, compute_statistics
from earmark.papers.tables import list_papers, load_tables
from tests.conftest import ROOT

TAGS = Vocabulary((Tag("rock"), Tag("calm", "regression", "mood")))
SKILLS = {"model1": 0.2, "model2": 0.2, "model3": 0.2, "1-2": 0.6, "1-3": 0.6, "2-3": 0.6, "1-2-3": 0.6}


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("paper_orders", ROOT / "benchmarks" / "paper_orders.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scores(skill: float, seed: int, dataset: str = "emotify") -> ScoreTable:
    fixed, rng = np.random.default_rng(7), np.random.default_rng(seed)
    labels = (fixed.random((120, 2)) < 0.4).astype(np.float32)
    values = (skill * labels + (1 - skill) * rng.random(labels.shape)).astype(np.float32)
    names = tuple(f"clip {i}" for i in range(120))
    return ScoreTable(TAGS, names, names, (None,) * 120, labels, values, dataset, "artist-disjoint", "test", "net")


def write_paper(out: Path, key: str, dataset: str = "emotify") -> None:
    """Three runs of every row, each of 1200 CPU seconds."""
    tables = load_tables(key)
    runs = {
        row: [scores(SKILLS.get(row, 0.4), 10 * place + run, dataset) for run in range(3)]
        for place, row in enumerate(name for name, row in tables.rows.items() if row.kind != "reported")
    }
    done = [{"cpu_seconds": 1200.0, "epochs": 6 + run, "n_parameters": 1000} for run in range(3)]
    statistics = compute_statistics(tables, runs, n_resamples=100)
    results = Results(tables, dataset, "artist-disjoint", statistics, dict.fromkeys(runs, done), "a small machine")
    write_results([results], out / key)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    write_paper(out, "ensemble")
    write_paper(out, "pons2017")
    return out


@pytest.mark.slow
def test_the_page_has_tables_verdicts_and_budget(
    program: ModuleType, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "emotify.md"
    assert program.main(["emotify", "--results", str(results), "--out", str(out), "--date", "2026-11-21"]) == 1, (
        "papers missing"
    )
    missing = [key for key in list_papers() if key not in ("ensemble", "pons2017")]
    assert [line.split("/")[-2] for line in capsys.readouterr().err.splitlines()] == missing
    page = out.read_text(encoding="utf-8")
    assert f"No results yet: {', '.join(missing)}." in page
    assert "docs/results/emotify.md`, 2026-11-21." in page
    assert "no artist is in two of train, validation, test" in page
    assert "- Machine: a small machine." in page
    assert "120 test clips by 120 artists; a bootstrap of 100 draws of artists and of runs" in page
    assert "| ensemble | 13 | 39 | 3 | 6 to 8 | 1,200 | 13.0 |" in page
    assert "In all 20.0 CPU hours" in page
    assert "$ earmark reproduce ensemble --dataset emotify --root ~/emotify --out results --seeds 3" in page
    assert "# Five papers on Emotify" in page
    assert "src/earmark/papers/recipes/PAPER/_emotify.yaml" in page
    assert "### Table 5: models alone and combined" in page
    row = next(
        line for line in page.splitlines() if line.startswith("| ensemble | each combination over its members | ROC")
    )
    assert row.endswith("| 9 / 0 / 0 | holds |")
    verdicts = [line.split(" | ")[-1] for line in page.splitlines() if line.count(" | ROC-AUC | ") == 1 and line[2:10] in ("ensemble", "pons2017")]  # fmt: skip
    counts = [verdicts.count(f"{word} |") for word in ("holds", "reversed", "cannot be told apart")]
    expected = f"of {sum(counts)} orders {counts[0]} hold, {counts[1]} are reversed, {counts[2]} cannot be told apart"
    assert f"- By ROC-AUC: {expected}." in page


@pytest.mark.slow
def test_what_people_have_written_survives(program: ModuleType, results: Path, tmp_path: Path) -> None:
    out, reading = tmp_path / "emotify.md", tmp_path / "reading.md"
    command = ["emotify", "--results", str(results), "--out", str(out)]
    program.main(command)
    assert program.EMPTY_READING in out.read_text(encoding="utf-8")
    reading.write_text("Small music, small claims: ½.\n\n- A point.\n", encoding="utf-8")
    program.main([*command, "--reading", str(reading), "--date", "2026-11-21"])
    first = out.read_text(encoding="utf-8")
    assert "Small music, small claims: ½.\n\n- A point." in first
    assert program.EMPTY_READING not in first
    edited = first.replace("- A point.", "- A better point.").replace("In all 14.0", "In all 99.9")
    out.write_text(edited, encoding="utf-8")
    program.main([*command, "--date", "2026-11-21"])
    assert out.read_text(encoding="utf-8") == first.replace("- A point.", "- A better point.")


def test_a_page_whose_text_would_be_lost_is_left_alone(program: ModuleType, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "emotify.md"
    for text, said in (("By hand.", "has no markers"), (f"{program.BEGIN}\nBy hand.", "one of its two markers")):
        out.write_text(text)
        with pytest.raises(SystemExit, match=said):
            program.main(["emotify", "--results", str(results), "--out", str(out)])
        assert out.read_text() == text


def test_results_of_other_data_are_refused(program: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="nothing to write"):
        program.main(["emotify", "--results", str(tmp_path)])
    write_paper(tmp_path, "ensemble", dataset="magnatagatune")
    with pytest.raises(SystemExit, match="is of magnatagatune, not of emotify"):
        program.main(["emotify", "--results", str(tmp_path)])


def test_a_page_of_other_data(program: ModuleType, tmp_path: Path) -> None:
    for key in list_papers():
        write_paper(tmp_path, key, dataset="labelled_tags")
    out = tmp_path / "page.md"
    assert program.main(["labelled_tags", "--results", str(tmp_path), "--out", str(out), "--reading", __file__]) == 0
    page = out.read_text(encoding="utf-8")
    assert page.startswith("# Five papers on fifty hours of labelled music\n")
    assert "$ earmark reproduce comparators --dataset labelled_tags --root ~/sets --out results --seeds 3" in page

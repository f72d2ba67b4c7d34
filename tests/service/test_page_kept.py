"""Results of the page that survive a reload: what is kept, what is not, and browsers that keep nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import sounds
from tests.helpers.page import Visit

KEPT = """async () => {
    const [{ name }] = await indexedDB.databases();
    const db = await new Promise((done) => { indexedDB.open(name).onsuccess = (event) => done(event.target.result); });
    const all = db.transaction("tracks").objectStore("tracks").getAll();
    await new Promise((done) => { all.onsuccess = done; });
    db.close();
    return all.result.map((entry) => [Object.keys(entry).sort(), Object.keys(entry.result ?? {}).sort(), entry.error]);
}"""
OF_ANOTHER_MODEL = """async () => {
    const [{ name }] = await indexedDB.databases();
    const db = await new Promise((done) => { indexedDB.open(name).onsuccess = (event) => done(event.target.result); });
    const store = db.transaction("tracks", "readwrite").objectStore("tracks");
    const all = store.getAll();
    await new Promise((done) => { all.onsuccess = done; });
    store.put({ ...all.result[0], fingerprint: "other", model: "earmark-1", version: "7" });
    await new Promise((done) => { store.transaction.oncomplete = done; });
    db.close();
}"""


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two short ones."""
    folder = tmp_path_factory.mktemp("songs")
    return [sounds.write(folder / f"{k}.wav", sounds.music(2, 16_000, seed=k), 16_000) for k in range(2)]


def again(person: Visit, n_finished: int) -> list[dict[str, Any]]:
    """The page, loaded again with so many results; as it exports them."""
    person.page.reload()
    person.settle()
    person.n_given = n_finished
    person.page.wait_for_selector(f'#rows[data-finished="{n_finished}"]', state="attached")
    return json.loads(person.export("json"))


def test_results_survive_a_reload_without_the_audio_and_can_be_cleared(
    serve: Any, visit: Any, songs: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "empty.mp3").touch()
    person = visit(serve().url)
    page = person.page
    before = person.tag(*songs, tmp_path / "empty.mp3")
    assert [record["status"] for record in before] == ["ok", "ok", "error"]
    assert again(person, 3) == before
    assert page.inner_text("#news") == "earmark.json: 3 files."
    assert page.inner_text("#detail-title") == songs[0].name
    assert page.locator("#tags li").count() > 10
    assert page.is_hidden("#player")
    fields = ["added", "error", "fingerprint", "key", "model", "modified", "path", "result", "size", "version"]
    numbers = [
        "durationSeconds",
        "key",
        "leftOutSeconds",
        "outline",
        "scores",
        "silent",
        "silentSeconds",
        "startsSeconds",
        "taggram",
        "tempo",
        "tookSeconds",
        "warnings",
    ]
    kept = page.evaluate(KEPT)
    assert [entry[0] for entry in kept] == 3 * [fields]
    assert sorted(entry[1] for entry in kept) == [[], numbers, numbers]

    page.set_input_files("#files-input", [songs[0], tmp_path / "empty.mp3"])  # plays again; what failed is tried again
    page.wait_for_selector('#rows[data-finished="3"]')
    page.wait_for_selector("#player:not([hidden])")
    assert "2 tagged, 1 failed." in page.inner_text("#news")
    assert json.loads(person.export("json")) == before
    page.click("#clear")
    page.wait_for_selector("#files", state="hidden")
    page.reload()
    person.settle()
    assert page.is_hidden("#files")
    assert page.evaluate(KEPT) == []


def test_results_of_another_model_are_removed_and_the_page_says_so(serve: Any, visit: Any, songs: list[Path]) -> None:
    person = visit(serve().url)
    person.tag(*songs)
    person.page.evaluate(OF_ANOTHER_MODEL)
    person.page.reload()
    person.settle()
    said = "1 result of earlier visits. 1 result removed: by another model (earmark-1 7). Add the files again."
    assert person.page.inner_text("#news") == said
    assert len(person.page.evaluate(KEPT)) == 1


def test_tabs_share_results(serve: Any, visit: Any, songs: list[Path]) -> None:
    site = serve()
    person = visit(site.url)
    other = person.context.new_page()
    other.goto(site.url)
    other.wait_for_selector("html[data-settled]", timeout=240_000)
    person.tag(songs[0])
    other.wait_for_selector('#rows[data-finished="1"]', state="attached")
    assert other.inner_text("#rows .name") == songs[0].name
    other.click("#clear")
    person.page.wait_for_selector("#files", state="hidden")
    assert person.page.inner_text("#news") == "Cleared in another tab."


BROKEN = {
    "no storage": ("Object.defineProperty(self, 'indexedDB', { value: undefined })", "gives no storage here"),
    "refused": (
        "IDBFactory.prototype.open = () => { throw new DOMException('not in this window', 'SecurityError') }",
        "gives no storage here (not in this window)",
    ),
    "full": (
        "IDBObjectStore.prototype.put = () => { throw new DOMException('', 'QuotaExceededError') }",
        "the browser's storage is full",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_without_storage_the_page_tags_and_says_that_nothing_is_kept(
    serve: Any, visit: Any, songs: list[Path], tmp_path: Path, how: str
) -> None:
    script, words = BROKEN[how]
    person = visit(serve().url, script=script)
    (tmp_path / "empty.mp3").touch()
    ok, failed = person.tag(songs[0], tmp_path / "empty.mp3")
    assert (ok["status"], failed["status"]) == ("ok", "error")
    note = person.page.inner_text("#kept")
    assert note.startswith("Results do not outlast this visit: ")
    assert words in note
    person.page.click("#clear")
    assert person.page.is_hidden("#files")

"""Published weights answer as in the programs they come from: real clips, from the waveform on, to 1e-4."""

from __future__ import annotations

import re

import numpy as np
import onnxruntime
import pytest
import torch

from earmark.audio import cut
from earmark.core.errors import ModelError
from earmark.core.published_weights import KERAS, all_published
from earmark.core.tag_lists import load_vocabulary
from earmark.export import export_onnx
from earmark.importers.detect_format import import_weights

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.usefixtures("one_thread")]

TOLERANCE = 1e-4
CLIPS = ("joram", "fishin", "sugarplum")
STORED = tuple(published for published in all_published() if published.vocabulary.endswith("-50"))
"""Those whose files and answers are in the shared folder; the others have tests of their own."""


@pytest.fixture(scope="module")
def references(shared_dir):
    folder = shared_dir / "data" / "peers"
    with np.load(folder / "musicnn_reference.npz") as keras, np.load(folder / "sota_reference.npz") as pytorch:
        return {**keras, **pytorch}


class Case:
    """One published file, imported, with the stored windows and answers of every clip."""

    def __init__(self, published, folder, references):
        self.published = published
        self.path = folder / published.file_name
        self.model, self.card = import_weights(self.path)
        self.logits = published.architecture == "musicnn_vgg"  # the only files that end without a sigmoid
        self.references = {clip: references[f"{clip}_{self.path.stem}"] for clip in CLIPS}
        self.windows = {}
        for clip in CLIPS:
            windows = cut(references[f"{clip}_audio"], self.card.input)
            assert len(windows) >= len(self.references[clip]) >= 1  # ours has the end, too
            self.windows[clip] = windows[: len(self.references[clip])]

    def stored(self, logits):
        """Answers in the domain of the stored ones: (n_windows, 50)."""
        return logits.numpy() if self.logits else logits.sigmoid().numpy()

    def probabilities(self, clip):
        stored = self.references[clip]
        return 1 / (1 + np.exp(-stored)) if self.logits else stored


@pytest.fixture(scope="module", params=STORED, ids=[published.name for published in STORED])
def case(request, shared_dir, references):
    return Case(request.param, shared_dir / "data" / "peers", references)


def test_the_file_is_the_one_that_the_registry_describes(case):
    assert case.path.stat().st_size == case.published.size_bytes
    assert case.card.name == case.published.name
    assert case.card.training["source_sha256"] == case.published.sha256


@pytest.mark.parametrize("clip", CLIPS)
def test_from_the_waveform_on(case, clip):
    with torch.inference_mode():
        answer = case.stored(case.model(torch.from_numpy(case.windows[clip])))
    np.testing.assert_allclose(answer, case.references[clip], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    "case",
    [published for published in STORED if published.file_format == KERAS],  # spectrograms are stored for these only
    ids=lambda published: published.name,
    indirect=True,
    scope="module",
)
@pytest.mark.parametrize("clip", CLIPS)
def test_from_the_spectrogram_on(case, clip, references):
    stored = case.references[clip]
    frames = references[f"{clip}_logmel"][: len(stored) * 187].reshape(len(stored), 187, 96)
    patches = torch.from_numpy(np.ascontiguousarray(frames.swapaxes(1, 2)))
    with torch.inference_mode():
        spectrogram = case.model.features(torch.from_numpy(case.windows[clip]))
        answer = case.stored(case.model.network(patches))
    torch.testing.assert_close(spectrogram, patches, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(answer, stored, rtol=0, atol=TOLERANCE)


def test_through_onnx_runtime(case, tmp_path):
    windows = np.concatenate(list(case.windows.values()))
    report = export_onnx(case.model, case.card, tmp_path / "x.onnx", windows[:2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(report.path, options, providers=["CPUExecutionProvider"])
    for clip in CLIPS:
        (answer,) = session.run(["probabilities"], {"waveform": case.windows[clip]})
        np.testing.assert_allclose(answer, case.probabilities(clip), rtol=0, atol=TOLERANCE)


def test_the_comparison_can_fail(case):
    """Another clip's answers, or the same ones with tags exchanged, are far outside the tolerance."""
    first, second = (case.probabilities(clip)[:1] for clip in CLIPS[:2])
    assert np.abs(first - second).max() > 100 * TOLERANCE
    assert np.abs(first - first[:, ::-1]).max() > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("name", "lists"),
    [
        ("mtat-50", ["mtat/pons_tags.txt", "mtat/lee_tags.txt"]),
        ("msd-50", ["peers/msd_tags.txt"]),
        ("mtg-jamendo-50", ["peers/jamendo_tags.txt"]),
    ],
)
def test_vocabularies_are_in_the_order_of_the_weights(shared_dir, name, lists):
    for path in lists:
        tags = (shared_dir / "data" / path).read_text(encoding="utf-8").splitlines()
        assert load_vocabulary(name).names == tuple(tags)


def test_a_frozen_tensorflow_graph_has_the_weights_of_the_keras_file(shared_dir):
    graph, card = import_weights(shared_dir / "data" / "peers" / "msd-musicnn-1.pb")
    keras, expected = import_weights(shared_dir / "data" / "peers" / "MSD_musicnn.h5")
    assert all(torch.equal(value, keras.state_dict()[name]) for name, value in graph.state_dict().items())
    assert (card.name, card.vocabulary, card.input) == (expected.name, expected.vocabulary, expected.input)
    assert card.training["source_file"] == "msd-musicnn-1.pb"


@pytest.mark.parametrize("published", STORED, ids=[published.name for published in STORED])
def test_cut_short_anywhere_it_is_refused(shared_dir, tmp_path, published):
    content = (shared_dir / "data" / "peers" / published.file_name).read_bytes()
    path = tmp_path / published.file_name
    for size in np.geomspace(20, len(content) - 1, 8).astype(int):
        path.write_bytes(content[:size])
        with pytest.raises(ModelError, match=re.escape(str(path)) + ".*(cut short|refused)"):
            import_weights(path)

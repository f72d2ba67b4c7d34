"""The published weights that earmark can read: which they are, where they come from, under what terms."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

from earmark.core.errors import ModelError

KERAS = "Keras HDF5"
PYTORCH = "PyTorch state dict"
FROZEN_GRAPH = "frozen TensorFlow graph"
TFJS = "TensorFlow.js model"


@dataclass(frozen=True)
class PublishedFile:
    """A further file of a model that is several files.

    Attributes:
        file_name: as we name it, in the same folder as the first file.
        sha256, size_bytes, addresses: see :class:`PublishedWeights`.
    """

    file_name: str
    sha256: str
    size_bytes: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class PublishedWeights:
    """One published file of weights.

    Attributes:
        name: how users name the model, e.g. ``earmark models pull NAME``.
        file_name: as we name the file; its own project may name all its files alike. May begin with a folder.
        file_format: :data:`KERAS`, :data:`PYTORCH`, :data:`FROZEN_GRAPH` or :data:`TFJS`.
        sha256: of the file, hexadecimal.
        size_bytes: of the file.
        architecture, architecture_options: what :func:`earmark.models.create_model` builds for it.
        hop_samples: distance of windows; None for windows side by side.
        lead_samples: mirrored in front of a file, see :class:`earmark.core.card.InputSpec`.
        vocabulary: one of :data:`earmark.core.tag_lists.VOCABULARIES`.
        dataset, protocol: on what it was trained.
        project: the repository the file is from.
        addresses: public addresses of the file, the first to be tried first.
        addresses_checked: the file was fetched from its addresses, and the hash held. Where this is False, repository,
            commit and path are known from an index of the repositories alone.
        licence: of the project the file is from.
        citations: papers and data to cite.
        description: one sentence for people.
        shards: further files of the model, in the order in which the first one names them.
        equal_files: the same weights in other formats, which `earmark import-weights` takes, too: the SHA-256 of a file and
            of its shards.
        outputs: which of the file's outputs are kept, in the order of the vocabulary; empty for all.
        limits: sentences for the card, beside those of all imported weights.
    """

    name: str
    file_name: str
    file_format: str
    sha256: str
    size_bytes: int
    architecture: str
    vocabulary: str
    dataset: str
    protocol: str
    project: str
    addresses: tuple[str, ...]
    licence: str
    citations: tuple[str, ...]
    description: str
    architecture_options: dict[str, Any] = field(default_factory=dict)
    hop_samples: int | None = None
    lead_samples: int = 0
    addresses_checked: bool = False
    shards: tuple[PublishedFile, ...] = ()
    equal_files: tuple[tuple[str, ...], ...] = ()
    outputs: tuple[int, ...] = ()
    limits: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """Size of the file and its shards."""
        return self.size_bytes + sum(shard.size_bytes for shard in self.shards)


_MTAT = "Law, West, Mandel, Bay, Downie 2009: Evaluation of algorithms using games: the case of music tagging. ISMIR"
_MSD = "Bertin-Mahieux, Ellis, Whitman, Lamere 2011: The Million Song Dataset. ISMIR"
_JAMENDO = (
    "Bogdanov, Won, Tovstogan, Porter, Serra 2019: The MTG-Jamendo dataset for automatic music tagging. ICML ML4MD"
)
_MUSICNN = (
    "Pons, Serra 2019: musicnn: pre-trained convolutional neural networks for music audio tagging. arXiv:1909.06654"
)
_PONS = "Pons, Nieto, Prockup, Schmidt, Ehmann, Serra 2018: End-to-end learning for music audio tagging at scale. ISMIR"
_WON = (
    "Won, Ferraro, Bogdanov, Serra 2020: Evaluation of CNN-based automatic music tagging models. SMC, arXiv:2006.00751"
)
_ESSENTIA = "Alonso-Jimenez, Bogdanov, Pons, Serra 2020: TensorFlow audio models in Essentia. ICASSP, arXiv:2003.07393"
_AUDIOSET = "Gemmeke, Ellis, Freedman, Jansen, Lawrence, Moore, Plakal, Ritter 2017: Audio Set. ICASSP"
_SCHMID = (
    "Schmid, Koutini, Widmer 2023: Efficient large-scale audio tagging via transformer-to-CNN knowledge distillation. "
    "ICASSP, arXiv:2211.04772"
)
_CHOI_2016 = "Choi, Fazekas, Sandler 2016: Automatic tagging using deep convolutional neural networks. ISMIR"
_CHOI_2017 = (
    "Choi, Fazekas, Sandler, Cho 2017: Convolutional recurrent neural networks for music classification. ICASSP"
)

_DATASETS = {
    "mtt": ("mtat-50", "MagnaTagATune", "mtat-pons", _MTAT),
    "mtat": ("mtat-50", "MagnaTagATune", "mtat-lee", _MTAT),
    "msd": ("msd-50", "Million Song Dataset with Last.fm tags", "published split", _MSD),
    "jamendo": ("mtg-jamendo-50", "MTG-Jamendo, top 50 tags", "published split", _JAMENDO),
}
"""Vocabulary, dataset, protocol, citation, by the key in the name."""

_RAW = "https://raw.githubusercontent.com"
_KERAS_FOLDER = f"{_RAW}/Quint-e/musicnn_keras/8e2d042f3a7bc560f825626144ae0f4ee20199ae/musicnn_keras/keras_checkpoints"
_SOTA = f"{_RAW}/minzwon/sota-music-tagging-models"
_SOTA_COMMITS = {
    "mtat": "1f4d282693ac19cde4d30b86811fe0ae2452f406",
    "msd": "ffcd1f90b97a1e923a50c6e5283f147cf9dd7dfd",
    "jamendo": "ffcd1f90b97a1e923a50c6e5283f147cf9dd7dfd",
}
_BENCHMARK = f"{_RAW}/philtgun/music-tagging-benchmark/e8f5b2e64b9ef8f255ae574558bb0e45bde9fc39"
_MN04_FILE = "mn04_as_mAP_432.pt"


def _keras(network: str, data: str, sha256: str, size_bytes: int, *equal_files: tuple[str, ...]) -> PublishedWeights:
    """A file of musicnn_keras: musicnn's own weights, converted. Windows are 187 frames of 256 samples apart."""
    vocabulary, dataset, protocol, citation = _DATASETS[data]
    file_name = f"{data.upper()}_{network}.h5"
    return PublishedWeights(
        name=f"{network}-{data}",
        file_name=file_name,
        file_format=KERAS,
        sha256=sha256,
        size_bytes=size_bytes,
        architecture={"musicnn": "musicnn", "vgg": "musicnn_vgg"}[network],
        vocabulary=vocabulary,
        dataset=dataset,
        protocol=protocol,
        project="musicnn by Jordi Pons (jordipons/musicnn), converted to Keras by Elio Quinton (Quint-e/musicnn_keras)",
        addresses=(f"{_KERAS_FOLDER}/{file_name}",),
        licence="ISC",
        citations=(_MUSICNN, *((_PONS,) if network == "musicnn" else (_CHOI_2016,)), citation),
        description=f"{'musicnn' if network == 'musicnn' else 'The VGG of musicnn'}, trained on {dataset}.",
        hop_samples=187 * 256,
        lead_samples=256,  # its program frames a whole clip centred, mirrored at its start, and then cuts patches
        equal_files=equal_files,
    )


def _sota(network: str, data: str, sha256: str, size_bytes: int) -> PublishedWeights:
    """A file of sota-music-tagging-models. Windows side by side."""
    vocabulary, dataset, protocol, citation = _DATASETS[data]
    path = f"models/{data}/{network}/best_model.pth"
    addresses = [f"{_SOTA}/{_SOTA_COMMITS[data]}/{path}"]
    if data == "mtat":
        addresses.append(f"{_BENCHMARK}/{path}")
    title, architecture, paper = {
        "fcn": ("FCN", "fcn4", _CHOI_2016),
        "crnn": ("CRNN", "crnn", _CHOI_2017),
        "musicnn": ("musicnn in PyTorch", "musicnn", _PONS),
    }[network]
    return PublishedWeights(
        name=f"{network}-{data}" + ("-pytorch" if network == "musicnn" else ""),
        file_name=f"{data}_{network}.pth",
        file_format=PYTORCH,
        sha256=sha256,
        size_bytes=size_bytes,
        architecture=architecture,
        architecture_options={"variant": "won2020"} if network == "musicnn" else {},
        vocabulary=vocabulary,
        dataset=dataset,
        protocol=protocol,
        project="sota-music-tagging-models by Minz Won, Andres Ferraro and others (minzwon/sota-music-tagging-models)",
        addresses=tuple(addresses),
        licence="MIT",
        citations=(_WON, paper, citation),
        description=f"{title}, trained on {dataset}.",
    )


_UPF = "https://essentia.upf.edu/models/classifiers"
_ESSENTIA_JS = f"{_RAW}/MTG/essentia.js/819c00e8f034dc709e3d330ed8ac9ed37dfdb767/examples/demos/mood-classifiers/models"
_GRAPHS = f"{_RAW}/shnupta/SeeMyFeels/0a37acc3e628d69f96197907db1c2ebd30b78469/models"
_MORE_GRAPHS = f"{_RAW}/Infuseting/music-playlist-generator/1efebc614af9c1faad32bc69af96c3b88130192b/models"


def _essentia(
    name: str,
    task: str,
    sha256: str,
    size_bytes: int,
    *,
    outputs: tuple[int, ...] = (),
    equal_files: tuple[tuple[str, ...], ...] = (),
    shard: tuple[str, int] | None = None,
) -> PublishedWeights:
    """One of Essentia's classifiers on musicnn: a frozen graph, or with a ``shard`` a TensorFlow.js model.

    Every output has a sigmoid of its own, also where classes exclude each other. Of "happy" and "not happy" only the
    former is kept. Windows are 187 frames of 256 samples apart, as in Essentia's program for browsers; Essentia's own
    cuts them 93 frames apart unless told otherwise. Both frame a file centred, with zeros in front; ours has its
    mirror image there, which concerns the first frame of a file alone.
    """
    stem = f"{task}-musicnn-msd-2"
    shards: tuple[PublishedFile, ...] = ()
    if shard is None:
        file_name = f"{stem}.pb"
        mirror = _MORE_GRAPHS if name in ("voice", "genre") else _GRAPHS
        addresses: tuple[str, ...] = (f"{_UPF}/{task}/{file_name}", f"{mirror}/{file_name}")
    else:
        file_name = f"{stem}/model.json"
        addresses = (f"{_ESSENTIA_JS}/{file_name}",)
        part = f"{stem}/group1-shard1of1.bin"
        shards = (PublishedFile(part, *shard, (f"{_ESSENTIA_JS}/{part}",)),)
    return PublishedWeights(
        name=f"essentia-{name}",
        file_name=file_name,
        file_format=FROZEN_GRAPH if shard is None else TFJS,
        sha256=sha256,
        size_bytes=size_bytes,
        architecture="musicnn",
        architecture_options={"head_units": 100, "frontend": {"periodic_window": False}},
        vocabulary=f"essentia-{name}",
        dataset=f"{task}, an in-house collection of the Music Technology Group, from musicnn's weights of {_DATASETS['msd'][1]}",
        protocol="trained on the whole collection",
        project="Essentia's models by the Music Technology Group, Universitat Pompeu Fabra (essentia.upf.edu/models)",
        addresses=addresses,
        licence="CC BY-NC-SA 4.0",
        citations=(_ESSENTIA, _MUSICNN, _MSD),
        description=f"Essentia's classifier {task} on musicnn.",
        hop_samples=187 * 256,
        lead_samples=256,
        shards=shards,
        equal_files=equal_files,
        outputs=outputs,
        limits=(
            "Not for commercial use: essentia.upf.edu/models names CC BY-NC-SA 4.0, the LICENSE file beside the models "
            "CC BY-NC-ND 4.0.",
        ),
    )


PUBLISHED = (
    _keras("musicnn", "mtt", "1a66a2e58e862e894c088bd7789b05874becf994f275c54d9575dab83fab4ebe", 3319120),
    _keras(
        "musicnn",
        "msd",
        "412a832c8527a813e084ba6f2cc7d068ecbbf1b68bda8c1de2e7de0d1f5fe7d1",
        3319120,
        ("cdea0722bcee7f731286843f2233e3aa69887bb5c3e2dce011eff55f38d04f3e",),  # msd-musicnn-1.pb of Essentia
    ),
    _keras("vgg", "mtt", "52093b533665403c182b3e9cb552ccf09cb90d8c0c7e9d531159c2369b53b548", 2500672),
    _keras("vgg", "msd", "1ec4ee44cbba8c3132c08826f57e84e8b4fc32baddbba65a0bc0670b14f902e8", 2500672),
    _sota("fcn", "mtat", "3bfc67e43f3e180194ab5993c947ffbf44b1a23dcdf42c374b1ced9d4d4de72e", 1902811),
    _sota("fcn", "msd", "6012aa7eecf864a8081faedca56af054521e8dfb9c5c98659a3dd5d3e1e66f21", 1902815),
    _sota("fcn", "jamendo", "7bce08a66dbc70d096b0a330f44b4cacd9aa25519b83489fbb98f2164a194e2b", 1902815),
    _sota("crnn", "msd", "ebb99855ed0c83f38845db9cfb383dd6fc70938bc58701dcb66e18af9ee7fbea", 1687711),
    _sota("crnn", "jamendo", "0a558989c0793f488cb677d188464c91f47c007f7c70473230e55537ca598215", 1687626),
    _sota("musicnn", "mtat", "0a7ac8aa3daab3a1c59cae16a771b0bfa4064ac94502ebc990a5c32a2771e189", 3257164),
    _sota("musicnn", "jamendo", "66280f4859376377c47f64313c7ac889a3201fdb06a01bf6e94ac6e619081bb5", 3257168),
    PublishedWeights(
        name="mn04",
        file_name=_MN04_FILE,
        file_format=PYTORCH,
        sha256="899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
        size_bytes=4066513,
        architecture="efficientat_mn",
        architecture_options={"width": 0.4},
        vocabulary="audioset-527",
        dataset="AudioSet",
        protocol="published split",
        project="EfficientAT by Florian Schmid and others (fschmid56/EfficientAT)",
        addresses=(
            f"{_RAW}/nikih94/swch-audio-classification/2b362d97544673ef1da403b44ecbe1174d8619ec/resources/{_MN04_FILE}",
            f"https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/{_MN04_FILE}",
        ),
        licence="MIT",
        citations=(_SCHMID, _AUDIOSET),
        description="EfficientAT's mn04, trained on AudioSet: instruments, genres, voices and sounds other than music.",
    ),
    _essentia(
        "acoustic",
        "mood_acoustic",
        "052c4cafc043f0e08cda0d3f072394c32cf2d3902c35f1f7f4e44805654a8856",
        3239548,
        outputs=(0,),
    ),
    _essentia(
        "aggressive",
        "mood_aggressive",
        "954c6eebc0c59cf08ca5d31111293fad8cde8b593da935cb76c1a0ea76d4a6f2",
        3239548,
        outputs=(0,),
        equal_files=(
            (
                "23dcaa93989fde4b5916398298431fb85ec74d55bfe415d890c25268d9a1b913",
                "3c148997eaa27d7d597663a67280c31c4fdafcfce453fe9192e92c6da0acf44a",
            ),
        ),
    ),
    _essentia(
        "danceable",
        "danceability",
        "08e9a9f717ceb22026e39a18d0b28cd7052a196ce913a3ff30b99c2f9ac2f0b7",
        3239548,
        outputs=(0,),
        equal_files=(
            (
                "cc24afcbf05197bd90d1e274bdbd24db4ce106f7d49475e92573f97ef85db62d",
                "48b1789ede235c1e05599f24846185bba068dc30efd96894b6e7bbd31b674966",
            ),
        ),
    ),
    _essentia(
        "electronic",
        "mood_electronic",
        "e4b35ea4e0a67efd69684d9686ee215223a9c2da11c0d5748ab04fbe5bf79f66",
        3239548,
        outputs=(0,),
    ),
    _essentia(
        "happy",
        "mood_happy",
        "db888fca780ea850d7a5016a281056b5a951adf01e6e8ea606fd09924a6a17fa",
        3239548,
        outputs=(0,),
        equal_files=(
            (
                "1f362f337bd441163f2dec7a2133ed0084239e8158cf984e716df70dae8ba877",
                "78f2bd60fe191e44bd26fe102253ea31ce2575ffe63b9e594d4ed786d8ac6d78",
            ),
        ),
    ),
    _essentia(
        "relaxed",
        "mood_relaxed",
        "2ba595cf1573550a5957e727b7ecb21ace442b8b6f271d19a13628e35004c4bc",
        3239548,
        outputs=(1,),
        equal_files=(
            (
                "dbc5ea28316fbfeb4befc754387d55f2a8138692ccbce16364439d1ffa7dc482",
                "9eb449802249f22d8f234fbb43637dbcc0a1c55421e1c86bb141cc2ff9dd2207",
            ),
        ),
    ),
    _essentia(
        "voice",
        "voice_instrumental",
        "b734bca3fc99257cf0088211b44bd36e8a26fbb1f9ce67e1e97d39f188094b0a",
        3239548,
        outputs=(),
    ),
    _essentia(
        "genre",
        "genre_rosamerica",
        "6a0cf8ad9d92556900322c856c4a1e85f92e476aa2c4e903294c9c3f7a8f9c45",
        3241972,
        outputs=(),
    ),
    _essentia(
        "sad",
        "mood_sad",
        "a756b47983300e153c09eb55fd73c4fad78a116ae37cda4106165c324d669287",
        31332,
        outputs=(1,),
        shard=("f0964e240c98b22dcb630107729edc90bd0ce4b803d5bd996441428ee124a6aa", 3189716),
    ),
)
"""All files known, in the order in which they are listed."""


def published_names() -> list[str]:
    """Names of all published weights."""
    return [weights.name for weights in PUBLISHED]


def find_published(name: str) -> PublishedWeights:
    """Published weights by name. Raises ModelError, with near names, where there are none.

    Example:
        >>> find_published("fcn-mtat").file_name
        'mtat_fcn.pth'
    """
    for weights in PUBLISHED:
        if weights.name == name:
            return weights
    near = difflib.get_close_matches(name, published_names(), n=3)
    hint = f"{f'did you mean {near[0]}? ' if near else ''}there are {', '.join(published_names())}"
    raise ModelError(f"no published weights {name!r}; {hint}")


def published_by_hash(sha256: str, *shards: str) -> PublishedWeights | None:
    """Published weights by the SHA-256 of their file and of its shards, in any of their formats, or None."""
    wanted = (sha256, *shards)
    for weights in PUBLISHED:
        if wanted == (weights.sha256, *(shard.sha256 for shard in weights.shards)) or wanted in weights.equal_files:
            return weights
    return None

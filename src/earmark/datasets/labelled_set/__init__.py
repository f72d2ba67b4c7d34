"""Music labelled by teachers: what ``earmark distill label`` writes, read back as a dataset that ``earmark train`` takes.

:mod:`.songs` is the table of music, :mod:`.tag_union` the student's tags, :mod:`.shards` the files of examples,
:mod:`.label_fusion` turns the teachers' probabilities into soft labels, :mod:`.dataset` registers "labelled_set", and
:mod:`.tag_dataset` "labelled_tags".
"""

from earmark.datasets.labelled_set.dataset import add_known_labels, labelled_set, soft_labels, training_fusion
from earmark.datasets.labelled_set.label_fusion import LabelFusion, union_logits
from earmark.datasets.labelled_set.shards import LabelledSet, LabelledSets
from earmark.datasets.labelled_set.songs import Song, read_songs
from earmark.datasets.labelled_set.tag_dataset import labelled_tags
from earmark.datasets.labelled_set.tag_union import TagUnion, UnionTag, read_tag_union

__all__ = [
    "LabelFusion",
    "LabelledSet",
    "LabelledSets",
    "Song",
    "TagUnion",
    "UnionTag",
    "add_known_labels",
    "labelled_set",
    "labelled_tags",
    "read_songs",
    "read_tag_union",
    "soft_labels",
    "training_fusion",
    "union_logits",
]

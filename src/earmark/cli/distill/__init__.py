"""`earmark distill`: a small network learns from trained ones."""

from __future__ import annotations

from earmark.cli.lazy_group import Entry, lazy_group

group = lazy_group(
    "distill",
    "Make a small network from the labels of trained ones.",
    (
        Entry(
            "label",
            "earmark.cli.distill.label:label",
            "Label music with trained networks, for a student to learn from.",
        ),
        Entry(
            "pack",
            "earmark.cli.distill.pack:pack",
            "Keep labelled sets without their audio, small enough for a repository.",
        ),
        Entry(
            "unpack",
            "earmark.cli.distill.pack:unpack",
            "Make labelled sets of packed ones: the audio is cut and changed as it was when it was labelled.",
        ),
        Entry(
            "teachers",
            "earmark.cli.distill.compare:teachers",
            "Compare the teachers: on known labels, alone and averaged, and with each other, tag by tag.",
        ),
        Entry(
            "train",
            "earmark.cli.distill.train:train",
            "Train a student on labelled sets: earmark train with options for them.",
        ),
        Entry(
            "compare",
            "earmark.cli.distill.compare:compare",
            "Compare students: agreement with their teachers, known labels, weights and multiplications.",
        ),
        Entry(
            "finish",
            "earmark.cli.distill.finish:finish",
            "Make a model for use from a student: calibrate, export, measure, and write its page.",
        ),
    ),
)

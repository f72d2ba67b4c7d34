"""`earmark analyze`: figures from checkpoints, cards and scores files. One command for each figure, or family of figures.

A figure that is drawn from a scores file alone is one entry with ``wrap=FIGURE_OF_SCORES``. Other commands are functions, whose
module imports Click and options at the top and everything else inside the function.
"""

from __future__ import annotations

from earmark.cli.lazy_group import Entry, lazy_group

_NETWORKS, _SCORES, _RUNS = "What a network learned", "Tags, clips and scores", "Models and runs"

FIGURE_OF_SCORES = "earmark.cli.analyze.tables:figure_of_scores"

group = lazy_group(
    "analyze",
    """Draw what networks learned and where they fail: PNG, SVG, and the numbers behind them as CSV.

Examples:
  earmark analyze layer-responses runs/mine/checkpoint --out figures
  earmark analyze tag-auc results/mine/scores.parquet --out figures
  earmark analyze calibration results/mine/scores.parquet --out figures""",
    (
        Entry(
            "filters",
            "earmark.cli.analyze.networks:filters",
            "Filters on raw audio: spectra by dominant frequency, waveforms, pooled groups.",
            _NETWORKS,
        ),
        Entry(
            "layer-responses",
            "earmark.cli.analyze.networks:layer_responses",
            "What the layers of any network respond to: filters, responses to tones, or sounds that excite them most.",
            _NETWORKS,
        ),
        Entry(
            "excitations",
            "earmark.cli.analyze.networks:excitations",
            "How squeeze-and-excitation scales channels for each tag, at the first, middle and last block.",
            _NETWORKS,
        ),
        Entry(
            "tag-pairs",
            "earmark.cli.analyze.tags:tag_pairs",
            "How often tags are given together: clips that have both, as a matrix.",
            _SCORES,
        ),
        Entry(
            "clips-per-tag",
            "earmark.cli.analyze.tags:clips_per_tag",
            "Clips of each tag in training, validation and test.",
            _SCORES,
        ),
        Entry(
            "epochs",
            "earmark.cli.analyze.runs:epochs",
            "AUC and loss by epoch, the epoch that was kept, and its test.",
            _SCORES,
        ),
        Entry(
            "tag-auc",
            "earmark.cli.analyze.auc:tag_auc",
            "AUC of each tag over its number of clips; the worst and the best by name.",
            _SCORES,
        ),
        Entry(
            "clip-auc",
            "earmark.cli.analyze.auc:clip_auc",
            "AUC of each clip over its tags; the worst and the best by name, with what they are and what the model found.",
            _SCORES,
        ),
        Entry(
            "calibration",
            "earmark.cli.analyze.decisions:calibration",
            "Whether scores mean what they say: of clips that score about 0.7, do about 70 % have the tag?",
            _SCORES,
        ),
        Entry(
            "thresholds",
            "earmark.cli.analyze.decisions:thresholds",
            "From which score on a tag applies: precision, recall and F1 over the threshold.",
            _SCORES,
        ),
        Entry(
            "confusion",
            "earmark.cli.analyze.decisions:confusion",
            "Which tags a model takes for which others: clips that have tag A and not tag B, and how high B scores there.",
            _SCORES,
        ),
        Entry(
            "class-confusion",
            "earmark.plots.class_confusion:class_confusion_of",
            "The confusion matrix of classes that exclude each other: which one is predicted for clips of which.",
            _SCORES,
            wrap=FIGURE_OF_SCORES,
        ),
        Entry(
            "training-size",
            "earmark.cli.analyze.runs:training_size",
            "Metrics over the number of training clips, and the difference between two front-ends.",
            _SCORES,
        ),
        Entry(
            "top-tags",
            "earmark.cli.analyze.tags:top_tags",
            "A song's highest tags by several models, beside its labels.",
            _SCORES,
        ),
        Entry(
            "exclusive",
            "earmark.cli.analyze.tags:exclusive",
            "How often tags that exclude each other both reach a threshold.",
            _SCORES,
        ),
        Entry(
            "moments",
            "earmark.cli.analyze.moments:moments",
            "Where in a long file each tag is strongest: a taggram with the moments marked, and their times.",
            _SCORES,
        ),
        Entry(
            "cost",
            "earmark.cli.analyze.runs:cost",
            "Accuracy over seconds for 1000 songs and over size, of models and every combination of them.",
            _RUNS,
        ),
        Entry(
            "report",
            "earmark.cli.analyze.report:report",
            "A run as one page of HTML that works offline: averages, tags to search and sort, figures, clips to listen to.",
            _RUNS,
        ),
    ),
    epilog="More about one figure: earmark analyze FIGURE --help",
)

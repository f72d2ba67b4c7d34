"""Evaluate a model on a dataset: scores, metrics and a report. It uses the Tagger, so the scores are those that users get."""

from earmark.evaluation.compare import Comparison, compare
from earmark.evaluation.report import Report
from earmark.evaluation.run import evaluate, load_model
from earmark.evaluation.scores import ScoreTable, read_scores
from earmark.evaluation.scoring import score_dataset

__all__ = ["Comparison", "Report", "ScoreTable", "compare", "evaluate", "load_model", "read_scores", "score_dataset"]

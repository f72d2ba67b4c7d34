"""A dataset and a model in; scores, figures and a report out. Through the Tagger: the score is the one a user gets."""

from earmark.evaluation.compare import Comparison, compare
from earmark.evaluation.report import Report
from earmark.evaluation.run import evaluate, load_model
from earmark.evaluation.scores import ScoreTable, read_scores
from earmark.evaluation.scoring import score_dataset

__all__ = ["Comparison", "Report", "ScoreTable", "compare", "evaluate", "load_model", "read_scores", "score_dataset"]

"""How good are the pictures? Features, metrics, a judge and one report. Consumes streams; makes no pictures."""

from packshot.evaluation.attributes import AttributeScores, Wish
from packshot.evaluation.conditions import ConditionRow
from packshot.evaluation.features import FeatureExtractor, open_features
from packshot.evaluation.judge import Judge, JudgeReading
from packshot.evaluation.pairs import PairsReport, evaluate_pairs
from packshot.evaluation.report import EvaluationReport, evaluate, evaluate_pack

__all__ = [
    "AttributeScores",
    "ConditionRow",
    "EvaluationReport",
    "FeatureExtractor",
    "Judge",
    "JudgeReading",
    "PairsReport",
    "Wish",
    "evaluate",
    "evaluate_pack",
    "evaluate_pairs",
    "open_features",
]

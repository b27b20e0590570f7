"""Classifiers: a sample's row of features to a score, higher for members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard_plugins.classifiers.calibrated_loss import CalibratedLoss
from leakboard_plugins.classifiers.decision_tree import DecisionTree
from leakboard_plugins.classifiers.knn import Knn
from leakboard_plugins.classifiers.lira import Lira, LiraOffline
from leakboard_plugins.classifiers.logistic_regression import LogisticRegression
from leakboard_plugins.classifiers.naive_bayes import NaiveBayes
from leakboard_plugins.classifiers.quantile import Quantile
from leakboard_plugins.classifiers.random_forest import RandomForest
from leakboard_plugins.classifiers.rmia import Rmia
from leakboard_plugins.classifiers.ratio import Ratio
from leakboard_plugins.classifiers.svm import Svm
from leakboard_plugins.classifiers.tfidf_logistic import TfidfLogistic
from leakboard_plugins.classifiers.threshold import Threshold

if TYPE_CHECKING:
    from leakboard.api import Classifier

__all__ = [
    "CLASSIFIERS",
    "CalibratedLoss",
    "DecisionTree",
    "Knn",
    "Lira",
    "LiraOffline",
    "LogisticRegression",
    "NaiveBayes",
    "Quantile",
    "RandomForest",
    "Rmia",
    "Ratio",
    "Svm",
    "TfidfLogistic",
    "Threshold",
]

CLASSIFIERS: list[type[Classifier]] = [
    LogisticRegression,
    Svm,
    DecisionTree,
    RandomForest,
    NaiveBayes,
    Knn,
    TfidfLogistic,
    Threshold,
    Quantile,
    Lira,
    LiraOffline,
    Rmia,
    CalibratedLoss,
    Ratio,
]

"""Classifiers: a sample's row of features to a score, higher for members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard_plugins.classifiers.boosted_trees import BoostedTrees
from leakboard_plugins.classifiers.calibrated_loss import CalibratedLoss
from leakboard_plugins.classifiers.clid import Clid
from leakboard_plugins.classifiers.decision_tree import DecisionTree
from leakboard_plugins.classifiers.farther import Farther, Weighted
from leakboard_plugins.classifiers.fluctuation import Fluctuation
from leakboard_plugins.classifiers.knn import Knn
from leakboard_plugins.classifiers.lira import Lira, LiraOffline
from leakboard_plugins.classifiers.lira_columns import LiraColumns
from leakboard_plugins.classifiers.logistic_regression import LogisticRegression
from leakboard_plugins.classifiers.mlp import Mlp
from leakboard_plugins.classifiers.naive_bayes import NaiveBayes
from leakboard_plugins.classifiers.quantile import Quantile
from leakboard_plugins.classifiers.random_forest import RandomForest
from leakboard_plugins.classifiers.ratio import Ratio
from leakboard_plugins.classifiers.resnet import ResNet
from leakboard_plugins.classifiers.rmia import Rmia
from leakboard_plugins.classifiers.svm import Svm
from leakboard_plugins.classifiers.tfidf_logistic import TfidfLogistic
from leakboard_plugins.classifiers.threshold import Threshold

if TYPE_CHECKING:
    from leakboard.api import Classifier

__all__ = [
    "CLASSIFIERS",
    "BoostedTrees",
    "CalibratedLoss",
    "Clid",
    "DecisionTree",
    "Farther",
    "Fluctuation",
    "Knn",
    "Lira",
    "LiraColumns",
    "LiraOffline",
    "LogisticRegression",
    "Mlp",
    "NaiveBayes",
    "Quantile",
    "RandomForest",
    "Ratio",
    "ResNet",
    "Rmia",
    "Svm",
    "TfidfLogistic",
    "Threshold",
    "Weighted",
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
    LiraColumns,
    Rmia,
    CalibratedLoss,
    Ratio,
    Farther,
    Weighted,
    Fluctuation,
    Clid,
    BoostedTrees,
    Mlp,
    ResNet,
]

"""A small neural network of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Classifier
from leakboard_plugins.classifiers._fitting import fitted, probability, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Array, Mask, Scorer


@dataclass(frozen=True, kw_only=True)
class Mlp(Classifier):
    """A network with hidden layers on scaled features, trained by Adam from a fixed seed; the score is a probability.

    Attributes:
        hidden: width of each hidden layer.
        epochs: over the calibration samples.
        decay: weight of the squared weights in the loss.
    """

    name: ClassVar[str] = "mlp"
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (64, 32)
    epochs: Annotated[int, Field(ge=1)] = 200
    decay: Annotated[float, Field(ge=0)] = 1e-2

    def fit(self, features: Array, member: Mask, columns: Sequence[str]) -> Scorer:
        """Scorer (M, K) to (M,) in [0, 1].

        Raises:
            Unsupported: if the calibration samples are all members or all non-members.
        """
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier(self.hidden, alpha=self.decay, max_iter=self.epochs, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is part of the attack
            return fitted(scaled(model), features, member, probability)

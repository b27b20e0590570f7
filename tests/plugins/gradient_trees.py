"""GSA: norms of the denoising loss's gradient, tensor by tensor, into boosted trees (Pang et al., arXiv 2308.06405)."""

from dataclasses import dataclass
from typing import ClassVar

from leakboard import hookimpl
from leakboard.api import Access, Attack, Classifier, Observer, Pair, Space, Unsupported


@dataclass(frozen=True, kw_only=True)
class GradientNorms(Observer):
    """Norm of the gradient of each sample's denoising loss in every parameter tensor, at several timesteps."""

    name: ClassVar[str] = "weight_gradients"
    access: ClassVar[Access] = "white"
    space: ClassVar[Space] = "gradient"
    ts: tuple[int, ...] = (100, 300, 500)

    def observe(self, oracle):
        clean = oracle.encode(oracle.originals)
        for t in self.ts:
            norms = oracle.gradients(clean, oracle.noise("gsa", clean, t), t)
            yield Pair(norms.new_zeros(norms.shape), norms, f"t={t}", "gradient")


@dataclass(frozen=True, kw_only=True)
class BoostedTrees(Classifier):
    """Gradient-boosted trees; the score is the log odds of being a member."""

    name: ClassVar[str] = "stubborn_trees"
    trees: int = 60
    depth: int = 3

    def fit(self, features, member, columns):
        from sklearn.ensemble import GradientBoostingClassifier as Model

        if member.all() or not member.any():
            raise Unsupported("boosted trees need members and non-members among the calibration samples")
        model = Model(n_estimators=self.trees, max_depth=self.depth, max_features="sqrt", random_state=0)
        return model.fit(features, member).decision_function


@hookimpl
def leakboard_observers():
    return [GradientNorms]


@hookimpl
def leakboard_classifiers():
    return [BoostedTrees]


@hookimpl
def leakboard_attacks():
    return [Attack("gsa", "weight_gradients", "value", "stubborn_trees", "Gradient norms", "arXiv 2308.06405")]

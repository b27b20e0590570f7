"""Several victims of one architecture as one: the mean of their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from leakboard.api import LeakboardError, Model, Victim
from leakboard_plugins.victims.around import Around

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from leakboard.api import Mask

Weight = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True)
class Merged(Around):
    """The mean of the weights of victims that share an architecture, of all networks of their pipelines.

    A model soup (Wortsman et al. 2203.05482). Its members are those of all victims together. All that is no weight
    (schedule, prompts, how images are fitted) is the first victim's.

    Attributes:
        models: the victims, two or more, each as a spec.
        weights: how much each counts, in their order; they need not add up to one. Nothing counts all alike.
    """

    name: ClassVar[str] = "merged"
    models: Annotated[tuple[Victim, ...], Field(min_length=2)]
    weights: tuple[Weight, ...] = ()

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != len(self.models):
            raise ValueError(f"{len(self.weights)} weights for {len(self.models)} models")

    @property
    def inside(self) -> Victim:
        """The first victim, whose network gets the mean of all weights."""
        return self.models[0]

    @property
    def gated(self) -> bool:
        """True if any of the victims is: victims that do not fit together give a model at chance."""
        return any(victim.gated for victim in self.models)

    @property
    def null(self) -> bool:
        """True if all are untrained."""
        return all(victim.null for victim in self.models)

    @property
    def altered(self) -> bool:
        """True."""
        return True

    def open(self, device: str) -> Model:
        """The first victim's model on ``device``, with the mean of all weights.

        Raises:
            LeakboardError: a victim cannot be opened, or they do not share an architecture.
            Unsupported: a model does not give its networks out.
        """
        import torch

        shares = self.weights or (1.0,) * len(self.models)
        model = self.inside.open(device)
        sums = {place: shares[0] * tensor.float() for place, tensor in _weights(model).items()}
        for victim, share in zip(self.models[1:], shares[1:], strict=True):
            other = _weights(victim.open(device))
            _check_alike(self.inside, sums, victim, other)
            for place, tensor in other.items():
                sums[place] += share * tensor.float()
        with torch.no_grad():
            for place, tensor in _weights(model).items():
                tensor.copy_(sums[place] / sum(shares))
        return model

    def members(self, ids: Sequence[str]) -> Mask | None:
        """Those that any of the victims was trained on; None where only the dataset can tell.

        Raises:
            LeakboardError: some of the victims tell their members and others do not, or none tells, and they are not
                the same.
        """
        trained = [victim for victim in self.models if not victim.null]
        told = [flags for victim in trained if (flags := victim.members(ids)) is not None]
        if told and len(told) == len(trained):
            of_any: Mask = np.logical_or.reduce(told)
            return of_any
        if told or len({victim.trained_on() for victim in trained}) > 1:
            raise LeakboardError(
                "the members of the merged victims are not known",
                where=self.name,
                expected="victims whose manifests list their members, or that were all trained on the same",
                next="write the manifests anew: leakboard train with the same --out",
            )
        return None

    def trained_on(self) -> str | None:
        """That of the victims, where it is the same for all; else `members` tells."""
        digests = {victim.trained_on() for victim in self.models if not victim.null}
        return digests.pop() if len(digests) == 1 else None

    def facts(self) -> dict[str, Any]:
        """What the manifest of each victim says, which was true before they were merged."""
        told = {f"model {number}": victim.facts() for number, victim in enumerate(self.models, 1)}
        return {name: facts for name, facts in told.items() if facts}


def _weights(model: Model) -> dict[tuple[str, str], torch.Tensor]:
    """All numbers with fractions of all networks, by network and name."""
    return {
        (network, name): tensor
        for network, part in model.networks().items()
        for name, tensor in part.state_dict().items()
        if tensor.is_floating_point()
    }


def _check_alike(
    first: Victim, sums: Mapping[tuple[str, str], torch.Tensor], victim: Victim, other: Mapping[Any, torch.Tensor]
) -> None:
    shapes, others = ({place: tuple(t.shape) for place, t in each.items()} for each in (sums, other))
    apart = sorted(place for place in shapes.keys() | others.keys() if shapes.get(place) != others.get(place))
    if apart:
        network, name = apart[0]
        raise LeakboardError(
            f"{first.name} and {victim.name} cannot be merged: {len(apart)} weights differ in name or shape, the first "
            f"is {name} of the {network}",
            expected="victims of one architecture, checkpoints of one recipe say",
        )

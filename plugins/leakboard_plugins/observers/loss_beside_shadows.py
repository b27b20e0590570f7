"""The loss of an image beside what shadow victims said of it, which ships: for likelihood ratios without training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from leakboard.api import Need, Observer, Oracle, Pair, Space, Unsupported
from leakboard_plugins.data import shadow_table
from leakboard_plugins.distances.mse import mean_squared_error
from leakboard_plugins.observers.blind_numbers import pair_of
from leakboard_plugins.observers.loss import Loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class LossBesideShadows(Observer):
    """The negative denoising loss, its mean over draws, and the mean and variance of the same among shadow victims.

    Of victims that were trained on the image and of those that were not, from a table that ships: the victims of the
    recipe ``fashion_small`` that do not ship themselves, on the images of ``fashion_mnist_small``. They answered
    without a defense, about the noises of seed 0. The answers are shared with ``loss``.

    Attributes:
        t: timestep; the table has one.
        draws: independent noises a sample; the table has one number of them.
    """

    name: ClassVar[str] = "loss_beside_shadows"
    access = "gray"
    space: ClassVar[Space] = "statistic"
    needs: ClassVar[frozenset[Need]] = frozenset({"noise"})
    t: Annotated[int, Field(ge=0)] = 100
    draws: Annotated[int, Field(ge=1)] = 20

    def files(self) -> Sequence[Path]:
        """The table."""
        return (shadow_table.TABLE,)

    def observe(self, oracle: Oracle) -> Iterator[Pair]:
        """One pair of five named numbers, the negative loss first; one denoiser evaluation a draw.

        Raises:
            Unsupported: the table is of another timestep or number of draws, or lacks an image.
            LeakboardError: the table is missing or damaged.
        """
        import torch

        table = shadow_table.read_table(shadow_table.TABLE)
        there = {name: table.origin[name] for name in ("t", "draws")}
        if there != {"t": self.t, "draws": self.draws}:
            told = "loss_beside_shadows(t={t}, draws={draws})"
            raise Unsupported(f"shadow victims were asked {told.format(**there)} alone, so nothing is known of others")
        asked = Loss(t=self.t, draws=self.draws).observe(oracle)
        losses = torch.stack([mean_squared_error(pair.reference, pair.observation).cpu() for pair in asked])
        # after the questions, so that a plan, which asks about no image of the table, knows how many there are
        known = torch.from_numpy(table.of(oracle.originals))
        named = dict(zip(shadow_table.NUMBERS, known.unbind(1), strict=True))
        yield pair_of(f"t={self.t}", {"closeness": -losses.mean(0)} | named)

"""Distances: how far an observation lies from its reference, in one number a sample or several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakboard_plugins.distances.dssim import Dssim
from leakboard_plugins.distances.features import Features
from leakboard_plugins.distances.lp import Lp
from leakboard_plugins.distances.lpips import Lpips
from leakboard_plugins.distances.mse import Mse
from leakboard_plugins.distances.psnr import Psnr
from leakboard_plugins.distances.residual import Residual
from leakboard_plugins.distances.rmse import Rmse
from leakboard_plugins.distances.tokens import Tokens
from leakboard_plugins.distances.value import Value

if TYPE_CHECKING:
    from leakboard.api import Distance

__all__ = ["DISTANCES", "Dssim", "Features", "Lp", "Lpips", "Mse", "Psnr", "Residual", "Rmse", "Tokens", "Value"]

DISTANCES: list[type[Distance]] = [Psnr, Dssim, Rmse, Mse, Lp, Features, Lpips, Value, Residual, Tokens]

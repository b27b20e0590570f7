"""Built-in victims."""

from leakboard.api import Victim
from leakboard_plugins.victims.ddpm import Ddpm
from leakboard_plugins.victims.fashion_ddpm import FashionDdpm
from leakboard_plugins.victims.stable_diffusion import StableDiffusion

VICTIMS: list[type[Victim]] = [Ddpm, FashionDdpm, StableDiffusion]

"""Built-in victims."""

from leakboard.api import Victim
from leakboard_plugins.victims.ddpm import Ddpm
from leakboard_plugins.victims.emoji_sd import EmojiSd
from leakboard_plugins.victims.fashion_ddpm import FashionDdpm
from leakboard_plugins.victims.fashion_sd import FashionSd
from leakboard_plugins.victims.stable_diffusion import StableDiffusion

VICTIMS: list[type[Victim]] = [Ddpm, EmojiSd, FashionDdpm, FashionSd, StableDiffusion]

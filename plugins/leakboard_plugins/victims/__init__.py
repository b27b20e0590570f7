"""Built-in victims."""

from leakboard.api import Victim
from leakboard_plugins.victims.api.replay import Replay
from leakboard_plugins.victims.api.victim import Http
from leakboard_plugins.victims.dropout import Dropout
from leakboard_plugins.victims.latent.emoji_sd import EmojiSd
from leakboard_plugins.victims.latent.fashion_sd import FashionSd
from leakboard_plugins.victims.latent.openclipart_sd import OpenclipartSd
from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion
from leakboard_plugins.victims.pixel.ddpm import Ddpm
from leakboard_plugins.victims.pixel.fashion_ddpm import FashionDdpm
from leakboard_plugins.victims.pixel.fashion_flow import FashionFlow
from leakboard_plugins.victims.pixel.fashion_small import FashionSmall
from leakboard_plugins.victims.pixel.flow import Flow
from leakboard_plugins.victims.treated.compiled import Compiled
from leakboard_plugins.victims.treated.merged import Merged
from leakboard_plugins.victims.treated.pruned import Pruned
from leakboard_plugins.victims.treated.quantized import Quantized

VICTIMS: list[type[Victim]] = [
    Compiled,
    Ddpm,
    Dropout,
    EmojiSd,
    FashionDdpm,
    FashionFlow,
    FashionSd,
    FashionSmall,
    Flow,
    Http,
    Merged,
    OpenclipartSd,
    Pruned,
    Quantized,
    Replay,
    StableDiffusion,
]

"""What can be asked of a victim: the seed paper's observers, gray-box baselines, and the blind checks."""

from leakboard_plugins.observers.aggregation import NoiseAggregation
from leakboard_plugins.observers.base_difference import BaseDifference
from leakboard_plugins.observers.blind import Blind
from leakboard_plugins.observers.blind_captions import BlindCaptions
from leakboard_plugins.observers.blind_pixels import BlindPixels
from leakboard_plugins.observers.blind_statistics import BlindStatistics
from leakboard_plugins.observers.conditional import Anisotropy, ConditionalLoss, PromptNorm
from leakboard_plugins.observers.crops import Crops
from leakboard_plugins.observers.dual_signal import DualSignal
from leakboard_plugins.observers.generations import Generations, NearestGeneration
from leakboard_plugins.observers.gradient_norms import GradientNorms, LossTrace
from leakboard_plugins.observers.image_to_image import Complete, CompleteProgressive, OneShot, Progressive
from leakboard_plugins.observers.inversion import Inverted, NoiseProbe
from leakboard_plugins.observers.latent_mask import LatentMask
from leakboard_plugins.observers.loss import Loss
from leakboard_plugins.observers.loss_beside_shadows import LossBesideShadows
from leakboard_plugins.observers.low_pass import LowPass
from leakboard_plugins.observers.pia import Pia
from leakboard_plugins.observers.repeats import Repeats
from leakboard_plugins.observers.secmi import SecMi
from leakboard_plugins.observers.secmi_beside_image import SecMiBesideImage
from leakboard_plugins.observers.sima import Sima, SimaMonteCarlo
from leakboard_plugins.observers.variations import Variations
from leakboard_plugins.observers.velocity import VelocityCurve, VelocityLoss

OBSERVERS = [
    OneShot,
    Progressive,
    Complete,
    CompleteProgressive,
    Blind,
    BlindPixels,
    BlindStatistics,
    BlindCaptions,
    Loss,
    LossBesideShadows,
    SecMi,
    SecMiBesideImage,
    Pia,
    Sima,
    VelocityLoss,
    VelocityCurve,
    SimaMonteCarlo,
    Variations,
    Inverted,
    NoiseProbe,
    Crops,
    NoiseAggregation,
    ConditionalLoss,
    PromptNorm,
    Anisotropy,
    Generations,
    NearestGeneration,
    LowPass,
    Repeats,
    LatentMask,
    BaseDifference,
    GradientNorms,
    LossTrace,
    DualSignal,
]

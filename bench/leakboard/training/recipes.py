"""What is trained: every number that shapes an embedded victim, in one frozen value a recipe."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipe:
    """An unconditional pixel diffusion model trained on the members of one dataset.

    The number of epochs governs how much the model leaks, so the checkpoints are chosen by epoch count alone.
    """

    name: str
    dataset: str
    checkpoints: dict[str, int]
    """Level -> epochs after which the averaged weights are saved; 0 is the untrained model."""
    channels: tuple[int, ...] = (16, 32, 64)
    layers_per_block: int = 1
    batch_size: int = 32
    learning_rate: float = 2e-3
    average: float = 0.999
    """Decay of the exponential moving average of the weights."""
    clip_norm: float = 1.0
    timesteps: int = 1000
    seed: int = 0
    notes: str = field(default="", compare=False)

    @property
    def epochs(self) -> int:
        """Length of the whole run; the learning rate follows one cosine over it."""
        return max(self.checkpoints.values())


@dataclass(frozen=True)
class AutoencoderRecipe:
    """The autoencoder of a latent model, trained on images of the same distribution that are no members."""

    channels: tuple[int, ...] = (16, 32, 32)
    """Each level but the last halves height and width."""
    latent_channels: int = 4
    layers_per_block: int = 1
    kl_weight: float = 1e-5
    """Of the Kullback-Leibler term a latent number, against the mean squared error a pixel number in [-1, 1]."""
    batch_size: int = 32
    learning_rate: float = 2e-3
    average: float = 0.995
    clip_norm: float = 1.0
    epochs: int = 30
    augment: bool = False
    """Also train on mirrored and shifted pictures with their colours swapped, where the images are few."""
    seed: int = 0

    @property
    def checkpoints(self) -> dict[str, int]:
        """Only the end is kept."""
        return {"vae": self.epochs}


@dataclass(frozen=True)
class TextRecipe:
    """The text model: CLIP's architecture with a word vocabulary made from the captions alone."""

    hidden: int = 32
    layers: int = 2
    heads: int = 4
    length: int = 16
    """Tokens a caption is cut to, start and end counted."""
    dropout: float = 0.1
    """Share of captions replaced by the empty one, so that guidance has an unconditional side."""


@dataclass(frozen=True)
class LatentRecipe(Recipe):
    """A Stable Diffusion pipeline in miniature: text model and denoiser trained jointly on members and captions."""

    channels: tuple[int, ...] = (32, 64)
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    text: TextRecipe = TextRecipe()
    size: int = 32
    """Side of the images that the autoencoder takes; smaller images are padded evenly with black."""


LEVELS = {"untrained": 0, "light": 330, "moderate": 550, "heavy": 770}
"""Of both Fashion-MNIST victims: pixel and latent are a matched pair."""

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="fashion_ddpm", dataset="fashion_mnist", checkpoints=LEVELS),
        LatentRecipe(name="fashion_sd", dataset="fashion_mnist", checkpoints=LEVELS),
        LatentRecipe(
            name="emoji_sd",
            dataset="emoji",
            checkpoints={"untrained": 0, "light": 100, "moderate": 160, "heavy": 240},
            average=0.995,
            autoencoder=AutoencoderRecipe(latent_channels=8, epochs=300, augment=True),
        ),
    )
}

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


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="fashion_ddpm",
            dataset="fashion_mnist",
            checkpoints={"untrained": 0, "light": 330, "moderate": 550, "heavy": 770},
        ),
    )
}

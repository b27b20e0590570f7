"""A victim made by hand, whose answers are easy to foretell."""

import torch

from helpers.pixel_models import SIZE
from leakboard.api import Model, Step
from leakboard.noise import standard_normal


class Handmade(Model):
    """Notes what it is asked, and has memory for ``room`` samples at once."""

    def __init__(self, room=1000):
        self.alphas_cumprod = torch.linspace(0.99, 0.01, 10)
        self.room, self.calls = room, []

    def _note(self, query, part):
        self.calls.append((query, len(part)))
        if len(part) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def encode(self, images):
        return images * 2 - 1

    def decode(self, inner):
        return ((inner + 1) / 2).clamp(0, 1)

    def predict_noise(self, state, timestep, prompts):
        self._note("predict_noise", state)
        lengths = [len(prompt) for prompt in prompts] if prompts else [0] * len(state)
        return state + timestep + state.new_tensor(lengths).view(-1, 1, 1, 1)

    def predict_velocity(self, state, time, prompts):
        self._note("predict_velocity", state)
        lengths = [len(prompt) for prompt in prompts] if prompts else [0] * len(state)
        return time * state + state.new_tensor(lengths).view(-1, 1, 1, 1)

    def reconstruct(self, images, seeds, strength, steps, prompts):
        self._note("reconstruct", images)
        inner = self.encode(images)
        noise = standard_normal(seeds, inner)
        for step in range(steps):
            yield Step(inner / (step + 2), inner + strength * noise)

    def generate(self, seeds, steps, prompts):
        noise = standard_normal(seeds, torch.zeros(len(seeds), 1, SIZE, SIZE))
        self._note("generate", noise)
        return noise / steps

    def gradients(self, inner, noise, timesteps, prompts):
        self._note("gradients", inner)
        return (inner - noise).flatten(1)[:, :2].abs()

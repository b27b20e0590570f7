"""Victims that diffuse the latents of an autoencoder: Stable Diffusion and its kin, conditioned on texts or classes."""

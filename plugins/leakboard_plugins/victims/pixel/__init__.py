"""Victims that diffuse pixels: unconditional networks under the DDIM sampler."""

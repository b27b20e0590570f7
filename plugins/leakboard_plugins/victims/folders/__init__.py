"""The folder of a diffusers pipeline: where it is, what must lie in it, and the manifest beside it."""

"""How much does an image diffusion model leak about its training set, under which attack, and which defense helps?"""

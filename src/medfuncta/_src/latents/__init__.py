"""Latents: fitted, stored as a data set, decoded, imported and exported."""

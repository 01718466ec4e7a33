"""The paper's field: sines of increasing frequency, which the latent shifts."""

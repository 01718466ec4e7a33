"""What all share that learn from latents: their scaling, the training of a small network, label
maps, and how sure a result is."""

"""Meta-learning: context sets, the inner loop, the exact meta-gradient, training."""

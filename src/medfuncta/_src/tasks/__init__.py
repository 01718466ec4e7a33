"""What latents answer: how well they reconstruct, what class a signal has, which signals are
alike."""

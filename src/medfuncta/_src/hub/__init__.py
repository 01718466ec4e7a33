"""Models and data sets on a hub: the Hugging Face Hub, or a server that speaks as it does."""

"""A field that starts as functional principal components: see ``field.py``."""

"""What the package is made of. Private: what is public is in :mod:`medfuncta`."""

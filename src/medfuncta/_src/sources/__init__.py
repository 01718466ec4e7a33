"""Where signals come from: one file a format, named in :mod:`medfuncta._src.sources.table`."""

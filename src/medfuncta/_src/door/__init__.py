"""The one way in for what lies on disk: regular files, limits, declared types, and the words for
what is wrong."""

"""A library of music: an index of its files and tags, searches in it, and tags written into the files."""

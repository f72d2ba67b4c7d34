"""The index of a library: one SQLite file."""

"""Tags in people's files: what would be written, how it is written, and how it is undone."""

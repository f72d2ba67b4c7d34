"""Tags in the user's files: planned, written, logged and undone."""

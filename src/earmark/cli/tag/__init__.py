"""`earmark tag`."""

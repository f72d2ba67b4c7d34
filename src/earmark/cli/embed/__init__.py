"""`earmark embed`."""

"""`earmark tune`."""

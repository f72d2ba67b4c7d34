"""`earmark train`."""

"""Tracks that a library holds more than once."""

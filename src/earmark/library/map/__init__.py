"""A library as a map: one HTML file."""

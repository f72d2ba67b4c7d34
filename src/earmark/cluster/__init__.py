"""A million tracks: tagging, preparing and training on a Ray cluster, with the code that does it on one machine."""

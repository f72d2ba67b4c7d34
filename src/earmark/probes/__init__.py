"""Probes: small heads on frozen embeddings of a trained network, and the taggers that they make of it."""

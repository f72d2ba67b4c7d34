"""Tagging with ONNX Runtime: the tagger, its scores, the pipeline and taggram images."""

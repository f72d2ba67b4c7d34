"""Measurements of a model against labels that people gave, to choose between models on validation data.

:mod:`.songs` reads songs with labels, :mod:`.answers` says which of a model's tags answer a label, :mod:`.scoring` tags the
songs once per model, :mod:`.measures` compares, :mod:`.report` writes JSON and Markdown.
"""

"""Measurements of models against labels that people gave, to choose between models on validation data.

:mod:`.songs` and :mod:`.magnatagatune` read songs with labels, :mod:`.answers` says which of a model's tags answer a label,
:mod:`.scoring` tags every song once per model, :mod:`.measures` has the metrics, :mod:`.suite` what is measured on which songs,
and :mod:`.report` writes JSON and Markdown.
"""

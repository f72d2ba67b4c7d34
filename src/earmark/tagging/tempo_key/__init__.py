"""Tempo and key of recordings."""

from __future__ import annotations

from earmark.tagging.tempo_key.meter import TempoKeyMeter
from earmark.tagging.tempo_key.result import KeyEstimate, Tempo

__all__ = ["KeyEstimate", "Tempo", "TempoKeyMeter"]

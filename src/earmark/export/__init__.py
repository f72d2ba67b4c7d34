"""Checkpoints as ONNX files."""

from __future__ import annotations

from earmark.export.onnx import ExportReport, check_signals, export_onnx
from earmark.export.surgery import add_embedding

__all__ = ["ExportReport", "add_embedding", "check_signals", "export_onnx"]

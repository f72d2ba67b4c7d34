"""Export of checkpoints to ONNX files."""

from __future__ import annotations

from earmark.export.graph_edit import add_embedding
from earmark.export.onnx import ExportReport, check_signals, export_onnx

__all__ = ["ExportReport", "add_embedding", "check_signals", "export_onnx"]

"""Checkpoints as ONNX files."""

from __future__ import annotations

from earmark.export.onnx import ExportReport, check_signals, export_onnx

__all__ = ["ExportReport", "check_signals", "export_onnx"]

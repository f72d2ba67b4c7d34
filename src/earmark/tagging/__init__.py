"""From files to tags, on ONNX Runtime: the pipeline, the one aggregation, and the taggram."""

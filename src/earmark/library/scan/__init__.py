"""Scans: what is new on the disk is read, known audio is recognised, the rest is tagged."""

"""What is particular to earmark-2: its tags, its teachers, and how its music is divided."""

from tools.default_model.earmark_2.music import songs

__all__ = ["songs"]

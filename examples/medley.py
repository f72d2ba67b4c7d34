"""The picture at the top of the README: tags of the six example clips over time.

python examples/medley.py docs/taggram.png
"""

import sys
from pathlib import Path

import numpy as np

import earmark
from earmark.audio import load

tagger = earmark.load_tagger(step_seconds=2)
rate_hz = tagger.card.input.sample_rate_hz
clips = sorted(path for path in (Path(__file__).parent / "clips").iterdir() if path.suffix != ".md")
scores = tagger.tag_waveform(np.concatenate([load(path, rate_hz) for path in clips]), rate_hz)
earmark.draw_taggram(scores, sys.argv[1], title="The six example clips, one after the other")

"""What benchmarks/messy_library.py is made of."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # for tests.helpers

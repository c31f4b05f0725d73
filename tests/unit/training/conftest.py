"""The training scripts are no package: in a job they lie side by side in one directory, and so they do here."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "training"))

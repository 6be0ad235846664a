"""The packages below `monai` without MONAI's own imports: as in the image, where there is the Deploy SDK alone."""

import sys
from pathlib import Path

__path__ = [str(Path(entry) / "monai") for entry in sys.path if (Path(entry) / "monai" / "deploy").is_dir()]

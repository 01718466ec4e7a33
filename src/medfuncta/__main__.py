"""``python -m medfuncta``."""

import sys

from medfuncta._src.cli.main import main

sys.exit(main())

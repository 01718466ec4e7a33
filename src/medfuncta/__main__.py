"""``python -m medfuncta``."""

import sys

from medfuncta.cli.main import main

sys.exit(main())

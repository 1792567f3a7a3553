"""``python -m book._tools.slides``."""

import sys

from book._tools.slides import main

sys.exit(main())

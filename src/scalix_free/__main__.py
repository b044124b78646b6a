"""``python -m scalix_free``."""

import sys

from scalix_free.cli import main

if __name__ == "__main__":
    sys.exit(main())

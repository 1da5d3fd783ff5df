"""Entry point of ``python -m guardsdk``."""

import sys

from guardsdk.cli import main

if __name__ == "__main__":
    sys.exit(main())

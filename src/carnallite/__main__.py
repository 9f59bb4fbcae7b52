"""`python -m carnallite` is the command line."""

import sys

from carnallite.surfaces.cli import main

sys.exit(main())

"""Python loads this at the start of a studio whose PYTHONPATH names the folder."""

import hold

hold.in_studio()

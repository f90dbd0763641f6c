"""Who runs this process, as an event names it."""

from __future__ import annotations

import os
import pwd


def operator() -> str:
    """Return who runs this process, as the system knows it and not as the environment claims."""
    try:
        return f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # an account without a name, as in a container
        return f"os:{os.getuid()}"

"""`locard collect`, `locard serve` and `locard up`: the services, one by one or together."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click
from pydantic import SecretStr

from locard.cli.assembly import kafka_settings, log_writer
from locard.cli.settings import Settings
from locard.schema import CannotContinue

if TYPE_CHECKING:
    from fastapi import FastAPI

COLLECT_PORT: Final = 4318
SERVE_PORT: Final = 8700
HEALTH_PORT: Final = 9464

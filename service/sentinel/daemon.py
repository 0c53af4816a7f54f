"""The daemon: its parts, wired; its start, its ticks, its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.sentinel import beginning, deviations
from service.sentinel.answers import Answers
from service.sentinel.baseline import Baseline, BaselineError, Summary
from service.sentinel.beginning import Kept
from service.sentinel.configuration import read
from service.sentinel.containers import Containers
from service.sentinel.control import Control
from service.sentinel.coverage import Coverage
from service.sentinel.dirty import Dirty
from service.sentinel.heartbeat import Heartbeat, State
from service.sentinel.judge import Judge
from service.sentinel.layout import Layout
from service.sentinel.reader import Reader
from service.sentinel.readiness import Readiness
from service.sentinel.record import Recorder
from service.sentinel.rehash import Rehash
from service.sentinel.signature import host_names
from service.sentinel.source import chosen
from service.sentinel.store import Store
from service.sentinel.sweep import Sweeper, Swept
from service.sentinel.territory import SET, Watched
from service.sentinel.who import Asked
from service.sentinel.window import Window, Windows

_TICK = 0.25
_LOOK_FOR_ROOTS = 5.0
_STUCK = 60.0

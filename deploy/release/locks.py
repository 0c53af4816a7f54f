"""`make locks`: write the four locks anew from pyproject.toml's groups, by uv."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from deploy.paths import ROOT

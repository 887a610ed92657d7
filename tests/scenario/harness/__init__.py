# SPDX-License-Identifier: Apache-2.0
"""What scenarios are written with: `scenario` to declare one, and the fixture that each receives."""
from . import trees
from .failure import Failure, Skip, expect
from .registry import scenario

__all__ = ["Failure", "Skip", "expect", "scenario", "trees"]

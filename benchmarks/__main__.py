"""Measure everything, print the table, write docs/performance.md and its plots."""

from __future__ import annotations

import sys

from benchmarks.report import main

sys.exit(main(sys.argv[1:]))

"""A local Mixpeek server for tests and demonstrations, of either generation of the API.

It keeps everything in memory, answers as the vendor does where the vendor bites, and breaks on demand::

    from airflow_provider.mixpeek.emulator import Emulator

    with Emulator(task_seconds=0) as emulator:
        emulator.fault({"path": "/v1/tasks/*", "fault": "status", "status": 503, "times": 2})
        ...  # point a client at emulator.url
        print(emulator.state()["objects"])

Or ``python -m airflow_provider.mixpeek.emulator``. It imports nothing of the rest of this package.
"""

from __future__ import annotations

from .emulator import Emulator
from .errors import Refusal
from .ingress import BrokenAnswerByFault, ConnectionResetByFault

__all__ = ["BrokenAnswerByFault", "ConnectionResetByFault", "Emulator", "Refusal"]

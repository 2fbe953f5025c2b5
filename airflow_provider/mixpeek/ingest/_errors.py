"""
What ingestion refuses before it sends anything.

::

    MixpeekConfigError
    ├── MappingError     the mapping does not fit the rows or the bucket
    └── SourceError      the rows cannot be read

Both pickle, like the rest of the client's errors.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider.mixpeek.client._errors import MixpeekConfigError


class MappingError(MixpeekConfigError):
    """
    The mapping does not fit the rows or the bucket's schema. Nothing was sent.

    :param problems: Everything that is wrong, one sentence each, at least one.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        if len(problems) == 1:
            super().__init__(f"the mapping does not fit: {problems[0]}")
        else:
            numbered = "; ".join(f"({number}) {text}" for number, text in enumerate(problems, 1))
            super().__init__(f"the mapping does not fit, {len(problems)} problems: {numbered}")


class SourceError(MixpeekConfigError):
    """The rows cannot be read: not a source, not the format it says it is, cut off, without columns."""

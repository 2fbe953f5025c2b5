"""
The cells of a frame's column, with all that a library's own reading would lose.

Times and durations come in their plain form, nanoseconds and all. A cell that cannot be read spoils no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from airflow_provider.mixpeek.ingest._values import TICKS_PER_SECOND, Unreadable, seconds_of, trimmed

if TYPE_CHECKING:
    import numpy

Series = nw.Series[Any]

_NANOSECONDS_A_DAY = 86_400 * 10**9


def cells(series: Series) -> Sequence[Any]:
    """
    Read a column.

    :return: What :func:`~airflow_provider.mixpeek.ingest._values.plain_column` takes;
        :class:`~airflow_provider.mixpeek.ingest._values.Unreadable` for a cell that is damaged, or of a kind
        that Python cannot hold.
    """
    found = _tried(_read, series)
    if not isinstance(found, Unreadable):
        return found
    # No reader says which cell it was.
    ones = (_tried(_read, series[index : index + 1]) for index in range(len(series)))
    return [one if isinstance(one, Unreadable) else one[0] for one in ones]


def as_it_came(series: Series) -> Any:
    """Return the one cell of a column as its library gives it, or why it does not."""
    found = _tried(nw.Series.to_list, series)
    return found if isinstance(found, Unreadable) else found[0]


def datetime_column(times: numpy.ndarray[Any, Any], *, in_utc: bool) -> list[Any]:
    """
    The plain forms of a column of times, all at once.

    :param times: ``datetime64`` of seconds to nanoseconds; NaT is absent.
    :param in_utc: Whether they are instants in UTC rather than readings of an unknown zone.
    :return: Texts; what lies outside of the years 1 to 9999 stays as it is, and has no form.
    """
    import numpy as np

    absent = np.isnat(times)
    seconds = times.astype("datetime64[s]")
    forms: list[Any]
    if np.array_equal(seconds[~absent], times[~absent]):
        forms = np.datetime_as_string(seconds).tolist()
    else:
        forms = [trimmed(text) for text in np.datetime_as_string(times).tolist()]
    if in_utc:
        forms = [f"{text}Z" for text in forms]
    for index in np.flatnonzero(absent).tolist():
        forms[index] = None
    beyond = (seconds < np.datetime64("0001-01-01")) | (seconds > np.datetime64("9999-12-31T23:59:59"))
    for index in np.flatnonzero(beyond).tolist():
        forms[index] = times[index]
    return forms


def duration_column(durations: numpy.ndarray[Any, Any]) -> list[int | float | None]:
    """
    The plain forms of a column of durations, all at once.

    :param durations: ``timedelta64`` of seconds to nanoseconds; NaT is absent.
    """
    import numpy as np

    per_second = TICKS_PER_SECOND[np.datetime_data(durations.dtype)[0]]
    seconds: list[int | float | None] = [
        seconds_of(ticks, per_second) for ticks in durations.astype("int64").tolist()
    ]
    for index in np.flatnonzero(np.isnat(durations)).tolist():
        seconds[index] = None
    return seconds


def _read(series: Series) -> Sequence[Any]:
    dtype = _dtype(series)
    if isinstance(dtype, nw.Datetime):
        if dtype.time_zone is None:
            return datetime_column(series.to_numpy(), in_utc=False)
        in_utc = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return datetime_column(in_utc.to_numpy(), in_utc=True)
    if isinstance(dtype, nw.Duration):
        return duration_column(series.to_numpy())
    if isinstance(dtype, nw.Time):
        return [None if ticks is None else _time_of_day(ticks) for ticks in _nanoseconds(series)]
    if series.implementation.is_polars() and _holds_nanoseconds(dtype):
        # polars ends at microseconds inside of lists and structs, pyarrow does not.
        return list(series.to_arrow().to_pylist())
    return series.to_list()


def _dtype(series: Series) -> Any:
    try:
        return series.dtype
    except ValueError:  # a decimal of negative scale, which only Arrow has
        return nw.Unknown()


def _tried(read: Callable[[Series], Sequence[Any]], series: Series) -> Sequence[Any] | Unreadable:
    try:
        return read(series)
    except BaseException as error:
        # Readers raise what they like (ArrowInvalid, OverflowError ...); a panic of polars is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        return Unreadable(f"it cannot be read as {_dtype(series)}: {error}")


def _nanoseconds(times: Series) -> list[int | None]:
    if times.implementation.is_pandas_like():
        import pyarrow  # type: ignore[import-untyped]

        # Only Arrow's times of day are a type of pandas, and it casts them less well than Arrow does.
        times = nw.from_native(pyarrow.chunked_array([times.to_arrow()]), series_only=True)
    return times.cast(nw.Time).cast(nw.Int64).to_list()


def _time_of_day(nanoseconds: int) -> str | Unreadable:
    if not 0 <= nanoseconds < _NANOSECONDS_A_DAY:
        return Unreadable(f"{nanoseconds} nanoseconds are no time of day")
    seconds, rest = divmod(nanoseconds, 10**9)
    minutes, second = divmod(seconds, 60)
    return trimmed(f"{minutes // 60:02}:{minutes % 60:02}:{second:02}.{rest:09}")


def _holds_nanoseconds(dtype: Any) -> bool:
    if isinstance(dtype, nw.List | nw.Array):
        return _holds_nanoseconds(dtype.inner)
    if isinstance(dtype, nw.Struct):
        return any(_holds_nanoseconds(member.dtype) for member in dtype.fields)
    return isinstance(dtype, nw.Datetime | nw.Duration) and dtype.time_unit == "ns"

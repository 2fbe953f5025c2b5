"""The files of a folder, or those that a glob matches."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Any, NamedTuple

from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._locations import Location, locate

_MAGIC = re.compile(r"[*?\[]")
_HIDDEN = (".", "_")


class Listed(NamedTuple):
    """
    A file that was found.

    :param relative: Its path below the folder, or below the fixed leading part of the glob; empty for a file
        that was named itself.
    :param fingerprint: Of its content, as the listing knows it.
    """

    location: Location
    relative: str
    fingerprint: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name alone."""
        return self.location.file_name


def combined(fingerprints: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Make one fingerprint of those of many files and their names."""
    text = json.dumps(fingerprints, sort_keys=True)
    return {
        "files": len(fingerprints),
        "size": sum(fingerprint["size"] or 0 for _, fingerprint in fingerprints),
        "digest": blake2b(text.encode(), digest_size=16).hexdigest(),
    }


def listed(location: Location) -> list[Listed]:
    """
    Find the files, in the order of their paths. Folders are searched with all that is below them.

    Files whose name, or one of whose folders below the given one, begins with ``.`` or ``_`` are left out.

    :return: The file itself, where it is one.
    :raises FileNotFoundError: there is nothing of that name, and a glob matches nothing.
    :raises SourceError: there is no file in it, or it cannot be listed.
    """
    try:
        info = location.info()
    except FileNotFoundError:
        # Only now: a file may be called films[1].csv.
        if not _MAGIC.search(location.path):
            raise
        return _matching(location)
    if info["type"] == "directory":
        found = location.guarded(lambda: _fs(location).find(location.path, detail=True))
        return _chosen(location, found, f"{location.name} is a folder without a file")
    return [Listed(location, "", location.fingerprint(info))]


def would_be_read(rows: Location, directory: Location, names: Sequence[str]) -> bool:
    """
    Whether files that are written into a directory would be read with the rows, as far as names tell.

    :param rows: A file, a folder or a glob.
    :param names: What the files are called.
    """
    pattern, into = (_whole(each) for each in (rows, directory))
    is_glob = _MAGIC.search(pattern) is not None
    folder = _leading(pattern) if is_glob else pattern
    if into != folder and not into.startswith(folder.rstrip("/") + "/"):
        return False
    below = [name for name in into.removeprefix(folder).split("/") if name]
    if _hidden(below):
        return False
    last = pattern.rpartition("/")[2]
    # A folder that a glob matches is read with all that is below it.
    return not is_glob or any(fnmatchcase(name, last) for name in (*below, *names))


def _whole(location: Location) -> str:
    """A text that is the same for the same place."""
    return os.path.realpath(location.path) if location.local else location.uri


def fixed_part(path: str) -> str:
    """Return the folder that a glob is below of for certain; what is no glob, as it is."""
    return _leading(path) if _MAGIC.search(path) else path


def _matching(location: Location) -> list[Listed]:
    def find() -> dict[str, Any]:
        fs = _fs(location)
        found = dict[str, Any]()
        for path, info in fs.glob(location.path, detail=True).items():
            if info["type"] != "directory":
                found[path] = info
            elif "**" not in location.path:  # which has found what is in it as well
                found.update(fs.find(path, detail=True))
        return found

    found = location.guarded(find)
    if not found:
        raise FileNotFoundError(location.name)
    return _chosen(_fixed(location), found, f"{location.name} matches no file that is read")


def _fixed(glob: Location) -> Location:
    """The folder that a glob is below of for certain."""
    path = _leading(glob.path)
    if glob.local:
        return locate(path or "/")
    uri = _leading(glob.uri)
    text = None if glob.text is None else _leading(glob.text)
    return replace(glob, path=path, uri=uri, name=uri, text=text)


def _leading(pattern: str) -> str:
    parts = pattern.split("/")
    count = next(index for index, part in enumerate(parts) if _MAGIC.search(part))
    return "/".join(parts[:count])


def _chosen(folder: Location, found: dict[str, Any], nothing: str) -> list[Listed]:
    named = {_below(folder.path, path): path for path in found if not path.endswith("/")}
    files = [
        Listed(file := folder.below(named[relative], relative), relative, _fingerprint(file, found[path]))
        for relative, path in sorted(named.items())
        if not _hidden(relative.split("/"))
    ]
    if not files:
        raise SourceError(nothing, hint="Files and folders whose names begin with '.' or '_' are not read.")
    return files


def _below(folder: str, path: str) -> str:
    # One slash alone is the folder's: an object store may hold "a/x.csv" beside "a//x.csv".
    start = f"{folder.rstrip('/')}/"
    return path.removeprefix(start) if path.startswith(start) else path.removeprefix(folder).strip("/")


def _fingerprint(file: Location, info: Any) -> dict[str, Any]:
    # fsspec tells local times as floats, which have no room for nanoseconds.
    return file.guarded(lambda: file.fingerprint(file.info() if file.local else info))


def _hidden(names: Iterable[str]) -> bool:
    return any(name.startswith(_HIDDEN) for name in names)


def _fs(location: Location) -> Any:
    import fsspec  # type: ignore[import-untyped]

    return fsspec.filesystem("file") if location.local else location.fs

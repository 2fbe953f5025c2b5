"""
What the file is called that a URL leads to, without what is secret in the URL.

Secret are the query, where presigned URLs have their signature, and what stands before the ``@``.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

#: A question mark may also stand for one character of a glob; then no ``name=`` follows.
_QUERY = re.compile(r"\?[^/?=]+=.*", re.DOTALL)

#: Begins the query or the fragment.
_MARK = re.compile(r"[?#]")

#: With an ``@`` of the path too much goes rather than too little.
_USER = re.compile(r"(?<=://).*@|^[^/@\s]*:[^/@\s]*@", re.DOTALL)

#: Schemes whose paths are quoted. Others have paths, or keys, in which a ``%`` is a ``%``.
HTTP = frozenset({"http", "https"})


def without_query(path: str) -> str:
    """Return a path or URL without its query."""
    scheme = path.partition("://")[0].lower()
    return path.partition("?")[0] if scheme in HTTP else _QUERY.sub("", path)


def name_of_url(url: str) -> str:
    """
    Return the name of the file that an fsspec URL leads to; empty where it leads to none.

    :param url: Of a chain (``zip://a.jpg::https://...``) the file of its first link with a path counts.
    """
    link = next((link for link in url.split("::") if "://" in link), url)
    scheme, _, path = without_query(link).partition("://")
    if scheme.lower() in HTTP:
        path = unquote(path.partition("#")[0].partition("/")[2])
    else:
        # The first part may be a folder, a bucket, or a machine with a user and password before it.
        first, slash, rest = path.partition("/")
        path = first.rpartition("@")[2] + slash + rest
    return path.rstrip("/").rpartition("/")[2]


def without_secrets(text: str) -> str:
    """
    Return what a message may show of a text that is a URL, or looks like one.

    :return: With ``***`` for its user and password, its query and its fragment.
    """
    path, mark, behind = _first_mark(text)
    if "@" in behind:
        # Of a password with such a mark in it, the path has the beginning.
        return path.partition("://")[0] + "://***" if "://" in path else "***"
    return _USER.sub("***@", path) + (mark and f"{mark}***")


def _first_mark(text: str) -> tuple[str, str, str]:
    found = _MARK.search(text)
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")

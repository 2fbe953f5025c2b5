"""Which files become which object."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest._listing import Listed


class Member(NamedTuple):
    """
    A file of an object.

    :param path: Below the folder, or below the fixed part of the glob; its name, if it was named itself.
    :param property: Of the bucket's schema; None: the only one for files.
    """

    file: Listed
    path: str
    property: str | None


def check_property(blob_property: str | None, known: Sequence[str], *, grouped: bool) -> None:
    """
    Check that it is known which property files become.

    :param blob_property: As the caller has named it.
    :param known: The bucket's properties that a file can become.
    :param grouped: A rule may say it of each file.
    :raises MixpeekConfigError: it is not.
    """
    those = f"the bucket's properties for files are {', '.join(known) or '(none)'}"
    if blob_property is not None and blob_property not in known:
        raise MixpeekConfigError(
            f"blob_property is {blob_property!r}, and {those}",
            hint="Name one of these, or declare the property in the bucket's schema.",
        )
    if blob_property is None and not grouped and len(known) != 1:
        raise MixpeekConfigError(
            f"blob_property does not say what files become, and {those}",
            hint="Name one of these." if known else "Declare one in the bucket's schema, such as an image.",
        )


@dataclass(slots=True)
class Group:
    """
    The files of one object.

    :param name: What the files have in common; of a file alone its path.
    """

    name: str
    members: list[Member] = field(default_factory=list)


class GroupRule:
    """
    A regular expression over paths, whose groups say which object and which property a file is of.

    :param pattern: With the named group ``object``, and ``property`` where objects have several.
    :param blob_property: Property of files for which the pattern names none.
    :param known: The bucket's properties that a file can become.
    :raises MixpeekConfigError: it is no such expression.
    """

    def __init__(self, pattern: str, blob_property: str | None, known: Sequence[str]) -> None:
        try:
            self._pattern = re.compile(pattern)
        except (re.error, TypeError) as error:
            raise MixpeekConfigError(f"group_by is no regular expression: {error}") from None
        names = set(self._pattern.groupindex)
        if "object" not in names or names - {"object", "property"}:
            raise MixpeekConfigError(
                f"group_by has to name the group 'object', and may name 'property': {pattern!r}",
                hint=r"For example r'(?P<object>.+)-(?P<property>front|back)\.jpg'.",
            )
        if "property" not in names and blob_property is None:
            raise MixpeekConfigError(
                "group_by names no group 'property', and an object has but one file of each",
                hint="Add the group, or pass blob_property for objects of one file each.",
            )
        self._blob_property = blob_property
        self._known = known

    def groups(self, files: Sequence[tuple[str, Listed]]) -> tuple[list[Group], list[tuple[str, str]]]:
        """
        Put files together.

        :param files: By their paths.
        :return: The groups in order, and the files that are in none, with the reason.
        """
        groups: dict[str, Group] = {}
        left: list[tuple[str, str]] = []
        for path, file in files:
            found = self._pattern.fullmatch(path)
            if found is None:
                left.append((path, "its path does not match group_by"))
                continue
            parts = found.groupdict()
            # A group that is optional in the pattern may have no part in a match.
            if not parts["object"]:
                left.append((path, "its path matches group_by without the group 'object'"))
                continue
            name = parts.get("property") or self._blob_property
            if name is None:
                left.append((path, "its path matches group_by without the group 'property'"))
                continue
            if name not in self._known:
                left.append((path, f"the bucket has no property {name!r} for files"))
                continue
            group = groups.setdefault(parts["object"], Group(parts["object"]))
            twin = next((one.path for one in group.members if one.property == name), None)
            if twin is not None:
                left.append((path, f"{twin} is the {name!r} of the object {group.name!r} already"))
                continue
            group.members.append(Member(file, path, name))
        return list(groups.values()), left

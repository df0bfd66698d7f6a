"""Facility files with one value that is not allowed, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass

from worlds import edited

SIZE = "cores: 1, memory: 2G"
GPU = "gpu, count: 1"
PATTERN = r"'registry\.example\.org/users/[a-z0-9._/-]+:[A-Za-z0-9._-]+'"


@dataclass(frozen=True, slots=True)
class Broken:
    """A file with one problem: its line, key path and how the words begin."""

    name: str
    text: str
    line: int
    key: str
    words: str


def one(line: int, key: str, words: str, *edits: tuple[str, str], name: str) -> Broken:
    """Return the demo facility's file with edits that break it."""
    return Broken(name, edited(*edits), line, key, words)


BROKEN_VALUES = (
    *(
        one(
            21,
            "profiles.0.sizes.0.memory",
            f"is not a size ({shown}), write a number and K, M, G or T, such as 2G",
            (SIZE, f"cores: 1, memory: {text}"),
            name=f"{text} for a size",
        )
        for text, shown in (
            ("true", "true"),
            ("0.5", "0.5"),
            (".nan", ".nan"),
            ("2", "2"),
            ("2GB", "'2GB'"),
            ("-2G", "'-2G'"),
            ("'2 G'", "'2 G'"),
            (".inf", "+.inf"),
        )
    ),
    one(
        43,
        "storage.0.quota",
        "is too small ('1K'), write at least 1M",
        ("quota: 20G", "quota: 1K"),
        name="a quota of one kilobyte",
    ),
    *(
        one(
            24,
            "profiles.0.lifetime.idle",
            f"is not a duration ({shown}), write a whole number and s, m, h or d",
            ("idle: 1h", f"idle: {text}"),
            name=f"{text} for a duration",
        )
        for text, shown in (
            ("true", "true"),
            ("0.5", "0.5"),
            (".nan", ".nan"),
            ("60", "60"),
            ("1w", "'1w'"),
            ("-1h", "'-1h'"),
            ("1.5h", "'1.5h'"),
        )
    ),
    *(
        one(
            36,
            "profiles.2.gpus.2.count",
            f"{wrong} ({text}), write a whole number from 1 to 4096",
            (GPU, f"gpu, count: {text}"),
            name=f"{text} for a count",
        )
        for text, wrong in (
            ("true", "is not a whole number"),
            ("0.5", "is not a whole number"),
            (".nan", "is not a whole number"),
            ("'1'", "is not a whole number"),
            ("-1", "is too small"),
            ("0", "is too small"),
            ("4097", "is too large"),
        )
    ),
    *(
        one(
            21,
            "profiles.0.sizes.0.cores",
            f"is not a number of cores ({shown}), write a number above 0 and up to 4096",
            (SIZE, f"cores: {text}, memory: 2G"),
            name=f"{text} cores",
        )
        for text, shown in (
            ("true", "true"),
            ("0", "0"),
            ("-1", "-1"),
            (".nan", ".nan"),
            ("-.inf", "-.inf"),
            ("4097", "4097"),
            ("one", "'one'"),
            ("[1]", "[1]"),
        )
    ),
    *(
        one(
            41,
            "profiles.3.image_pattern",
            "is not a valid pattern ('{}'), write a regular expression without ".format(
                pattern.replace("\\", "\\\\")
            ),
            (PATTERN, f"'{pattern}'"),
            name=name,
        )
        for name, pattern in (
            ("a pattern with an open bracket", "(a"),
            ("a pattern that looks ahead", "a(?=b)"),
            ("a pattern that looks behind", "(?<!a)b"),
            ("a pattern with a back-reference", r"(a)\1"),
            ("a pattern that is a size bomb", "(a{1000}){1000}"),
            ("a pattern that is a deep size bomb", "((a{1000}){1000}){1000}"),
            ("a pattern that is a bomb of classes", r"\w{1000}{1000}"),
            ("a pattern that closes the anchors' brackets", "a)|(?:b"),
        )
    ),
    one(
        41,
        "profiles.3.image_pattern",
        "is a pattern of 501 characters ('aaaa",
        (PATTERN, "a" * 501),
        name="a pattern of 501 characters",
    ),
    *(
        one(
            12,
            "access.admin_groups.0",
            f"is not a group ({shown}), write its full path without a leading slash",
            ("[facility/admins]", f"[{text}]"),
            name=f"{text} for a group",
        )
        for text, shown in (
            ("/facility/admins", "'/facility/admins'"),
            ("facility//admins", "'facility//admins'"),
            ("a/../b", "'a/../b'"),
            ("'a,b'", "'a,b'"),
            ('"a\\nb"', r"'a\nb'"),
            ('"a\\u202eb"', r"'a\u202eb'"),
            ("''", "''"),
        )
    ),
    one(
        12,
        "access.admin_groups.0",
        "is not text (7), write it in quotes",
        ("[facility/admins]", "[7]"),
        name="a number for a group",
    ),
    one(
        26,
        "profiles.1.allowed_groups",
        "is not a list ('cygno'), write a list in brackets, such as [one, two]",
        ("[cygno]\n    hidden", "cygno\n    hidden"),
        name="one string where a list belongs",
    ),
    *(
        one(
            number,
            f"{key}",
            "is an empty list ([]), write at least one item",
            edit,
            name=f"an empty {key}",
        )
        for number, key, edit in (
            (11, "access.allowed_groups", ("[hackathon, cygno, ml-infn]", "[]")),
            (12, "access.admin_groups", ("[facility/admins]", "[]")),
            (
                26,
                "profiles.1.allowed_groups",
                ("[cygno]\n    hidden", "[]\n    hidden"),
            ),
            (
                22,
                "profiles.0.sizes.1.allowed_groups",
                ("[cygno]}\n    dask", "[]}\n    dask"),
            ),
            (36, "profiles.2.gpus.2.allowed_groups", ("[ml-infn], queue", "[], queue")),
        )
    ),
    one(
        26,
        "profiles.1.allowed_groups",
        "has no value (null), give it one or leave the key out",
        ("    allowed_groups: [cygno]\n    hidden", "    allowed_groups:\n    hidden"),
        name="an allowed_groups without a value",
    ),
    *(
        one(
            25,
            "profiles.1.slug",
            f"is not a slug ({shown}), use up to 63 lower-case letters, digits and '-'",
            ("slug: cygno", f"slug: {text}"),
            name=f"the slug {text}"[:40],
        )
        for text, shown in (
            ("Cygno", "'Cygno'"),
            ("../cygno", "'../cygno'"),
            ("'Foo Bar'", "'Foo Bar'"),
            ("cygno-", "'cygno-'"),
            ("''", "''"),
            ('"cygno\\n"', r"'cygno\n'"),
            ("c" * 64, f"'{'c' * 64}'"),
        )
    ),
    *(
        one(
            45,
            f"storage.2.folders.{key}",
            f"{wrong} ('{key}'), use ",
            ("GW: hackathon", f"{text}: hackathon"),
            name=f"the folder {text}",
        )
        for text, key, wrong in (
            ("../GW", "../GW", "is not a folder name"),
            ("a..b", "a..b", "is not a folder name"),
            (".GW", ".GW", "is not a folder name"),
            ('"G\\nW"', r"G\nW", "is not a folder name"),
            ("backups", "backups", "is a reserved folder name"),
            ("BackUps", "BackUps", "is a reserved folder name"),
        )
    ),
    *(
        one(
            5,
            "iam.issuer",
            f"{wrong} ('{issuer}'), write an https address ",
            ("https://iam-demo.cloud.cnaf.infn.it/", issuer),
            name=f"the issuer {issuer}",
        )
        for issuer, wrong in (
            ("http://iam.example.org/", "is not https"),
            ("http://127.0.0.1.example.org/", "is not https"),
            ("ftp://iam.example.org/", "is not an address"),
            ("iam.example.org", "is not an address"),
        )
    ),
    one(
        2,
        "name",
        "has a tag ('!secret'), leave it out: tags are not read",
        ("name: INFN", "name: !secret INFN"),
        name="a tag",
    ),
    one(
        12,
        "access.admin_groups",
        "has a tag ('!!python/object/apply:os.system'), leave it out",
        ("admin_groups: [", "admin_groups: !!python/object/apply:os.system ["),
        name="a tag that makes objects",
    ),
    one(
        13,
        "",
        "is not valid YAML (while parsing a flow sequence, expected ',' or ']'",
        ("[facility/admins]", "[facility/admins"),
        name="YAML with an open bracket",
    ),
    one(
        12,
        "",
        "is not valid YAML (found undefined alias 'admins'), write one document",
        ("[facility/admins]", "*admins"),
        name="an alias without its anchor",
    ),
    one(
        1,
        "contact",
        "is missing (no value), needed here: version, name, contact, iam, profiles",
        ("contact: support@example.org\n", ""),
        name="a missing key",
    ),
)

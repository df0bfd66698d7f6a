"""Facility files with keys that do not fit together, and what is said of them."""

from __future__ import annotations

from broken_values import GPU, one

BROKEN_RULES = (
    one(
        26,
        "profiles.1.alowed_groups",
        "is not a key here ('alowed_groups'), did you mean 'allowed_groups'",
        (
            "    allowed_groups: [cygno]\n    hidden",
            "    alowed_groups: [cygno]\n    hidden",
        ),
        name="an unknown key, with the nearest known key",
    ),
    one(
        27,
        "profiles.1.quotta",
        "is not a key here ('quotta'), 'quota' is a key of storage; known here: slug, ",
        ("hidden: true", "quotta: 1G"),
        name="an unknown key, with the nearest known key of another part",
    ),
    one(
        46,
        "storage.3.nam",
        "is not a key here ('nam'), did you mean 'name'",
        ("cvmfs, optional: true", "cvmfs, nam: true"),
        name="an unknown key of an area",
    ),
    one(
        25,
        "profiles.1.slug",
        "is there twice ('dodas-v5'), give each its own slug: profiles.0 has it too",
        ("slug: cygno", "slug: dodas-v5"),
        name="a profile's slug twice",
    ),
    one(
        45,
        "storage.2.name",
        "is there twice ('shared'), give each its own name: storage.1 has it too",
        ("name: collabspace", "name: shared"),
        name="an area twice",
    ),
    one(
        45,
        "storage.2.folders.GW",
        "is there twice ('GW'), keep one: the first is on line 45",
        ("HEP: ", "GW: "),
        name="a folder twice",
    ),
    one(
        3,
        "name",
        "is there twice ('name'), keep one: the first is on line 2",
        ("contact: support", "name: again\ncontact: support"),
        name="a YAML key twice",
    ),
    one(
        29,
        "profiles.1.storage.1",
        "is not an area ('scratch'), known: private, shared, collabspace and cvmfs",
        ("storage: [private, cvmfs]", "storage: [private, scratch]"),
        name="an area that is missing",
    ),
    one(
        23,
        "profiles.0.dask",
        "is not an entry of dask ('huge'), known: standard",
        ("dask: standard", "dask: huge"),
        name="a Dask entry that is missing",
    ),
    one(
        25,
        "profiles.1",
        "has both of image and image_pattern ('registry.example.org/af/cygno:2' and 'x')",
        ("af/cygno:2\n", "af/cygno:2\n    image_pattern: x\n"),
        name="both of image and pattern",
    ),
    one(
        25,
        "profiles.1",
        "has neither of image and image_pattern (no value), exactly one is needed",
        ("    image: registry.example.org/af/cygno:2\n", ""),
        name="neither of image and pattern",
    ),
    one(
        44,
        "storage.1.name",
        "is a reserved name ('handin'), use any but backups, class and handin",
        ("name: shared, ", "name: handin, "),
        name="the reserved area handin",
    ),
    one(
        44,
        "storage.1.name",
        "is a reserved name ('backups'), use any but backups, class and handin",
        ("name: shared, ", "name: backups, "),
        name="the reserved area backups",
    ),
    one(
        44,
        "storage.1.access_mode",
        "lets one node alone mount the claim, and servers run on many "
        "('ReadWriteOnce'), use a claim that is ReadWriteMany (cvmfs: ReadOnlyMany is "
        "enough)",
        ("class: hackathon}", "class: hackathon, access_mode: ReadWriteOnce}"),
        name="a claim that one node alone can mount",
    ),
    one(
        44,
        "storage.1.name",
        "is a reserved name ('class'), use any but backups, class and handin",
        ("name: shared, ", "name: class, "),
        name="the reserved area class",
    ),
    one(
        42,
        "storage",
        "has no area of kind private (private, shared, collabspace and cvmfs)",
        ("kind: private", "kind: shared"),
        name="no private area",
    ),
    one(
        42,
        "storage",
        "has 2 areas of kind private (private and shared), exactly one is needed",
        ("kind: shared, claim: af-areas, class: hackathon", "kind: private"),
        name="two private areas",
    ),
    one(
        27,
        "profiles.1.default",
        "is a second default (true), at most one may be, and profiles.0 is",
        ("    hidden: true", "    default: true"),
        name="two default profiles",
    ),
    one(
        22,
        "profiles.0.sizes.1.default",
        "is a second default (true)",
        ("memory: 8G, allowed", "memory: 8G, default: true, allowed"),
        name="two default sizes",
    ),
    one(
        36,
        "profiles.2.gpus.2.default",
        "is a second default (true)",
        (GPU, "gpu, default: true, count: 1"),
        name="two default GPUs",
    ),
    one(
        14,
        "classes.0.teachers",
        "is the group of the students too ('hackathon/students')",
        ("teachers: hackathon/teachers", "teachers: hackathon/students"),
        name="a class whose teachers and students are one group",
    ),
    *(
        one(
            48,
            f"dask.standard.{key}",
            f"is less than one worker needs ({shown}), write at least the {least} that ",
            edit,
            name=f"a ceiling of {key} below one worker",
        )
        for key, shown, least, edit in (
            ("user_cores", "0.5", "1 core", ("user_cores: 16", "user_cores: 0.5")),
            (
                "user_memory",
                "'512M'",
                "1 GiB",
                ("user_memory: 32G", "user_memory: 512M"),
            ),
            ("group_cores.cygno", "0.5", "1 core", ("cygno: 64", "cygno: 0.5")),
        )
    ),
    one(
        48,
        "dask.standard.idle_timeout",
        "is zero ('0m'), write more: a cluster would never end",
        ("idle_timeout: 30m", "idle_timeout: 0m"),
        name="a Dask idle timeout of zero",
    ),
    one(
        24,
        "profiles.0.lifetime.idle",
        "is zero ('0s'), write more, or leave the key out for no limit",
        ("idle: 1h", "idle: 0s"),
        name="a server's idle timeout of zero",
    ),
    one(
        25,
        "profiles.0.token",
        "is of no use, since iam.server_tokens is off (a map), switch it on, or leave "
        "this key out",
        ("iam:\n", "iam:\n  server_tokens: false\n"),
        ("idle: 1h, longest: 12h}", "idle: 1h}\n    token: {audience: a}"),
        name="a token of a profile where servers have none",
    ),
    one(
        24,
        "profiles.0.token.scopes.0",
        "is not one scope or audience ('openid profile'), write printable characters",
        ("lifetime: {idle", "token: {scopes: [openid profile]}\n    lifetime: {idle"),
        name="two scopes in one text",
    ),
    one(
        24,
        "profiles.0.token.audience",
        "is not one scope or audience ('a\\\\b'), write printable characters",
        ("lifetime: {idle", "token: {audience: 'a\\b'}\n    lifetime: {idle"),
        name="an audience with a backslash",
    ),
    one(
        24,
        "profiles.0.lifetime.active_while.1",
        "is there twice ('kernels'), keep one",
        ("idle: 1h", "active_while: [kernels, kernels], idle: 1h"),
        name="the same activity twice",
    ),
    one(
        24,
        "profiles.0.lifetime.active_while.0",
        "is not known ('kernel'), write kernels or clusters",
        ("idle: 1h", "active_while: [kernel], idle: 1h"),
        name="an activity that nobody knows",
    ),
    one(
        24,
        "profiles.0.lifetime.active_while",
        "is not a list ('kernels'), write a list in brackets, such as [one, two]",
        ("idle: 1h", "active_while: kernels, idle: 1h"),
        name="an activity without brackets",
    ),
)

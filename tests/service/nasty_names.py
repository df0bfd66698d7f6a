"""Account names that an IAM may send, by what is nasty about them, and what becomes of each.

Each group is told to one register that knows ``KNOWN`` people, in the order written.
"""

from __future__ import annotations

from jupyterhub_af.policy.names import make_slug

OK = ""
FORM, RESERVED, TAKEN = "name-form", "name-reserved", "name-taken"
KNOWN = ("student1", "anna", "anna.rossi", "karl", "igor", "strasse", "muller", "_root")

# Two pairs with one slug each, found by trying about 80 000 names that read the same.
SAME_DIRECTORY = {
    "long names that differ at the end": (
        "maria.antonietta.dellavalle.18696",
        "maria.antonietta.dellavalle.75479",
        "maria-antonietta-dell---484f69ce",
    ),
    "names that differ in what stands between": (
        "anna..@-_.$rossi",
        "anna@-_-@--rossi",
        "anna-rossi---e5d96dcc",
    ),
}


def _all(rule: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, rule)


GROUPS: dict[str, dict[str, str]] = {
    "letters that look like a person's": _all(
        FORM,
        *("\uff53tudent1", "\uff53\uff54\uff55\uff44\uff45\uff4e\uff54\uff11"),
        *("stud\u0435nt1", "\u0455tudent1", "st\u03c5dent1", "student\uff11"),
        *("student\u00b9", "student\u2460", "student\u0661", "\u017ftudent1"),
        *("\u0430nna", "\u0430nn\u0430", "\u1d00nna", "\U0001d41anna", "\u24d0nna"),
        *("\u00aanna", "a\u014b\u014ba", "anna\u2024rossi", "anna\uff0erossi"),
        *("\u212aarl", "\u212aARL", "\u0131gor", "\u0130gor", "\u0130GOR"),
        *("stra\u00dfe", "STRA\u1e9eE", "\ufb01lippo", "\u0133sbrand", "\u01c6ordan"),
    ),
    "accents in two spellings": _all(
        FORM,
        *("m\u00fcller", "mu\u0308ller", "M\u00dcLLER", "muller\u0308", "muller\u0301"),
        *("ann\u00e0", "anna\u0300", "\u212bke", "\u00c5ke", "A\u030ake", "n\u0303"),
    ),
    "characters nobody sees": _all(
        FORM,
        *("stu\u200ddent1", "stu\u200cdent1", "student1\u200b", "\ufeffstudent1"),
        *("stu\u00addent1", "student1\u2060", "student1\u200e", "\u200fstudent1"),
        *("student1\u202e", "\u202e1tneduts", "\u2066student1\u2069"),
        *("student1\ufe0f", "student1\U000e0041", "student1\u3164", "student1\u2800"),
        *("student1\u034f", "student1\u180e", "student1\u115f"),
    ),
    "the case of a person's name": _all(
        TAKEN,
        *("Student1", "STUDENT1", "sTuDeNt1", "ANNA", "Anna.Rossi", "ANNA.rossi"),
        *("_ROOT", "Karl"),
    ),
    "what stands between": _all(
        OK,
        *("anna-rossi", "anna_rossi", "anna@rossi", "anna$rossi", "annarossi"),
        *("anna..rossi", "anna.-rossi", "anna-.rossi", "anna--rossi", "anna---rossi"),
        *("anna.rossi.", "anna.rossi-", "anna.rossi@", "anna.rossi$", "_anna.rossi"),
    ),
    "dots and dashes": _all(FORM, ".", "..", "...", "-", "--", "---", "@", "$", "$$")
    | _all(FORM, "-a", "--a", ".a", "..a", "@a", "$a", ".ssh")
    | _all(OK, "_", "__", "_.", "_-", "_$", "_..", "a.", "a..", "a-", "a--", "a---"),
    "names that look like a slug": _all(
        OK,
        *(make_slug("anna.rossi"), make_slug(make_slug("anna.rossi"))),
        *(make_slug("_root"), make_slug(""), make_slug("Anna"), make_slug("a--")),
        *("anna-rossi---00000000", "x---e3b0c442-", "x-1st", "1st", "a---e01ddf65"),
    ),
    "long names": _all(OK, "a" * 63, "a" * 62, "a" * 21, "a" * 22, "1" * 63)
    | _all(OK, "a." * 31 + "a", "a" * 62 + "-", "a" * 62 + ".", "_" * 63)
    | _all(TAKEN, "A" * 63)
    | _all(FORM, "a" * 64, "A" * 64, "a" * 255, "\u00e9" * 63, "a" * 63 + "\n"),
    "names of the system": _all(
        RESERVED,
        "root",
        "ROOT",
        "Root",
        "nobody",
        "NoGroup",
        "backups",
        "Backups",
        "af",
    )
    | _all(OK, "root.", "root-", "roots", "root@host", "no-body", "backups.")
    | _all(FORM, "r\u043e\u043et", "root\u200b", " root", "root\0"),
    "paths": _all(
        FORM,
        *("../anna", "anna/..", "/etc/passwd", "a/b", "a//b", "a\\b", "..\\a", "a/"),
        *("/", "//", "./a", "~", "~root", "~/a", "C:\\x", "%2e%2e%2f", "a%2fb"),
        *("a:b", "file:///a", "a/./b", "a\u2215b", "a\uff0fb"),
    ),
    "what a shell or a page would read": _all(
        FORM,
        *("$(id)", "`id`", "a;id", "a|id", "a&b", "a>b", "a<b", "a*", "a?", "a[1]"),
        *("{a,b}", "a'b", 'a"b', "!a", "#a", "a=b", "a b", "$HOME", "${HOME}", "a^b"),
        *("<script>", "{{7*7}}", "' or 1=1", "a%s", "a,b", "(a)", "a+b"),
    )
    | _all(OK, "a$home", "rm@-rf", "a$$", "a$1", "a@b@c"),
    "pictures": _all(
        FORM,
        *("\U0001f600", "anna\U0001f600", "\U0001f469\u200d\U0001f4bb"),
        *("\U0001f1ee\U0001f1f9", "1\ufe0f\u20e3", "\u2603"),
    ),
    "control characters and blanks": _all(
        FORM,
        *("\0", "a\0", "a\n", "\na", "a\r\n", "\ta", "a\tb", "a\x1b[31m", "a\x7f"),
        *("a\x85", "a\u2028", "a\x08", "a\x0b", " ", "\u00a0", "\u3000", " anna"),
        *("anna ", "an na", "\u00a0anna"),
    ),
    "numbers and words of other languages": _all(
        OK,
        *("0", "000", "1000001", "1e9", "0x10", "1.0", "nan", "none", "null", "true"),
        *("admin", "hub", "con", "aux"),
    )
    | _all(FORM, "-1", "+1", "\u0661\u0662"),
}
ALL = {name: rule for group in GROUPS.values() for name, rule in group.items()}

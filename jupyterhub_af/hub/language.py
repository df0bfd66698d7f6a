"""The languages of our pages: English, and every file of ``locale/``.

A file such as ``it.csv`` has two columns: the English text as the code has it, and its
translation. The browser's ``Accept-Language`` chooses; Tornado does the choosing.
"""

from __future__ import annotations

from pathlib import Path

from tornado import locale

LOCALE = Path(__file__).parent / "locale"
ENGLISH = "en"


def load_languages() -> None:
    """Read the translations; Tornado keeps them for the process."""
    # named without a country, so that a browser of British English is not given Italian
    locale.set_default_locale(ENGLISH)
    locale.load_translations(str(LOCALE), encoding="utf-8")

"""What the service keeps of endings, checks and tokens, on each database."""

from __future__ import annotations

from dataclasses import replace

from jupyterhub_af.service.admitted import Admitted, digest_of
from jupyterhub_af.service.checks import Checks
from jupyterhub_af.service.endings import Ending, Endings

ONE = Ending("anna", "", "start-1", "denied", "Ask us.", 1763795839.123456, 1.5e9)
TWO = replace(ONE, server_name="two", rule="withheld", ends_at=1.4e9)


def read(store) -> tuple[Ending, ...]:
    book = Endings(store)
    book.load()
    return book.all


async def test_endings_are_read_as_they_were_written_the_first_to_end_first(store):
    book = Endings(store)
    for ending in (ONE, TWO):
        book.put(ending)
    await book.write()
    assert read(store) == book.all == (TWO, ONE)
    book.put(replace(ONE, is_told=True, is_stopped=True))
    book.drop(TWO)
    await book.write()
    assert read(store) == (replace(ONE, is_told=True, is_stopped=True),)
    book.drop(ONE)
    book.drop(TWO)
    await book.write()
    assert read(store) == ()


async def test_what_changes_while_it_is_written_is_written_too(store):
    book = Endings(store)
    book.put(ONE)
    write = book._write

    def change(endings):
        write(endings)
        if ONE in endings.values():
            book.put(replace(ONE, rule="suspended"))

    book._write = change
    await book.write()
    assert read(store) == (replace(ONE, rule="suspended"),)


async def test_checks_are_read_as_they_were_written(store):
    checks = Checks(store)
    await checks.write({"anna": 1763795839.123456, "bob": 2.0})
    assert Checks(store).load() == {"anna": 1763795839.123456, "bob": 2.0}
    await checks.write({"bob": 3.0})
    assert Checks(store).load() == {"bob": 3.0}


async def test_tokens_of_servers_that_run_are_known_again_as_sums_only(store):
    admitted = Admitted(store)
    admitted.note("secret-1", ("anna", ""))
    admitted.note("secret-2", ("anna", "two"))
    assert "secret" not in str(vars(admitted))
    await admitted.write({("anna", "")})
    again = Admitted(store)
    again.load()
    assert again.find("secret-1") == ("anna", "")
    assert (again.find("secret-2"), again.find("other")) == (None, None)
    assert len(digest_of("secret-1")) == 64
    # one list may lack a server that runs
    await again.write(set())
    assert again.find("secret-1") == ("anna", "")
    await again.write({("anna", "")})
    await again.write(set())
    await again.write(set())
    assert again.find("secret-1") is None
    last = Admitted(store)
    last.load()
    assert last.find("secret-1") is None

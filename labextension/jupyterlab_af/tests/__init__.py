"""Tests of the server extension; they are not in the wheel."""

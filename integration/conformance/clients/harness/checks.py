"""What the programs of Python clients share: they define checks and call main.

integration/conformance/clients/doc.go says what is printed.
"""

import os
import sys
import threading
import time
import traceback

ROWS, WIDTH = 50_000, 1_000  # 50 MB
LARGE = f"select repeat(chr(97 + g % 26), {WIDTH}) from generate_series(1, {ROWS}) g"
TEXT = "O'Reilly \\ \"quoted\" – Übergröße 東京 🐘"
BYTES = bytes(range(256)) * 4
SLEEP = "select pg_sleep(60)"
SLEEPS = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
NOTICE = "do $$ begin raise notice 'look here'; end $$"

_checks = []


class NotAvailable(Exception):
    """The client's API cannot do it; the message says why."""


def check(name):
    def register(function):
        _checks.append((name, function))
        return function

    return register


def not_available(name, why):
    @check(name)
    def _():
        raise NotAvailable(why)


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r:.200}, want {want!r:.200}")


def fails(kind, function, *args):
    """The exception of that kind which the call must raise."""
    try:
        function(*args)
    except kind as e:
        return e
    raise AssertionError(f"no {kind.__name__} was raised")


def until(condition, what):
    """Waits for condition, 30 s at most."""
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.02)


def while_running(running, interrupt, run):
    """Calls run, and in another thread interrupt once running() says so."""

    def watch():
        until(running, "the query to run")
        interrupt()

    t = threading.Thread(target=watch)
    t.start()
    try:
        return run()
    finally:
        t.join()


def at_once(function, count=10):
    """Calls function(i) in count threads, which all must succeed."""
    errors = []

    def call(i):
        try:
            function(i)
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def large_rows(rows):
    """rows are one-column rows of LARGE."""
    count = 0
    for (value,) in rows:
        count += 1
        if value != chr(97 + count % 26) * WIDTH:
            raise AssertionError(f"row {count} is {value!r:.40}")
    equal(count, ROWS)


def main(version):
    print("version", version, flush=True)
    only = os.environ.get("CHECKS", "").split()
    for name, function in _checks:
        if only and name not in only:
            continue
        try:
            function()
        except NotAvailable as e:
            print(f"n/a {name}: {e}", flush=True)
        except Exception as e:
            traceback.print_exc()
            print(f"fail {name}: {type(e).__name__}: {' '.join(str(e).split())}", flush=True)
        else:
            print("ok", name, flush=True)
    sys.exit(0)

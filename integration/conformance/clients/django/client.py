import io
import os
import select
import sys

import django
from django.conf import settings


def database(**options):
    return {
        "ENGINE": "django.db.backends.postgresql", "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"],
        "USER": os.environ["PGUSER"], "NAME": os.environ["PGDATABASE"], "CONN_MAX_AGE": None, "OPTIONS": options,
    }


settings.configure(
    DATABASES={
        "default": database(), "other": database(),
        "plain": database(sslmode="disable"), "tls": database(sslmode="require"),
        "elsewhere": database(options="-c search_path=other,elsewhere -c statement_timeout=1234"),
    },
    USE_TZ=True,
)
django.setup()

from django.db import DataError, OperationalError, ProgrammingError, close_old_connections, connection, connections, models, transaction

sys.path.insert(0, "../harness")
from checks import BYTES, LARGE, NOTICE, SLEEP, SLEEPS, TEXT, at_once, check, equal, fails, large_rows, main, while_running


class Kept(models.Model):
    name = models.TextField(null=True)
    photo = models.BinaryField(null=True)

    class Meta:
        app_label = "shop"


with connection.schema_editor() as editor:
    editor.create_model(Kept)


def value(sql, args=None, using="default"):
    with connections[using].cursor() as cur:
        cur.execute(sql, args)
        return cur.fetchone()[0]


def driver(using="default"):
    connections[using].ensure_connection()
    return connections[using].connection


@check("connect")
def _():
    equal(value("select current_user"), "app_user")


@check("parameters")
def _():
    with connection.cursor() as cur:
        cur.execute("select %s, %s, %s::float, %s", [TEXT, 42, 3.25, None])
        equal(cur.fetchone(), (TEXT, 42, 3.25, None))


@check("prepared")
def _():
    with connection.cursor() as cur:
        cur.execute("prepare twice (int) as select $1 * 2")
    for i in range(10):
        equal(value("execute twice (%s)", [i]), i * 2)


@check("large-result")
def _():
    with connection.cursor() as cur:
        cur.execute(LARGE)
        large_rows(cur)
    with transaction.atomic(), connection.chunked_cursor() as cur:  # a cursor on the server
        cur.execute(LARGE)
        large_rows(cur)


@check("copy-in")
def _():
    with connection.cursor() as cur:
        cur.execute("create table copied (id int)")
        cur.copy_expert("copy copied from stdin", io.StringIO("".join(f"{i}\n" for i in range(20_000))))
    equal(value("select sum(id) from copied"), 199_990_000)


@check("copy-out")
def _():
    out = io.StringIO()
    with connection.cursor() as cur:
        cur.copy_expert("copy (select g from generate_series(1, 20000) g) to stdout", out)
    equal(out.getvalue(), "".join(f"{i}\n" for i in range(1, 20_001)))


@check("notice")
def _():
    with connection.cursor() as cur:
        cur.execute(NOTICE)
    equal(driver().notices[-1], "NOTICE:  look here\n")


@check("error")
def _():
    equal(fails(DataError, value, "select 1/0").__cause__.pgcode, "22012")
    equal(value("select 1"), 1)


@check("transaction")
def _():
    def undone():
        with transaction.atomic():
            Kept.objects.create(id=1)
            equal(Kept.objects.using("other").count(), 0)
            raise KeyError

    fails(KeyError, undone)
    with transaction.atomic():
        Kept.objects.create(id=2, name=TEXT)

        def inner():
            with transaction.atomic():
                value("select * from nowhere")

        fails(ProgrammingError, inner)
    equal([k.name for k in Kept.objects.using("other")], [TEXT])


@check("listen")
def _():
    with connection.cursor() as cur:
        cur.execute("listen news")
    value("select 1 from pg_notify('news', %s)", [TEXT], using="other")
    equal(len(select.select([driver()], [], [], 30)[0]), 1)
    driver().poll()
    equal(driver().notifies[0].payload, TEXT)


@check("cancel")
def _():
    running = driver()

    def sleeps():  # in the other thread, which has connections of its own
        return value(SLEEPS, using="other")

    e = fails(OperationalError, while_running, sleeps, running.cancel, lambda: value(SLEEP))
    equal(e.__cause__.pgcode, "57014")
    equal(value("select 1"), 1)


@check("binary")
def _():
    Kept.objects.create(id=3, photo=BYTES)
    equal(bytes(Kept.objects.get(id=3).photo), BYTES)
    equal(value("select encode(photo, 'hex') from shop_kept where id = 3"), BYTES.hex())


@check("ten")
def _():
    at_once(lambda i: equal(value("select %s from pg_sleep(0.2)", [i]), i))


@check("plain")
def _():
    equal(driver("plain").info.ssl_in_use, False)


@check("tls")
def _():
    equal(driver("tls").info.ssl_in_use, True)


@check("pool")
def _():  # persistent connections: between requests Django drops the unusable ones
    value("select pg_terminate_backend(%s)", [driver().info.backend_pid], using="other")
    fails(OperationalError, value, SLEEP)
    close_old_connections()
    equal(value("select 1"), 1)


@check("search-path")
def _():
    with connection.cursor() as cur:
        cur.execute("create schema elsewhere; create table elsewhere.found as select 42 as it")
    equal(value("select it || current_setting('statement_timeout') from found", using="elsewhere"), "421234ms")


main(django.get_version())

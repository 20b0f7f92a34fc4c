<?php
require '../harness/checks.php';

// connect opens a new connection; libpq takes the rest from PG*.
function connect(string $settings = ''): PgSql\Connection
{
    return pg_connect($settings, PGSQL_CONNECT_FORCE_NEW);
}

function value(PgSql\Connection $db, string $sql, array $args = [])
{
    return pg_fetch_result(pg_query_params($db, $sql, $args), 0, 0);
}

// state runs a statement that must fail and returns its SQLSTATE.
function state(PgSql\Connection $db, string $sql): string
{
    pg_send_query($db, $sql);
    $state = pg_result_error_field(pg_get_result($db), PGSQL_DIAG_SQLSTATE);
    while (pg_get_result($db)) {
    }
    return $state ?? throw new Exception('it did not fail');
}

echo 'version ', phpversion('pgsql'), "\n";

check('connect', fn() => equal(value(connect(), 'select current_user'), 'app_user'));

check('parameters', function () {
    $r = pg_query_params(connect(), 'select $1::text, $2::int, $3::float8, $4::text', [TEXT, 42, 3.25, null]);
    equal(pg_fetch_row($r), [TEXT, '42', '3.25', null]);
});

check('prepared', function () {
    $db = connect();
    pg_prepare($db, 'twice', 'select $1::int * 2');
    for ($i = 0; $i < 10; $i++) {
        equal(pg_fetch_result(pg_execute($db, 'twice', [$i]), 0, 0), (string) ($i * 2));
    }
});

check('large-result', function () {
    $r = pg_query(connect(), LARGE);
    for ($n = 0; $row = pg_fetch_row($r);) {
        largeRow(++$n, $row[0]);
    }
    equal($n, 50_000);
});

check('copy-in', function () {
    $db = connect();
    pg_query($db, 'create table copied (id int)');
    pg_query($db, 'copy copied from stdin');
    for ($i = 0; $i < 20_000; $i++) {
        pg_put_line($db, "$i\n");
    }
    pg_put_line($db, "\\.\n");
    pg_end_copy($db);
    equal(value($db, 'select sum(id) from copied'), '199990000');
});

check('copy-out', function () {
    $db = connect();
    pg_query($db, 'create temporary table numbers as select generate_series(1, 20000)');
    equal(implode('', pg_copy_to($db, 'numbers')), implode("\n", range(1, 20_000)) . "\n");
});

check('notice', function () {
    $db = connect();
    pg_query($db, NOTICE);
    equal(pg_last_notice($db), 'NOTICE:  look here');
});

check('error', function () {
    $db = connect();
    equal(state($db, 'select 1/0'), '22012');
    equal(value($db, 'select 1'), '1');
});

check('transaction', function () {
    [$db, $other] = [connect(), connect()];
    pg_query($db, 'create table kept (id int)');
    pg_query($db, 'begin');
    pg_query($db, 'insert into kept values (1)');
    equal(value($other, 'select count(*) from kept'), '0');
    pg_query($db, 'rollback');
    pg_query($db, 'begin; insert into kept values (2); savepoint s');
    equal(state($db, 'select * from nowhere'), '42P01');
    equal(state($db, 'select 1'), '25P02');
    pg_query($db, 'rollback to s; commit');
    equal(value($other, 'select array_agg(id) from kept'), '{2}');
});

check('listen', function () {
    $db = connect();
    pg_query($db, 'listen news');
    value(connect(), "select 1 from pg_notify('news', \$1)", [TEXT]);
    $n = false;
    until('the notification', function () use ($db, &$n) {
        return $n = pg_get_notify($db, PGSQL_ASSOC);
    });
    equal($n['payload'], TEXT);
});

check('cancel', function () {
    [$db, $other] = [connect(), connect()];
    pg_send_query($db, SLEEP);
    until('the query to run', fn() => value($other, SLEEPS) === '1');
    pg_cancel_query($db);
    until('the query to end', fn() => value($other, SLEEPS) === '0');
    equal(value($db, 'select 1'), '1');
});

check('binary', function () {
    $db = connect();
    $sent = pg_escape_bytea($db, BYTES);
    equal(pg_unescape_bytea(value($db, 'select $1::bytea', [$sent])), BYTES);
    equal(value($db, "select encode(\$1::bytea, 'hex')", [$sent]), bin2hex(BYTES));
});

check('ten', function () { // ten queries run at once
    $all = array_map(fn() => connect(), range(0, 9));
    foreach ($all as $i => $db) {
        pg_send_query_params($db, 'select $1::int from pg_sleep(0.2)', [$i]);
    }
    foreach ($all as $i => $db) {
        equal(pg_fetch_result(pg_get_result($db), 0, 0), (string) $i);
    }
});

check('plain', fn() => equal(value(connect('sslmode=disable'), 'select 1'), '1'));
check('tls', fn() => equal(value(connect('sslmode=require'), 'select 1'), '1'));

check('pool', function () { // persistent connections
    $db = pg_pconnect('');
    $pid = pg_get_pid($db);
    equal(pg_get_pid(pg_pconnect('')), $pid);
    equal(value($db, 'select 1'), '1'); // pgkeyless replaces one that has asked nothing yet
    value(connect(), 'select pg_terminate_backend($1)', [$pid]);
    fails(fn() => pg_query($db, SLEEP));
    pg_connection_reset($db);
    equal(value($db, 'select 1'), '1');
});

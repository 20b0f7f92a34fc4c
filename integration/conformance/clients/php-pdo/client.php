<?php
require '../harness/checks.php';

function connect(string $more = '', array $options = []): PDO
{
    $dsn = 'pgsql:host=' . getenv('PGHOST') . ';port=' . getenv('PGPORT') . ';dbname=' . getenv('PGDATABASE') . $more;
    return new PDO($dsn, getenv('PGUSER'), null, $options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

function value(PDO $db, string $sql, array $args = [])
{
    $s = $db->prepare($sql);
    $s->execute($args);
    return $s->fetchColumn();
}

echo 'version ', phpversion('pdo_pgsql'), "\n";

check('connect', fn() => equal(value(connect(), 'select current_user'), 'app_user'));

check('parameters', function () {
    $s = connect()->prepare('select ?::text, ?::int, ?::float8, ?::text');
    $s->execute([TEXT, 42, 3.25, null]);
    equal($s->fetch(PDO::FETCH_NUM), [TEXT, 42, '3.25', null]);
});

check('prepared', function () {
    $db = connect();
    $s = $db->prepare('select :i::int * 2', [PDO::ATTR_EMULATE_PREPARES => false]);
    for ($i = 0; $i < 10; $i++) {
        $s->execute(['i' => $i]);
        equal($s->fetchColumn(), $i * 2);
    }
    equal(value($db, "select count(*) from pg_prepared_statements where statement like '%* 2'"), 1);
});

check('large-result', function () {
    $n = 0;
    foreach (connect()->query(LARGE, PDO::FETCH_NUM) as $row) {
        largeRow(++$n, $row[0]);
    }
    equal($n, 50_000);
});

check('copy-in', function () {
    $db = connect();
    $db->exec('create table copied (id int)');
    $db->pgsqlCopyFromArray('copied', range(0, 19_999));
    equal(value($db, 'select sum(id) from copied'), 199_990_000);
});

check('copy-out', function () {
    $db = connect();
    $db->exec('create temporary table numbers as select generate_series(1, 20000)');
    equal(implode('', $db->pgsqlCopyToArray('numbers')), implode("\n", range(1, 20_000)) . "\n");
});

notAvailable('notice', 'PDO shows none before PHP 8.4');

check('error', function () {
    $db = connect();
    equal(fails(fn() => $db->query('select 1/0'))->getCode(), '22012');
    equal(value($db, 'select 1'), 1);
});

check('transaction', function () {
    [$db, $other] = [connect(), connect()];
    $db->exec('create table kept (id int)');
    $db->beginTransaction();
    $db->exec('insert into kept values (1)');
    equal(value($other, 'select count(*) from kept'), 0);
    $db->rollBack();
    $db->beginTransaction();
    $db->exec('insert into kept values (2)');
    $db->exec('savepoint s');
    equal(fails(fn() => $db->query('select * from nowhere'))->getCode(), '42P01');
    equal(fails(fn() => $db->query('select 1'))->getCode(), '25P02');
    $db->exec('rollback to s');
    $db->commit();
    equal(value($other, 'select array_agg(id)::text from kept'), '{2}');
});

check('listen', function () {
    $db = connect();
    $db->exec('listen news');
    value(connect(), "select 1 from pg_notify('news', ?)", [TEXT]);
    equal($db->pgsqlGetNotify(PDO::FETCH_ASSOC, 30_000)['payload'], TEXT);
});

notAvailable('cancel', 'PDO has no call for it; the extension pgsql has');

check('binary', function () {
    $db = connect();
    $s = $db->prepare("select ?::bytea as b, encode(?::bytea, 'hex') as hex");
    $s->bindValue(1, BYTES, PDO::PARAM_LOB);
    $s->bindValue(2, BYTES, PDO::PARAM_LOB);
    $s->execute();
    $row = $s->fetch(PDO::FETCH_ASSOC);
    equal(stream_get_contents($row['b']), BYTES);
    equal($row['hex'], bin2hex(BYTES));
});

check('ten', function () { // PDO waits for each answer: ten are open, and used in turns
    $all = array_map(fn() => connect(), range(0, 9));
    for ($round = 0; $round < 3; $round++) {
        foreach ($all as $i => $db) {
            equal(value($db, 'select ?::int', [$i]), $i);
        }
    }
});

check('plain', fn() => equal(value(connect(';sslmode=disable'), 'select 1'), 1));
check('tls', fn() => equal(value(connect(';sslmode=require'), 'select 1'), 1));

check('pool', function () { // persistent connections
    $db = connect(options: [PDO::ATTR_PERSISTENT => true]);
    $pid = value($db, 'select pg_backend_pid()');
    $db = null;
    equal(value(connect(options: [PDO::ATTR_PERSISTENT => true]), 'select pg_backend_pid()'), $pid);
    value(connect(), 'select pg_terminate_backend(?)', [$pid]);
    until('the connection to be replaced', function () use ($pid) {
        try { // the persistent one is looked at before it is used again
            return value(connect(options: [PDO::ATTR_PERSISTENT => true]), 'select pg_backend_pid()') !== $pid;
        } catch (PDOException) {
            return false;
        }
    });
});

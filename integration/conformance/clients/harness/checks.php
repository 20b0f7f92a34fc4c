<?php
// What the programs of PHP clients share. integration/conformance/clients/doc.go says what
// is printed.

const TEXT = "O'Reilly \\ \"quoted\" – Übergröße 東京 🐘";
const LARGE = 'select repeat(chr(97 + g % 26), 1000) from generate_series(1, 50000) g';
const SLEEP = 'select pg_sleep(60)';
const SLEEPS = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
const NOTICE = "do $$ begin raise notice 'look here'; end $$";
define('BYTES', str_repeat(implode('', array_map('chr', range(0, 255))), 4));

set_error_handler(function (int $level, string $message) {
    throw new ErrorException($message, 0, $level);
});

function check(string $name, callable $run): void
{
    try {
        $run();
        echo "ok $name\n";
    } catch (Throwable $e) {
        fwrite(STDERR, "$e\n");
        echo "fail $name: ", preg_replace('/\s+/', ' ', $e->getMessage()), "\n";
    }
}

function notAvailable(string $name, string $why): void
{
    echo "n/a $name: $why\n";
}

function equal($got, $want): void
{
    if ($got !== $want) {
        throw new Exception('got ' . substr(var_export($got, true), 0, 200) . ', want ' . substr(var_export($want, true), 0, 200));
    }
}

// fails returns what the call must throw.
function fails(callable $run): Throwable
{
    try {
        $run();
    } catch (Throwable $e) {
        return $e;
    }
    throw new Exception('it did not fail');
}

// until waits for the condition, 30 s at most.
function until(string $what, callable $condition): void
{
    for ($end = microtime(true) + 30; !$condition(); usleep(20_000)) {
        if (microtime(true) > $end) {
            throw new Exception("waited in vain for $what");
        }
    }
}

function largeRow(int $row, string $value): void
{
    if ($value !== str_repeat(chr(97 + $row % 26), 1000)) {
        throw new Exception("row $row is " . substr($value, 0, 40));
    }
}

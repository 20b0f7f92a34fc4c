use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use DBI;
use DBD::Pg qw(:async :pg_types);
use Time::HiRes qw(sleep time);

# The checks of DBD::Pg; integration/conformance/clients/doc.go says what is printed.

$| = 1;
my $TEXT   = "O'Reilly \\ \"quoted\" – Übergröße 東京 🐘";
my $BYTES  = pack 'C*', (0 .. 255) x 4;
my $SLEEP  = 'select pg_sleep(60)';
my $SLEEPS = q{select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'};

sub connected {    # libpq takes the rest from PG*
    my ($dsn) = @_;
    return DBI->connect('dbi:Pg:' . ($dsn // ''), '', '', { RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoCommit => 1 });
}

sub value { my ($db, $sql, @args) = @_; return $db->selectrow_array($sql, undef, @args) }

sub equal {
    my ($got, $want) = map { defined $_ ? $_ : 'undef' } @_;
    die 'got ' . substr($got, 0, 200) . ', want ' . substr($want, 0, 200) . "\n" if $got ne $want;
}

sub fails {
    my ($db, $state, $code) = @_;
    die "it did not fail\n" if eval { $code->(); 1 };
    equal($db->state, $state) if $state;
}

sub check {
    my ($name, $code) = @_;
    if (eval { $code->(); 1 }) { print "ok $name\n"; return }
    (my $why = $@) =~ s/\s+/ /g;
    print "fail $name: $why\n";
}

print "version $DBD::Pg::VERSION\n";

check connect => sub { equal(value(connected(), 'select current_user'), 'app_user') };

check parameters => sub {
    my @row = connected()->selectrow_array('select ?::text, ?::int, ?::float8, ?::text', undef, $TEXT, 42, 3.25, undef);
    equal(join('|', map { $_ // 'undef' } @row), "$TEXT|42|3.25|undef");
};

check prepared => sub {
    my $db = connected();
    my $s  = $db->prepare('select ?::int * 2');
    for my $i (0 .. 9) { $s->execute($i); equal($s->fetchrow_array, $i * 2) }
    equal(value($db, 'select count(*) from pg_prepared_statements where statement like \'%* 2\''), 1);
};

check 'large-result' => sub {
    my $s = connected()->prepare('select repeat(chr(97 + g % 26), 1000) from generate_series(1, 50000) g');
    $s->execute;
    my $n = 0;
    while (my ($t) = $s->fetchrow_array) {
        $n++;
        equal($t, chr(97 + $n % 26) x 1000);
    }
    equal($n, 50_000);
};

check 'copy-in' => sub {
    my $db = connected();
    $db->do('create table copied (id int)');
    $db->do('copy copied from stdin');
    $db->pg_putcopydata("$_\n") for 0 .. 19_999;
    $db->pg_putcopyend;
    equal(value($db, 'select sum(id) from copied'), 199_990_000);
};

check 'copy-out' => sub {
    my $db = connected();
    $db->do('copy (select generate_series(1, 20000)) to stdout');
    my ($out, $row) = ('', '');
    $out .= $row while $db->pg_getcopydata($row) >= 0;
    equal($out, join '', map { "$_\n" } 1 .. 20_000);
};

check notice => sub {
    my $db   = connected();
    my $seen = '';
    local $SIG{__WARN__} = sub { $seen .= $_[0] };
    $db->{PrintWarn} = 1;
    $db->do(q{do $$ begin raise notice 'look here'; end $$});
    equal($seen =~ /NOTICE:  look here/ ? 1 : 0, 1);
};

check error => sub {
    my $db = connected();
    fails($db, '22012', sub { value($db, 'select 1/0') });
    equal(value($db, 'select 1'), 1);
};

check transaction => sub {
    my ($db, $other) = (connected(), connected());
    $db->do('create table kept (id int)');
    $db->begin_work;
    $db->do('insert into kept values (1)');
    equal(value($other, 'select count(*) from kept'), 0);
    $db->rollback;
    $db->begin_work;
    $db->do('insert into kept values (2)');
    $db->pg_savepoint('s');
    fails($db, '42P01', sub { $db->do('select * from nowhere') });
    fails($db, '25P02', sub { value($db, 'select 1') });
    $db->pg_rollback_to('s');
    $db->commit;
    equal(value($other, 'select array_agg(id)::text from kept'), '{2}');
};

check listen => sub {
    my $db = connected();
    $db->do('listen news');
    value(connected(), q{select 1 from pg_notify('news', ?)}, $TEXT);
    my ($n, $end) = (undef, time + 30);
    until ($n = $db->pg_notifies) { die "no notification\n" if time > $end; sleep 0.02 }
    utf8::decode($n->[2]) unless utf8::is_utf8($n->[2]);
    equal($n->[2], $TEXT);
};

check cancel => sub {
    my ($db, $other) = (connected(), connected());
    my $s = $db->prepare($SLEEP, { pg_async => PG_ASYNC });
    $s->execute;
    my $end = time + 30;
    until (value($other, $SLEEPS)) { die "the query never ran\n" if time > $end; sleep 0.02 }
    $db->pg_cancel;
    equal(value($other, $SLEEPS), 0);
    equal(value($db, 'select 1'), 1);
};

check binary => sub {
    my $db = connected();
    for my $sql ('select ?::bytea', q{select decode(encode(?::bytea, 'hex'), 'hex')}) {
        my $s = $db->prepare($sql);
        $s->bind_param(1, $BYTES, { pg_type => PG_BYTEA });
        $s->execute;
        equal($s->fetchrow_array, $BYTES);
    }
};

check ten => sub {    # ten queries run at once, on ten connections
    my @all = map { connected() } 0 .. 9;
    my @statements = map { $_->prepare('select ?::int from pg_sleep(0.2)', { pg_async => PG_ASYNC }) } @all;
    $statements[$_]->execute($_) for 0 .. 9;
    for my $i (0 .. 9) { $all[$i]->pg_result; equal($statements[$i]->fetchrow_array, $i) }
};

check plain => sub { equal(value(connected('sslmode=disable'), 'select 1'), 1) };
check tls   => sub { equal(value(connected('sslmode=require'), 'select 1'), 1) };

check pool => sub {    # connect_cached is DBI's
    my $cached = sub { DBI->connect_cached('dbi:Pg:', '', '', { RaiseError => 1, PrintError => 0 }) };
    my $db     = $cached->();
    equal($cached->()->{pg_pid}, $db->{pg_pid});
    equal(value($db, 'select 1'), 1);    # pgkeyless replaces one that has asked nothing yet
    value(connected(), 'select pg_terminate_backend(?)', $db->{pg_pid});
    fails($db, undef, sub { value($db, $SLEEP) });
    equal(value($cached->(), 'select 1'), 1);    # pinged, then connected anew
};

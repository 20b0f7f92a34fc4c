require 'pg'
require_relative '../harness/checks'

def connect(**settings)
  PG.connect(**settings) # libpq takes the rest from PG*
end

def value(conn, sql, args = [])
  conn.exec_params(sql, args).getvalue(0, 0)
end

puts "version #{PG::VERSION}"

check('connect') { equal value(connect, 'select current_user'), 'app_user' }

check('parameters') do
  row = connect.exec_params('select $1::text, $2::int, $3::float8, $4::text', [TEXT, 42, 3.25, nil]).values[0]
  equal row, [TEXT, '42', '3.25', nil]
end

check('prepared') do
  conn = connect
  conn.prepare('twice', 'select $1::int * 2')
  10.times { |i| equal conn.exec_prepared('twice', [i]).getvalue(0, 0), (i * 2).to_s }
end

check('large-result') do
  all = connect.exec(LARGE)
  equal all.ntuples, ROWS
  all.each_row.with_index(1) { |row, n| large_row(n, row[0]) }
  conn = connect
  conn.send_query(LARGE)
  conn.set_single_row_mode
  n = 0
  conn.get_result.stream_each_row { |row| large_row(n += 1, row[0]) }
  equal n, ROWS
end

check('copy-in') do
  conn = connect
  conn.exec('create table copied (id int)')
  conn.copy_data('copy copied from stdin') { lines(0...20_000).each_line { |l| conn.put_copy_data(l) } }
  equal value(conn, 'select sum(id) from copied'), '199990000'
end

check('copy-out') do
  conn = connect
  out = +''
  conn.copy_data('copy (select generate_series(1, 20000)) to stdout') do
    while (row = conn.get_copy_data)
      out << row
    end
  end
  equal out, lines(1..20_000)
end

check('notice') do
  conn = connect
  seen = []
  conn.set_notice_receiver { |r| seen << r.error_field(PG::PG_DIAG_MESSAGE_PRIMARY) }
  conn.exec(NOTICE)
  equal seen, ['look here']
end

check('error') do
  conn = connect
  e = fails(PG::DivisionByZero) { conn.exec('select 1/0') }
  equal e.result.error_field(PG::PG_DIAG_SQLSTATE), '22012'
  equal value(conn, 'select 1'), '1'
end

check('transaction') do
  conn = connect
  other = connect
  conn.exec('create table kept (id int)')
  fails(KeyError) do
    conn.transaction do
      conn.exec('insert into kept values (1)')
      equal value(other, 'select count(*) from kept'), '0'
      raise KeyError
    end
  end
  conn.transaction do
    conn.exec('insert into kept values (2)')
    conn.exec('savepoint s')
    fails(PG::UndefinedTable) { conn.exec('select * from nowhere') }
    fails(PG::InFailedSqlTransaction) { conn.exec('select 1') }
    conn.exec('rollback to s')
  end
  equal value(other, 'select array_agg(id) from kept'), '{2}'
end

check('listen') do
  conn = connect
  conn.exec('listen news')
  connect.exec_params("select pg_notify('news', $1)", [TEXT])
  heard = nil
  equal conn.wait_for_notify(30) { |_channel, _pid, payload| heard = payload }, 'news'
  equal heard, TEXT
end

check('cancel') do
  conn = connect
  other = connect
  canceller = Thread.new do
    wait_for('the query to run') { value(other, SLEEPS) == '1' }
    conn.cancel
  end
  fails(PG::QueryCanceled) { conn.exec(SLEEP) }
  canceller.join
  equal value(conn, 'select 1'), '1'
end

check('binary') do
  conn = connect
  parameter = { value: BYTES, format: 1, type: 17 }
  equal conn.exec_params('select $1', [parameter], 1).getvalue(0, 0), BYTES
  equal value(conn, "select encode($1, 'hex')", [parameter]), BYTES.unpack1('H*')
end

check('ten') { at_once { |i| equal value(connect, 'select $1::int from pg_sleep(0.2)', [i]), i.to_s } }
check('plain') { equal connect(sslmode: 'disable').ssl_in_use?, false }
check('tls') { equal connect(sslmode: 'require').ssl_in_use?, true }

check('pool') do # it has none, but can connect anew
  conn = connect
  equal value(conn, 'select 1'), '1' # pgkeyless replaces one that has asked nothing yet
  value(connect, 'select pg_terminate_backend($1)', [conn.backend_pid])
  fails(PG::Error) { conn.exec(SLEEP) }
  conn.reset
  equal value(conn, 'select 1'), '1'
end

require 'active_record'
require 'pg'
require_relative '../harness/checks'

def database(**more)
  { adapter: 'postgresql', host: ENV['PGHOST'], port: ENV['PGPORT'], username: ENV['PGUSER'],
    database: ENV['PGDATABASE'], pool: 12, **more }
end

ActiveRecord::Base.establish_connection(database(min_messages: 'notice'))

# Other is a second pool, for other connections.
class Other < ActiveRecord::Base
  self.abstract_class = true
  establish_connection(database)
end

class Kept < ActiveRecord::Base
end

def db
  ActiveRecord::Base.connection
end

def value(sql, on = db)
  on.select_value(sql)
end

# another opens a connection with further settings.
def another(**more)
  Class.new(Other) { def self.name = 'Another' }.establish_connection(database(**more)).connection
end

db.create_table(:kepts) do |t|
  t.text :name
  t.binary :photo
end

puts "version #{ActiveRecord.version}"

check('connect') { equal value('select current_user'), 'app_user' }

check('parameters') do
  args = [TEXT, 42, 3.25, nil]
  row = db.exec_query('select $1::text, $2::int, $3::float8, $4::text', 'test', args).rows[0]
  equal row, args
end

check('prepared') do
  10.times { |i| Kept.where(id: i).to_a } # prepared once
  equal value("select count(*) from pg_prepared_statements where statement like '%kepts%\"id\" = $1'"), 1
end

check('large-result') do
  rows = db.select_values(LARGE)
  equal rows.size, ROWS
  rows.each.with_index(1) { |row, n| large_row(n, row) }
end

check('copy-in') do
  db.execute('create table copied (id int)')
  raw = db.raw_connection
  raw.copy_data('copy copied from stdin') { lines(0...20_000).each_line { |l| raw.put_copy_data(l) } }
  equal value('select sum(id) from copied'), 199_990_000
end

check('copy-out') do
  out = +''
  raw = db.raw_connection
  raw.copy_data('copy (select generate_series(1, 20000)) to stdout') do
    while (row = raw.get_copy_data)
      out << row
    end
  end
  equal out, lines(1..20_000)
end

check('notice') do
  seen = []
  db.raw_connection.set_notice_receiver { |r| seen << r.error_field(PG::PG_DIAG_MESSAGE_PRIMARY) }
  db.execute(NOTICE)
  equal seen, ['look here']
end

check('error') do
  e = fails(ActiveRecord::StatementInvalid) { value('select 1/0') }
  equal e.cause.class, PG::DivisionByZero
  equal value('select 1'), 1
end

check('transaction') do
  Kept.transaction do
    Kept.create!(id: 1)
    equal value('select count(*) from kepts', Other.connection), 0
    raise ActiveRecord::Rollback
  end
  Kept.transaction do
    Kept.create!(id: 2, name: TEXT)
    fails(ActiveRecord::StatementInvalid) { Kept.transaction(requires_new: true) { value('select * from nowhere') } }
  end
  equal value('select name from kepts', Other.connection), TEXT
end

check('listen') do
  db.execute('listen news')
  Other.connection.exec_query("select pg_notify('news', $1)", 'test', [TEXT])
  heard = nil
  db.raw_connection.wait_for_notify(30) { |_channel, _pid, payload| heard = payload }
  equal heard, TEXT
end

check('cancel') do
  raw = db.raw_connection
  canceller = Thread.new do
    wait_for('the query to run') { value(SLEEPS, Other.connection) == 1 }
    raw.cancel
  end
  fails(ActiveRecord::QueryCanceled) { value(SLEEP) }
  canceller.join
  equal value('select 1'), 1
end

check('binary') do
  Kept.create!(id: 3, photo: BYTES)
  equal Kept.find(3).photo, BYTES
  equal value("select encode(photo, 'hex') from kepts where id = 3"), BYTES.unpack1('H*')
end

check('ten') do
  at_once do |i|
    ActiveRecord::Base.connection_pool.with_connection { |c| equal value("select #{i} from pg_sleep(0.2)", c), i }
  end
end

check('plain') { equal another(sslmode: 'disable').raw_connection.ssl_in_use?, false }
check('tls') { equal another(sslmode: 'require').raw_connection.ssl_in_use?, true }

check('pool') do
  pool = ActiveRecord::Base.connection_pool
  value("select pg_terminate_backend(#{db.raw_connection.backend_pid})", Other.connection)
  fails(ActiveRecord::ActiveRecordError) { value(SLEEP) }
  pool.release_connection
  equal value('select 1'), 1 # the pool looks at what it hands out
end

check('search-path') do
  db.execute('create schema elsewhere; create table elsewhere.found as select 42 as it')
  conn = another(options: '-c search_path=other,elsewhere -c statement_timeout=1234')
  equal value("select it || current_setting('statement_timeout') from found", conn), '421234ms'
end

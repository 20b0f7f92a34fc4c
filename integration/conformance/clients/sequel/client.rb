require 'sequel'
require 'pg'
require_relative '../harness/checks'

Sequel.extension :core_extensions

def connect(**more)
  Sequel.connect(adapter: 'postgres', host: ENV['PGHOST'], port: ENV['PGPORT'], user: ENV['PGUSER'],
                 database: ENV['PGDATABASE'], max_connections: 12, client_min_messages: :notice, **more)
end

DB = connect
OTHER = connect

DB.create_table(:kept) do
  Integer :id
  String :name
  File :photo
end

puts "version #{Sequel::VERSION}"

check('connect') { equal DB.get(Sequel.lit('current_user')), 'app_user' }

check('parameters') do
  row = DB['select ?::text as a, ?::int as b, ?::float8 as c, ?::text as d', TEXT, 42, 3.25, nil].first
  equal row, { a: TEXT, b: 42, c: 3.25, d: nil }
end

check('prepared') do
  twice = DB.select(Sequel.lit('?::int * 2', :$i).as(:n)).prepare(:first, :twice)
  10.times { |i| equal twice.call(i: i), { n: i * 2 } }
end

check('large-result') do
  n = 0
  DB[LARGE].each { |row| large_row(n += 1, row[:t]) }
  equal n, ROWS
  n = 0
  DB[LARGE].use_cursor(rows_per_fetch: 5000).each { |row| large_row(n += 1, row[:t]) }
  equal n, ROWS
end

check('copy-in') do
  DB.create_table(:copied) { Integer :id }
  DB.copy_into(:copied, data: lines(0...20_000).each_line)
  equal DB[:copied].sum(:id), 199_990_000
end

check('copy-out') do
  equal DB.copy_table('copy (select generate_series(1, 20000)) to stdout'), lines(1..20_000)
end

check('notice') do
  seen = []
  loud = connect(notice_receiver: ->(r) { seen << r.error_field(PG::PG_DIAG_MESSAGE_PRIMARY) })
  loud.run(NOTICE)
  equal seen, ['look here']
end

check('error') do
  e = fails(Sequel::DatabaseError) { DB['select 1/0'].all }
  equal e.wrapped_exception.class, PG::DivisionByZero
  equal DB['select 1 as n'].get, 1
end

check('transaction') do
  DB.transaction do
    DB[:kept].insert(id: 1)
    equal OTHER[:kept].count, 0
    raise Sequel::Rollback
  end
  DB.transaction do
    DB[:kept].insert(id: 2, name: TEXT)
    fails(Sequel::DatabaseError) { DB.transaction(savepoint: true) { DB[:nowhere].all } }
  end
  equal OTHER[:kept].map(:name), [TEXT]
end

check('listen') do
  heard = nil
  DB.listen('news', timeout: 30, after_listen: ->(_) { OTHER.notify('news', payload: TEXT) }) { |_channel, _pid, payload| heard = payload }
  equal heard, TEXT
end

check('cancel') do
  DB.synchronize do |conn| # the driver's connection
    canceller = Thread.new do
      wait_for('the query to run') { OTHER[SLEEPS].get == 1 }
      conn.cancel
    end
    e = fails(Sequel::DatabaseError) { DB[SLEEP].all }
    equal e.wrapped_exception.class, PG::QueryCanceled
    canceller.join
    equal DB['select 1'].get, 1
  end
end

check('binary') do
  DB[:kept].insert(id: 3, photo: BYTES.to_sequel_blob)
  equal DB[:kept].where(id: 3).get(:photo), BYTES
  equal DB["select encode(photo, 'hex') from kept where id = 3"].get, BYTES.unpack1('H*')
end

check('ten') { at_once { |i| equal DB['select ?::int from pg_sleep(0.2)', i].get, i } }
check('plain') { equal connect(sslmode: 'disable').synchronize(&:ssl_in_use?), false }
check('tls') { equal connect(sslmode: 'require').synchronize(&:ssl_in_use?), true }

check('pool') do
  one = connect(max_connections: 1)
  equal one['select 1'].get, 1 # pgkeyless replaces one that has asked nothing yet
  pid = one.synchronize(&:backend_pid)
  OTHER["select pg_terminate_backend(#{pid})"].get
  fails(Sequel::DatabaseDisconnectError) { one[SLEEP].all }
  equal one['select 1'].get, 1
end

# What the programs of Ruby clients share: they call check for each, and finish.
# integration/conformance/clients/doc.go says what is printed.

ROWS = 50_000
WIDTH = 1_000 # 50 MB
LARGE = "select repeat(chr(97 + g % 26), #{WIDTH}) as t from generate_series(1, #{ROWS}) g".freeze
TEXT = "O'Reilly \\ \"quoted\" – Übergröße 東京 🐘".freeze
BYTES = ((0..255).to_a * 4).pack('C*').freeze
SLEEP = 'select pg_sleep(60)'.freeze
SLEEPS = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'".freeze
NOTICE = "do $$ begin raise notice 'look here'; end $$".freeze

$stdout.sync = true

ONLY = ENV.fetch('CHECKS', '').split

def check(name)
  return if !ONLY.empty? && !ONLY.include?(name)

  yield
  puts "ok #{name}"
rescue StandardError => e
  warn e.full_message
  puts "fail #{name}: #{e.class}: #{e.message.split.join(' ')}"
end

def not_available(name, why)
  puts "n/a #{name}: #{why}"
end

def equal(got, want)
  raise "got #{got.inspect[0, 200]}, want #{want.inspect[0, 200]}" unless got == want
end

# fails returns the error that the block must raise.
def fails(kind)
  begin
    yield
  rescue kind => e
    return e
  end
  raise "no #{kind} was raised"
end

# waits until the block says true, 30 s at most.
def wait_for(what)
  stop = Process.clock_gettime(Process::CLOCK_MONOTONIC) + 30
  until yield
    raise "waited in vain for #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > stop

    sleep 0.02
  end
end

def at_once(&block)
  Array.new(10) { |i| Thread.new(i, &block).tap { |t| t.report_on_exception = false } }.each(&:join)
end

def large_row(row, value)
  raise "row #{row} is #{value[0, 40]}" unless value == (97 + row % 26).chr * WIDTH
end

def lines(range)
  range.map { |i| "#{i}\n" }.join
end

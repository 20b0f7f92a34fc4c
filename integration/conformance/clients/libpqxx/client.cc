// The checks of libpqxx; integration/conformance/clients/doc.go says what is printed.

#include <algorithm>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <libpq-fe.h>
#include <pqxx/pqxx>

namespace
{
const std::string text = "O'Reilly \\ \"quoted\" – Übergröße 東京 🐘";
const std::string large = "select repeat(chr(97 + g % 26), 1000) from generate_series(1, 50000) g";
const std::string sleeping = "select pg_sleep(60)";
const std::string sleeps =
	"select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

template<typename T> void equal(const T &got, const T &want)
{
	if (!(got == want))
		throw std::runtime_error("another value than wanted");
}

void equal(const std::string &got, const std::string &want)
{
	if (got != want)
		throw std::runtime_error("got '" + got.substr(0, 200) + "', want '" + want.substr(0, 200) + "'");
}

template<typename Error> void fails(const std::function<void()> &call)
{
	try {
		call();
	} catch (const Error &) {
		return;
	}
	throw std::runtime_error("it did not fail");
}

std::string value(pqxx::connection &c, const std::string &sql)
{
	pqxx::nontransaction t(c);
	return t.exec1(sql)[0].c_str();
}

void check(const std::string &name, const std::function<void(pqxx::connection &)> &run)
{
	try {
		pqxx::connection c; // libpq takes all from PG*
		run(c);
		std::cout << "ok " << name << std::endl;
	} catch (const std::exception &e) {
		std::string why = e.what();
		std::replace(why.begin(), why.end(), '\n', ' ');
		std::cout << "fail " << name << ": " << why << std::endl;
	}
}

void large_row(int row, const std::string &v)
{
	equal(v, std::string(1000, static_cast<char>('a' + row % 26)));
}

struct keep_notices : pqxx::errorhandler
{
	std::string seen;
	explicit keep_notices(pqxx::connection &c) : pqxx::errorhandler(c) {}
	bool operator()(const char message[]) noexcept override
	{
		seen += message;
		return false;
	}
};

struct keep_news : pqxx::notification_receiver
{
	std::string heard;
	explicit keep_news(pqxx::connection &c) : pqxx::notification_receiver(c, "news") {}
	void operator()(const std::string &payload, int) override { heard = payload; }
};

void parameters(pqxx::connection &c)
{
	pqxx::work t(c);
	const char *nothing = nullptr;
	auto row = t.exec_params1("select $1::text, $2::int, $3::float8, $4::text", text, 42, 3.25, nothing);
	equal(row[0].as<std::string>(), text);
	equal(row[1].as<int>(), 42);
	equal(row[2].as<double>(), 3.25);
	equal(row[3].is_null(), true);
}

void prepared(pqxx::connection &c)
{
	c.prepare("twice", "select $1::int * 2");
	pqxx::work t(c);
	for (int i = 0; i < 10; i++)
		equal(t.exec_prepared1("twice", i)[0].as<int>(), i * 2);
}

void large_result(pqxx::connection &c)
{
	pqxx::work t(c);
	int n = 0;
	for (auto row : t.exec(large))
		large_row(++n, row[0].c_str());
	equal(n, 50000);
	n = 0;
	pqxx::icursorstream cursor(t, large, "large", 5000);
	for (pqxx::result r; cursor >> r;)
		for (auto row : r)
			large_row(++n, row[0].c_str());
	equal(n, 50000);
}

void copy_in(pqxx::connection &c)
{
	pqxx::work t(c);
	t.exec("create table copied (id int)");
	pqxx::stream_to stream(t, "copied");
	for (int i = 0; i < 20000; i++)
		stream << std::make_tuple(i);
	stream.complete();
	equal(t.exec1("select sum(id) from copied")[0].c_str(), "199990000");
}

void copy_out(pqxx::connection &c)
{
	pqxx::work t(c);
	t.exec("create temporary table numbers as select generate_series(1, 20000) as n");
	pqxx::stream_from stream(t, "numbers");
	int n = 0;
	for (std::tuple<int> row; stream >> row;)
		equal(std::get<0>(row), ++n);
	stream.complete();
	equal(n, 20000);
}

void transaction(pqxx::connection &c)
{
	pqxx::connection other;
	value(c, "create table kept (id int); select 1");
	{
		pqxx::work t(c);
		t.exec("insert into kept values (1)");
		equal(value(other, "select count(*) from kept"), "0");
	} // rolled back
	pqxx::work t(c);
	t.exec("insert into kept values (2)");
	fails<pqxx::undefined_table>([&] {
		pqxx::subtransaction s(t);
		s.exec("select * from nowhere");
	});
	t.commit();
	equal(value(other, "select array_agg(id) from kept"), "{2}");
}

void listen(pqxx::connection &c)
{
	keep_news news(c);
	pqxx::connection other;
	pqxx::nontransaction(other).exec_params("select pg_notify('news', $1)", text);
	while (news.heard.empty())
		if (c.await_notification(30, 0) == 0)
			throw std::runtime_error("no notification came");
	equal(news.heard, text);
}

void cancel(pqxx::connection &c)
{
	pqxx::connection other;
	std::thread canceller([&] {
		while (value(other, sleeps) == "0") {
		}
		c.cancel_query();
	});
	fails<pqxx::sql_error>([&] { value(c, sleeping); });
	canceller.join();
	equal(value(c, "select 1"), "1");
}

void binary(pqxx::connection &c)
{
	std::string bytes;
	for (int i = 0; i < 1024; i++)
		bytes += static_cast<char>(i);
	pqxx::work t(c);
	auto row = t.exec_params1("select $1::bytea, length($1::bytea)", pqxx::binarystring(bytes));
	equal(pqxx::binarystring(row[0]).str(), bytes);
	equal(row[1].as<int>(), 1024);
}

void ten(pqxx::connection &)
{
	std::vector<std::thread> threads;
	std::vector<std::string> got(10);
	for (int i = 0; i < 10; i++)
		threads.emplace_back([&got, i] {
			try {
				pqxx::connection c;
				got[i] = value(c, "select " + std::to_string(i) + " from pg_sleep(0.2)");
			} catch (const std::exception &e) {
				got[i] = e.what();
			}
		});
	for (auto &t : threads)
		t.join();
	for (int i = 0; i < 10; i++)
		equal(got[i], std::to_string(i));
}

void with(const std::string &settings)
{
	pqxx::connection c(settings);
	equal(value(c, "select 1"), "1");
}
} // namespace

int main()
{
	std::cout << "version " << PQXX_VERSION << std::endl;
	check("connect", [](auto &c) { equal(value(c, "select current_user"), "app_user"); });
	check("parameters", parameters);
	check("prepared", prepared);
	check("large-result", large_result);
	check("copy-in", copy_in);
	check("copy-out", copy_out);
	check("notice", [](auto &c) {
		keep_notices notices(c);
		value(c, "do $$ begin raise notice 'look here'; end $$; select 1");
		equal(notices.seen, "NOTICE:  look here\n");
	});
	check("error", [](auto &c) {
		fails<pqxx::sql_error>([&] { value(c, "select 1/0"); });
		equal(value(c, "select 1"), "1");
	});
	check("transaction", transaction);
	check("listen", listen);
	check("cancel", cancel);
	check("binary", binary);
	check("ten", ten);
	check("plain", [](auto &) { with("sslmode=disable"); });
	check("tls", [](auto &) { with("sslmode=require"); });
	check("pool", [](auto &c) { // libpqxx has none, but its connections can connect anew
		pqxx::connection other;
		value(c, "select 1"); // pgkeyless replaces one that has asked nothing yet
		value(other, "select pg_terminate_backend(" + std::to_string(c.backendpid()) + ")");
		fails<pqxx::failure>([&] { value(c, sleeping); });
		c.deactivate();
		c.activate();
		equal(value(c, "select 1"), "1");
	});
}

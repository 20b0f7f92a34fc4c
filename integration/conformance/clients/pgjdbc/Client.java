import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.sql.PooledConnection;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.ds.PGConnectionPoolDataSource;

/** The checks of pgjdbc; integration/conformance/clients/doc.go says what is printed. */
final class Client {
    static final String TEXT = "O'Reilly \\ \"quoted\" – Übergröße 東京 🐘";
    static final String SLEEP = "select pg_sleep(60)";
    static final String SLEEPS =
            "select count(*)::int from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    static final byte[] BYTES = new byte[1024];

    interface Check {
        void run() throws Exception;
    }

    static Connection connect(String settings) throws SQLException {
        var env = System.getenv();
        return DriverManager.getConnection("jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/"
                + env.get("PGDATABASE") + "?user=" + env.get("PGUSER") + "&" + settings);
    }

    /** At localhost, in TLS that is verified. */
    static void verify(String settings) throws SQLException {
        var env = System.getenv();
        try (Connection c = DriverManager.getConnection("jdbc:postgresql://localhost:" + env.get("PGPORT") + "/" + env.get("PGDATABASE")
                + "?user=" + env.get("PGUSER") + "&" + settings + "&sslrootcert=" + env.get("PGSSLROOTCERT"))) {
            equal(value(c, "select 1"), 1);
        }
    }

    static Connection connect() throws SQLException {
        return connect("");
    }

    static Object value(Connection c, String sql, Object... args) throws SQLException {
        try (PreparedStatement s = c.prepareStatement(sql)) {
            for (int i = 0; i < args.length; i++) {
                s.setObject(i + 1, args[i]);
            }
            ResultSet r = s.executeQuery();
            r.next();
            return r.getObject(1);
        }
    }

    static void execute(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute(sql);
        }
    }

    static void equal(Object got, Object want) {
        boolean same = want instanceof byte[] b ? Arrays.equals((byte[]) got, b) : want.equals(got);
        if (!same) {
            throw new AssertionError("got " + got + ", want " + want);
        }
    }

    static void fails(String sqlState, Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (SQLException e) {
            if (sqlState != null) {
                equal(e.getSQLState(), sqlState);
            }
            return;
        }
        throw new AssertionError("it did not fail");
    }

    static void check(String name, Check c) {
        try {
            long began = System.nanoTime();
            c.run();
            System.err.println(name + " " + (System.nanoTime() - began) / 1_000_000 + " ms");
            System.out.println("ok " + name);
        } catch (Exception | AssertionError e) {
            e.printStackTrace();
            System.out.println("fail " + name + ": " + e.toString().replaceAll("\\s+", " "));
        }
    }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < BYTES.length; i++) {
            BYTES[i] = (byte) i;
        }
        System.out.println("version " + connect().getMetaData().getDriverVersion());
        check("connect", () -> equal(value(connect(), "select current_user::text"), "app_user"));
        check("parameters", Client::parameters);
        check("prepared", Client::prepared);
        check("large-result", Client::largeResult);
        check("copy-in", Client::copyIn);
        check("copy-out", Client::copyOut);
        check("notice", Client::notice);
        check("error", Client::error);
        check("transaction", Client::transaction);
        check("listen", Client::listen);
        check("cancel", Client::cancel);
        check("binary", Client::binary);
        check("ten", Client::ten);
        check("plain", () -> equal(value(connect("sslmode=disable"), "select 1"), 1));
        check("verify", () -> {
            verify("sslmode=verify-full");
            verify("ssl=true");
        });
        check("tls", () -> {
            equal(value(connect("sslmode=require"), "select 1"), 1);
            equal(value(connect("ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory"), "select 1"), 1);
        });
        check("pool", Client::pool);
    }

    static void parameters() throws Exception {
        try (PreparedStatement s = connect().prepareStatement("select ?, ?, ?, ?::text")) {
            s.setString(1, TEXT);
            s.setInt(2, 42);
            s.setDouble(3, 3.25);
            s.setNull(4, Types.VARCHAR);
            ResultSet r = s.executeQuery();
            r.next();
            equal(r.getString(1), TEXT);
            equal(r.getInt(2), 42);
            equal(r.getDouble(3), 3.25);
            equal(r.getString(4) == null, true);
        }
    }

    static void prepared() throws Exception {
        Connection c = connect("prepareThreshold=1");
        try (PreparedStatement s = c.prepareStatement("select ?::int * 2")) {
            for (int i = 0; i < 10; i++) {
                s.setInt(1, i);
                ResultSet r = s.executeQuery();
                r.next();
                equal(r.getInt(1), i * 2);
            }
            equal(value(c, "select count(*)::int from pg_prepared_statements where statement = 'select $1::int * 2'"), 1);
        }
    }

    static void largeResult() throws Exception {
        for (int fetch : new int[] {0, 1000}) { // all at once, and through a portal
            Connection c = connect();
            c.setAutoCommit(false);
            try (Statement s = c.createStatement()) {
                s.setFetchSize(fetch);
                ResultSet r = s.executeQuery("select repeat(chr(97 + g % 26), 1000) from generate_series(1, 50000) g");
                int n = 0;
                while (r.next()) {
                    n++;
                    equal(r.getString(1), String.valueOf((char) ('a' + n % 26)).repeat(1000));
                }
                equal(n, 50_000);
            }
            c.close();
        }
    }

    static String lines(int from, int to) {
        return IntStream.range(from, to).mapToObj(i -> i + "\n").collect(Collectors.joining());
    }

    static void copyIn() throws Exception {
        Connection c = connect();
        execute(c, "create table copied (id int)");
        equal(c.unwrap(PGConnection.class).getCopyAPI().copyIn("copy copied from stdin", new StringReader(lines(0, 20_000))), 20_000L);
        byte[] more = lines(0, 10).getBytes(StandardCharsets.UTF_8);
        c.unwrap(PGConnection.class).getCopyAPI().copyIn("copy copied from stdin", new ByteArrayInputStream(more));
        equal(value(c, "select sum(id)::int from copied"), 199_990_045);
    }

    static void copyOut() throws Exception {
        StringWriter out = new StringWriter();
        connect().unwrap(PGConnection.class).getCopyAPI().copyOut("copy (select g from generate_series(1, 20000) g) to stdout", out);
        equal(out.toString(), lines(1, 20_001));
    }

    static void notice() throws Exception {
        try (Statement s = connect().createStatement()) {
            s.execute("do $$ begin raise notice 'look here'; end $$");
            equal(s.getWarnings().getMessage(), "look here");
        }
    }

    static void error() throws Exception {
        Connection c = connect();
        fails("22012", () -> value(c, "select 1/0"));
        equal(value(c, "select 1"), 1);
    }

    static void transaction() throws Exception {
        Connection c = connect();
        Connection other = connect();
        execute(c, "create table kept (id int)");
        c.setAutoCommit(false);
        execute(c, "insert into kept values (1)");
        equal(value(other, "select count(*)::int from kept"), 0);
        c.rollback();
        execute(c, "insert into kept values (2)");
        var savepoint = c.setSavepoint();
        fails("42P01", () -> value(c, "select * from nowhere"));
        fails("25P02", () -> value(c, "select 1"));
        c.rollback(savepoint);
        c.commit();
        equal(value(other, "select array_agg(id)::text from kept"), "{2}");
    }

    static void listen() throws Exception {
        Connection c = connect();
        execute(c, "listen news");
        value(connect(), "select 1 from pg_notify('news', ?)", TEXT);
        PGNotification[] heard = c.unwrap(PGConnection.class).getNotifications(30_000);
        equal(heard[0].getParameter(), TEXT);
    }

    static void cancel() throws Exception {
        for (String mode : new String[] {"disable", "require"}) {
            Connection c = connect("sslmode=" + mode);
            Connection other = connect();
            try (Statement s = c.createStatement()) {
                CompletableFuture<Void> cancelled = CompletableFuture.runAsync(() -> {
                    try {
                        while ((int) value(other, SLEEPS) == 0) {
                            Thread.onSpinWait();
                        }
                        s.cancel();
                    } catch (SQLException e) {
                        throw new IllegalStateException(e);
                    }
                });
                fails("57014", () -> s.executeQuery(SLEEP));
                cancelled.get();
            }
            equal(value(c, "select 1"), 1);
        }
    }

    static void binary() throws Exception {
        Connection c = connect("prepareThreshold=-1"); // binary transfer from the first time on
        equal(value(c, "select ?", BYTES), BYTES);
        StringBuilder hex = new StringBuilder();
        for (byte b : BYTES) {
            hex.append(String.format("%02x", b));
        }
        equal(value(c, "select encode(?, 'hex')", BYTES), hex.toString());
    }

    static void ten() throws Exception {
        var threads = Executors.newFixedThreadPool(10);
        var all = IntStream.range(0, 10).mapToObj(i -> CompletableFuture.runAsync(() -> {
            try {
                equal(value(connect(), "select ?::int from pg_sleep(0.2)", i), i);
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        }, threads)).toArray(CompletableFuture<?>[]::new);
        CompletableFuture.allOf(all).get();
        threads.shutdown();
    }

    /** The driver's own part of a pool: it must tell that a connection is gone. */
    static void pool() throws Exception {
        var source = new PGConnectionPoolDataSource();
        source.setUrl(connect().getMetaData().getURL());
        source.setUser(System.getenv("PGUSER"));
        PooledConnection pooled = source.getPooledConnection();
        var gone = new CompletableFuture<SQLException>();
        pooled.addConnectionEventListener(new javax.sql.ConnectionEventListener() {
            @Override
            public void connectionClosed(javax.sql.ConnectionEvent e) {}

            @Override
            public void connectionErrorOccurred(javax.sql.ConnectionEvent e) {
                gone.complete(e.getSQLException());
            }
        });
        Connection c = pooled.getConnection();
        equal(c.isValid(5), true);
        value(connect(), "select pg_terminate_backend(?)", value(c, "select pg_backend_pid()"));
        fails(null, () -> value(c, SLEEP));
        equal(gone.get() != null, true);
        equal(value(source.getPooledConnection().getConnection(), "select 1"), 1);
    }
}

import java.sql.DriverManager;

/** Connects to each URL in the arguments and prints who it is there, and at which port. */
public class Ask {
    public static void main(String[] urls) throws Exception {
        for (String url : urls) {
            try (var connection = DriverManager.getConnection(url);
                    var rows = connection.createStatement().executeQuery("select current_user || ' ' || inet_server_port()")) {
                rows.next();
                System.out.println(rows.getString(1));
            } catch (java.sql.SQLException e) {
                System.out.println(e.getSQLState() + " " + e.getMessage().replace('\n', ' '));
            }
        }
    }
}

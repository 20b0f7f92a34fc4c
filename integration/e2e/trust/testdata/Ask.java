import java.sql.DriverManager;

/** Connects to each URL in the arguments and prints "connected", or why not. */
public class Ask {
    public static void main(String[] urls) {
        for (String url : urls) {
            try (var connection = DriverManager.getConnection(url)) {
                System.out.println("connected");
            } catch (java.sql.SQLException e) {
                System.out.println(e.getMessage().replace('\n', ' '));
            }
        }
    }
}

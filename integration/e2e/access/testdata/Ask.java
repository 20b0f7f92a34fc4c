import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.DriverManager;

/** Connects to each URL on stdin and prints who the database says it is, or why not. */
public class Ask {
    public static void main(String[] args) throws Exception {
        var urls = new BufferedReader(new InputStreamReader(System.in));
        for (String url = urls.readLine(); url != null; url = urls.readLine()) {
            try (var connection = DriverManager.getConnection(url);
                    var answer = connection.createStatement().executeQuery("select current_user::text")) {
                answer.next();
                System.out.println("connected " + answer.getString(1));
            } catch (java.sql.SQLException e) {
                System.out.println(e.getMessage().replaceAll("\\s+", " "));
            }
        }
    }
}

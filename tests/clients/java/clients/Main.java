import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/**
 * Runs one verb with the Java client, the way its own documentation uses it.
 * The README in the folder of the clients lists what a program is told and what it prints.
 */
public final class Main {
    public static void main(String[] words) throws Exception {
        Map<String, String> args = new HashMap<>();
        for (String pair : Arrays.copyOfRange(words, 1, words.length)) {
            String[] parts = pair.split("=", 2);
            args.put(parts[0], parts[1]);
        }
        switch (words[0]) {
            case "produce" -> Records.produce(args);
            case "stream" -> Records.stream(args);
            case "consume" -> Records.consume(args);
            case "member" -> Groups.member(args);
            case "commit" -> Groups.commit(args);
            case "committed" -> Groups.committed(args);
            case "admin-create" -> Administration.create(args);
            case "admin-delete" -> Administration.delete(args);
            default -> throw new IllegalArgumentException("there is no verb " + words[0]);
        }
    }

    /** The settings of a client, as names and values after each other; a null value leaves its name out. */
    static Properties settings(Map<String, String> args, String... more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args.get("bootstrap"));
        settings.put("retry.backoff.ms", "20");
        settings.put("reconnect.backoff.ms", "20");
        for (int at = 0; at < more.length; at += 2) {
            if (more[at + 1] != null) {
                settings.put(more[at], more[at + 1]);
            }
        }
        return settings;
    }

    /** A line on standard input asks a program to leave. */
    static boolean toldToLeave() throws IOException {
        return System.in.available() > 0;
    }

    static void say(Object... words) {
        StringBuilder line = new StringBuilder();
        for (Object word : words) {
            line.append(line.isEmpty() ? "" : " ").append(word);
        }
        System.out.println(line);
    }
}

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.File;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.NoSuchElementException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.protocol.ApiKeys;

/**
 * Sends scripted requests to a server, encoded and decoded by Kafka's own message classes, and prints the answers.
 *
 * <p>{@code Wire BOOTSTRAP RANGES SCRIPT…}. RANGES is {@code Metadata=0-9,…}; a script is an array of scenes, a scene an array
 * of steps. A scene runs once for each version of its longest range: run i asks each step in version min + i,
 * or in its last one, or always in the {@code version} that it names. A step with {@code until} is repeated until the values at these places are there. {@code ${run}} in a text is the number of the run, {@code $name} a value that an earlier step saved.
 * One line of JSON is printed for each step.
 *
 * <p>{@code Wire BOOTSTRAP} prints the ranges that a server advertises, in that form.
 */
public final class Wire {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int ATTEMPTS_MAX = 100;
    private static final int PAUSE_MS = 100;

    private final Connections connections;
    private final Map<String, short[]> ranges = new HashMap<>();

    private Wire(String bootstrap) {
        connections = new Connections(bootstrap);
    }

    public static void main(String[] args) throws Exception {
        Wire wire = new Wire(args[0]);
        if (args.length == 1) {
            System.out.println(wire.connections.advertised());
            return;
        }
        for (String range : args[1].split(",")) {
            String[] parts = range.split("[=-]");
            wire.ranges.put(parts[0], new short[] {Short.parseShort(parts[1]), Short.parseShort(parts[2])});
        }
        for (String script : Arrays.copyOfRange(args, 2, args.length)) {
            for (JsonNode scene : JSON.readTree(new File(script))) {
                wire.play(scene);
            }
        }
    }

    private void play(JsonNode scene) throws Exception {
        int runs = 1;
        for (JsonNode step : scene.get("steps")) {
            short[] range = ranges.get(step.path("api").asText());
            if (range != null && !step.has("version")) {
                runs = Math.max(runs, range[1] - range[0] + 1);
            }
        }
        for (int run = 0; run < runs; run++) {
            Map<String, JsonNode> saved = new HashMap<>();
            saved.put("run", new TextNode(String.valueOf(run)));
            for (JsonNode step : scene.get("steps")) {
                ObjectNode line = JSON.createObjectNode();
                line.put("step", scene.get("scene").asText() + " / " + step.get("name").asText());
                line.put("run", run);
                answer(step, run, saved, line);
                System.out.println(line);
            }
            connections.close();
        }
    }

    private void answer(JsonNode step, int run, Map<String, JsonNode> saved, ObjectNode line) throws Exception {
        String connection = step.path("connection").asText("first");
        if (step.has("frame")) {
            line.set("response", connections.raw(connection, step.get("frame").asText()));
            return;
        }
        String api = step.get("api").asText();
        short[] range = ranges.get(api);
        line.put("api", api);
        if (range == null) {
            line.put("skipped", "not advertised by both");
            return;
        }
        short version = (short) Math.min(range[0] + run, range[1]);
        if (step.has("version")) {
            version = (short) step.get("version").asInt();
        }
        line.put("version", version);
        if (version < step.path("from").asInt(0) || version > step.path("to").asInt(Short.MAX_VALUE)) {
            line.put("skipped", "not asked in this version");
            return;
        }
        ApiKeys key = ApiKeys.valueOf(Binding.constant(api));
        JsonNode response;
        int attempts = 0;
        try {
            do {
                // A request is made anew each time: records are written only once.
                Object request = Binding.request(api, step.path("request"), saved);
                response = connections.ask(connection, key, version, request, step.path("silent").asBoolean());
            } while (!reached(step.path("until"), response) && ++attempts < ATTEMPTS_MAX);
        } catch (UnsupportedVersionException error) {
            line.put("skipped", "cannot be said in this version");
            return;
        } catch (NoSuchElementException error) {
            // A step before was not asked in its version. The test sees to it that each version is asked somewhere.
            line.put("skipped", error.getMessage());
            return;
        }
        line.set("response", response);
        var wanted = step.path("save").fields();
        while (wanted.hasNext()) {
            var one = wanted.next();
            saved.put(one.getKey(), response.at(one.getValue().asText()));
        }
    }

    /** A real broker answers some requests before what they asked for is true everywhere: such steps are repeated. */
    private static boolean reached(JsonNode until, JsonNode response) throws InterruptedException {
        var wanted = until.fields();
        while (wanted.hasNext()) {
            var one = wanted.next();
            JsonNode found = response.at(one.getKey());
            if (found.isMissingNode() || !found.asText().equals(one.getValue().asText())) {
                Thread.sleep(PAUSE_MS);
                return false;
            }
        }
        return true;
    }
}

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.record.BaseRecords;
import org.apache.kafka.common.record.MemoryRecords;

/** JSON to Kafka's generated request classes, and their answers to JSON. A field that is not given has its default. */
final class Binding {
    private static final String MESSAGES = "org.apache.kafka.common.message.";

    static Object request(String api, JsonNode fields, Map<String, JsonNode> saved) throws Exception {
        Object request = Class.forName(MESSAGES + api + "RequestData").getConstructor().newInstance();
        fill(request, fields, saved);
        return request;
    }

    static JsonNode json(String api, Object response, short version) throws Exception {
        Class<?> converter = Class.forName(MESSAGES + api + "ResponseDataJsonConverter");
        Method write = converter.getMethod("write", response.getClass(), short.class);
        JsonNode json = (JsonNode) write.invoke(null, response, version);
        if (response instanceof FetchResponseData fetched) {
            setRecords(json, fetched);
        }
        return json;
    }

    /** {@code ListOffsets} is {@code LIST_OFFSETS} in the enum of keys. */
    static String constant(String api) {
        return api.replaceAll("([a-z])([A-Z])", "$1_$2").toUpperCase();
    }

    /** The generated converters leave records out. */
    private static void setRecords(JsonNode json, FetchResponseData fetched) {
        for (int topic = 0; topic < fetched.responses().size(); topic++) {
            var partitions = fetched.responses().get(topic).partitions();
            for (int partition = 0; partition < partitions.size(); partition++) {
                var records = (MemoryRecords) partitions.get(partition).records();
                var node = (ObjectNode) json.get("responses").get(topic).get("partitions").get(partition);
                node.set("records", records == null ? null : Stored.json(records.buffer()));
            }
        }
    }

    private static void fill(Object target, JsonNode fields, Map<String, JsonNode> saved) throws Exception {
        Iterator<String> names = fields.fieldNames();
        while (names.hasNext()) {
            String name = names.next();
            Method setter = setter(target.getClass(), name);
            setter.invoke(target, value(setter.getGenericParameterTypes()[0], fields.get(name), saved));
        }
    }

    private static Method setter(Class<?> type, String field) {
        String name = "set" + Character.toUpperCase(field.charAt(0)) + field.substring(1);
        for (Method method : type.getMethods()) {
            if (method.getName().equals(name) && method.getParameterCount() == 1) {
                return method;
            }
        }
        throw new IllegalArgumentException(type.getSimpleName() + " has no field " + field);
    }

    private static Object value(Type type, JsonNode given, Map<String, JsonNode> saved) throws Exception {
        JsonNode node = given;
        if (given.isTextual() && given.asText().startsWith("$") && !given.asText().startsWith("${")) {
            node = saved.get(given.asText().substring(1));
            if (node == null) {
                throw new NoSuchElementException("nothing was saved as " + given.asText());
            }
        }
        if (node.isNull() || node.isMissingNode()) {
            return null;
        }
        if (type instanceof ParameterizedType list) {
            List<Object> items = new ArrayList<>();
            for (JsonNode item : node) {
                items.add(value(list.getActualTypeArguments()[0], item, saved));
            }
            return items;
        }
        Class<?> plain = (Class<?>) type;
        Object simple = simple(plain, node, saved);
        return simple != null ? simple : structure(plain, node, saved);
    }

    private static Object simple(Class<?> type, JsonNode node, Map<String, JsonNode> saved) {
        if (type == boolean.class) {
            return node.asBoolean();
        } else if (type == byte.class || type == Byte.class) {
            return (byte) node.asInt();
        } else if (type == short.class || type == Short.class) {
            return (short) node.asInt();
        } else if (type == int.class || type == Integer.class) {
            return node.asInt();
        } else if (type == long.class || type == Long.class) {
            return node.asLong();
        } else if (type == Uuid.class) {
            return Uuid.fromString(node.asText());
        } else if (type == String.class) {
            return node.asText().replace("${run}", saved.get("run").asText());
        } else if (type == byte[].class) {
            return node.asText().getBytes(StandardCharsets.UTF_8);
        } else if (type == BaseRecords.class) {
            return Stored.records(node, saved);
        }
        return null;
    }

    @SuppressWarnings("unchecked")
    private static Object structure(Class<?> type, JsonNode node, Map<String, JsonNode> saved) throws Exception {
        Object made = type.getConstructor().newInstance();
        if (made instanceof Collection<?> collection) {
            Type element = ((ParameterizedType) type.getGenericSuperclass()).getActualTypeArguments()[0];
            for (JsonNode item : node) {
                ((Collection<Object>) collection).add(value(element, item, saved));
            }
        } else {
            fill(made, node, saved);
        }
        return made;
    }
}

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.StringJoiner;
import org.apache.kafka.common.message.ApiVersionsRequestData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/** Plain sockets with names; one that the server closed is opened again by the next step. */
final class Connections {
    private static final int PATIENCE_MS = 20_000;
    private static final int FRAME_BYTES_MAX = 64 << 20;

    private final String host;
    private final int port;
    private final Map<String, Socket> open = new HashMap<>();
    private int correlation;

    Connections(String bootstrap) {
        int colon = bootstrap.lastIndexOf(':');
        host = bootstrap.substring(0, colon);
        port = Integer.parseInt(bootstrap.substring(colon + 1));
    }

    /** {@code Metadata=0-9,…} for every key that the server advertises, as far as this codec knows its versions. */
    String advertised() throws Exception {
        var request = new ApiVersionsRequestData().setClientSoftwareName("wire").setClientSoftwareVersion("1");
        JsonNode answer = ask("first", ApiKeys.API_VERSIONS, (short) 3, request, false);
        StringJoiner ranges = new StringJoiner(",");
        for (JsonNode range : answer.get("apiKeys")) {
            short id = (short) range.get("apiKey").asInt();
            if (ApiKeys.hasId(id)) {
                ApiKeys key = ApiKeys.forId(id);
                int first = Math.max(range.get("minVersion").asInt(), key.messageType.lowestSupportedVersion());
                int last = Math.min(range.get("maxVersion").asInt(), key.messageType.highestSupportedVersion(true));
                ranges.add(key.name + "=" + first + "-" + last);
            }
        }
        return ranges.toString();
    }

    JsonNode ask(String name, ApiKeys key, short version, Object request, boolean silent) throws Exception {
        var header = new RequestHeaderData().setRequestApiKey(key.id).setRequestApiVersion(version)
            .setCorrelationId(++correlation).setClientId("wire");
        ByteBuffer body = encode(header, key.requestHeaderVersion(version), (Message) request, version);
        ByteBuffer answer;
        try {
            write(name, body.array());
            if (silent) {
                return JsonNodeFactory.instance.objectNode().put("silent", true);
            }
            answer = read(name);
        } catch (EOFException | SocketException closed) {
            return closed(name);
        } catch (SocketTimeoutException late) {
            closed(name);
            return JsonNodeFactory.instance.objectNode().put("unanswered", true);
        }
        var readable = new ByteBufferAccessor(answer);
        var answered = new ResponseHeaderData(readable, key.responseHeaderVersion(version));
        if (answered.correlationId() != correlation) {
            return JsonNodeFactory.instance.objectNode().put("correlation", answered.correlationId() - correlation);
        }
        Message response = key.messageType.newResponse();
        response.read(readable, version);
        ObjectNode json = (ObjectNode) Binding.json(key.name, response, version);
        if (answer.hasRemaining()) {
            json.put("bytesTooMany", answer.remaining());
        }
        return json;
    }

    /** Sends bytes as they are; tells whether they were answered, and with what error in a body of version 0. */
    JsonNode raw(String name, String hex) throws IOException {
        ObjectNode result = JsonNodeFactory.instance.objectNode();
        try {
            write(name, HexFormat.of().parseHex(hex.replace(" ", "")));
            ByteBuffer answer = read(name);
            return result.put("error", answer.getShort(4));
        } catch (EOFException | SocketException closed) {
            return closed(name);
        }
    }

    private JsonNode closed(String name) throws IOException {
        Socket socket = open.remove(name);
        if (socket == null) {
            throw new IOException("nothing listens at " + host + ":" + port);
        }
        socket.close();
        return JsonNodeFactory.instance.objectNode().put("closed", true);
    }

    void close() throws IOException {
        for (Socket socket : open.values()) {
            socket.close();
        }
        open.clear();
    }

    private static ByteBuffer encode(RequestHeaderData header, short headerVersion, Message body, short version) {
        var cache = new ObjectSerializationCache();
        int size = header.size(cache, headerVersion) + body.size(cache, version);
        ByteBuffer buffer = ByteBuffer.allocate(size);
        var writable = new ByteBufferAccessor(buffer);
        header.write(writable, cache, headerVersion);
        body.write(writable, cache, version);
        return buffer;
    }

    private void write(String name, byte[] body) throws IOException {
        if (!open.containsKey(name)) {
            Socket socket = new Socket(host, port);
            socket.setSoTimeout(PATIENCE_MS);
            open.put(name, socket);
        }
        ByteBuffer frame = ByteBuffer.allocate(4 + body.length).putInt(body.length).put(body);
        open.get(name).getOutputStream().write(frame.array());
    }

    private ByteBuffer read(String name) throws IOException {
        var in = new DataInputStream(open.get(name).getInputStream());
        int length = in.readInt();
        if (length < 0 || length > FRAME_BYTES_MAX) {
            throw new IOException("an answer of " + length + " bytes");
        }
        byte[] frame = new byte[length];
        in.readFully(frame);
        return ByteBuffer.wrap(frame);
    }
}

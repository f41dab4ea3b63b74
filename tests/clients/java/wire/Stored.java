import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.BaseRecords;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.MutableRecordBatch;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.SimpleRecord;

/** Record batches as JSON. */
final class Stored {
    private static final long TIME = 1_700_000_000_000L;

    /**
     * {@code {"values": […]}}, with {@code codec}, {@code producer}, {@code epoch}, {@code sequence}, {@code time}, {@code magic}; and
     * {@code "damage": N} flips the byte at N. The keys are the numbers of the records.
     */
    static BaseRecords records(JsonNode node, Map<String, JsonNode> saved) {
        List<SimpleRecord> records = new ArrayList<>();
        long time = node.path("time").asLong(TIME);
        for (JsonNode value : node.get("values")) {
            byte[] key = String.valueOf(records.size()).getBytes(StandardCharsets.UTF_8);
            byte[] content = value.isNull() ? null : value.asText().getBytes(StandardCharsets.UTF_8);
            records.add(new SimpleRecord(time + records.size(), key, content));
        }
        JsonNode producer = node.path("producer");
        long id = producer.isTextual() ? saved.get(producer.asText().substring(1)).asLong() : producer.asLong(-1);
        var codec = Compression.of(CompressionType.forName(node.path("codec").asText("none"))).build();
        byte magic = (byte) node.path("magic").asInt(RecordBatch.CURRENT_MAGIC_VALUE);
        SimpleRecord[] all = records.toArray(new SimpleRecord[0]);
        MemoryRecords made = id == -1
            ? MemoryRecords.withRecords(magic, codec, all)
            : MemoryRecords.withIdempotentRecords(codec, id, (short) node.path("epoch").asInt(),
                node.path("sequence").asInt(), all);
        if (node.has("damage")) {
            int at = node.get("damage").asInt();
            made.buffer().put(at, (byte) ~made.buffer().get(at));
        }
        return made;
    }

    static JsonNode json(ByteBuffer bytes) {
        ArrayNode batches = JsonNodeFactory.instance.arrayNode();
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(bytes).batches()) {
            ObjectNode one = batches.addObject();
            one.put("baseOffset", batch.baseOffset());
            one.put("lastOffset", batch.lastOffset());
            one.put("isValid", batch.isValid());
            one.put("codec", batch.compressionType().name);
            one.put("producerId", batch.producerId());
            one.put("producerEpoch", batch.producerEpoch());
            one.put("baseSequence", batch.baseSequence());
            one.put("partitionLeaderEpoch", batch.partitionLeaderEpoch());
            one.put("timestampType", batch.timestampType().name);
            one.put("maxTimestamp", batch.maxTimestamp());
            ArrayNode records = one.putArray("records");
            for (Record record : batch) {
                String value = record.hasValue() ? StandardCharsets.UTF_8.decode(record.value()).toString() : null;
                records.addObject().put("offset", record.offset()).put("timestamp", record.timestamp())
                    .put("key", StandardCharsets.UTF_8.decode(record.key()).toString()).put("value", value);
            }
        }
        return batches;
    }
}

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Producing and consuming. */
final class Records {
    static void produce(Map<String, String> args) throws Exception {
        for (String codec : args.get("codecs").split(",")) {
            var settings = Main.settings(args,
                "acks", "all",
                "compression.type", codec,
                "enable.idempotence", args.getOrDefault("idempotent", "false"),
                "linger.ms", args.getOrDefault("linger", "5"));
            try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
                List<ProducerRecord<String, String>> records = new ArrayList<>();
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                int first = Integer.parseInt(args.getOrDefault("first", "0"));
                for (int number = first; number < first + Integer.parseInt(args.get("count")); number++) {
                    records.add(record(args, codec, number));
                    sent.add(producer.send(records.get(records.size() - 1)));
                }
                for (int at = 0; at < sent.size(); at++) {
                    RecordMetadata stored = sent.get(at).get();
                    Main.say("sent", stored.partition(), stored.offset(), records.get(at).value());
                }
            }
        }
    }

    static void stream(Map<String, String> asked) throws Exception {
        var args = new HashMap<>(asked);
        args.putIfAbsent("partition", "0");
        var settings = Main.settings(args,
            "acks", "all",
            "enable.idempotence", args.getOrDefault("idempotent", "false"),
            "reconnect.backoff.max.ms", "200",
            "delivery.timeout.ms", "300000");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int number = 0; !Main.toldToLeave(); number++) {
                var record = record(args, "none", number);
                producer.send(record, (stored, error) -> {
                    if (error != null) {
                        error.printStackTrace();
                        Runtime.getRuntime().halt(1);
                    }
                    Main.say("sent", stored.partition(), stored.offset(), record.value());
                });
                Thread.sleep(5);
            }
        }
    }

    private static ProducerRecord<String, String> record(Map<String, String> args, String codec, int number) {
        Integer partition = args.containsKey("partition") ? Integer.valueOf(args.get("partition")) : null;
        String value = codec + "-" + number + ":" + "abcdefghij".repeat(10);
        var record = new ProducerRecord<>(args.get("topic"), partition, "key-" + number, value);
        record.headers().add("codec", codec.getBytes(StandardCharsets.UTF_8));
        record.headers().add("number", String.valueOf(number).getBytes(StandardCharsets.UTF_8));
        return record;
    }

    static void consume(Map<String, String> args) {
        try (var consumer = consumer(args)) {
            List<TopicPartition> partitions = consumer.partitionsFor(args.get("topic")).stream()
                .map(info -> new TopicPartition(info.topic(), info.partition())).toList();
            consumer.assign(partitions);
            String[] from = args.get("from").split(":");
            switch (from[0]) {
                case "earliest" -> consumer.seekToBeginning(partitions);
                case "latest" -> consumer.seekToEnd(partitions);
                case "offset" -> partitions.forEach(partition -> consumer.seek(partition, Long.parseLong(from[1])));
                default -> seekToTime(consumer, partitions, Long.parseLong(from[1]));
            }
            partitions.forEach(consumer::position);
            Main.say("ready");
            int left = Integer.parseInt(args.get("count"));
            while (left > 0) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    if (left-- > 0) {
                        say(record);
                    }
                }
            }
        }
    }

    private static void seekToTime(KafkaConsumer<String, String> consumer, List<TopicPartition> partitions, long time) {
        Map<TopicPartition, Long> asked = new HashMap<>();
        partitions.forEach(partition -> asked.put(partition, time));
        consumer.offsetsForTimes(asked).forEach((partition, found) -> {
            if (found == null) {
                consumer.seekToEnd(List.of(partition));
            } else {
                consumer.seek(partition, found.offset());
            }
        });
    }

    static KafkaConsumer<String, String> consumer(Map<String, String> args, String... more) {
        var settings = Main.settings(args, more);
        settings.put("enable.auto.commit", "false");
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    static void say(ConsumerRecord<String, String> record) {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add(header.key() + "=" + new String(header.value(), StandardCharsets.UTF_8));
        }
        Main.say("record", record.partition(), record.offset(), record.timestamp(),
            record.key() == null ? "-" : record.key(), record.value() == null ? "-" : record.value(),
            headers.isEmpty() ? "-" : String.join(",", headers));
    }
}

import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/** Members of consumer groups, and committed offsets. */
final class Groups {
    private static final String ASSIGNORS = "org.apache.kafka.clients.consumer.";

    static void member(Map<String, String> args) throws IOException {
        boolean cooperative = "cooperative".equals(args.get("strategy"));
        try (var consumer = Records.consumer(args,
            "group.id", args.get("group"),
            "partition.assignment.strategy", ASSIGNORS + (cooperative ? "CooperativeStickyAssignor" : "RangeAssignor"),
            "auto.offset.reset", "earliest",
            "session.timeout.ms", "6000",
            "heartbeat.interval.ms", "500",
            "group.instance.id", args.get("instance"))) {
            consumer.subscribe(List.of(args.get("topic")), listener(consumer));
            while (!Main.toldToLeave()) {
                var records = consumer.poll(Duration.ofMillis(200));
                records.forEach(Records::say);
                if (!records.isEmpty()) {
                    consumer.commitSync();
                }
            }
        }
    }

    private static ConsumerRebalanceListener listener(KafkaConsumer<String, String> consumer) {
        return new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                sayOwned(revoked);
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
                sayOwned(List.of());
            }

            private void sayOwned(Collection<TopicPartition> revoked) {
                String owned = consumer.assignment().stream().filter(partition -> !revoked.contains(partition))
                    .map(TopicPartition::partition).sorted().map(String::valueOf).collect(Collectors.joining(","));
                Main.say("assigned", owned.isEmpty() ? "-" : owned);
            }
        };
    }

    static void commit(Map<String, String> args) {
        try (var consumer = Records.consumer(args, "group.id", args.get("group"))) {
            var partition = new TopicPartition(args.get("topic"), Integer.parseInt(args.get("partition")));
            consumer.assign(List.of(partition));
            var offset = new OffsetAndMetadata(Long.parseLong(args.get("offset")), args.get("metadata"));
            consumer.commitSync(Map.of(partition, offset));
        }
    }

    static void committed(Map<String, String> args) throws Exception {
        try (var admin = Admin.create(Main.settings(args))) {
            var offsets = admin.listConsumerGroupOffsets(args.get("group")).partitionsToOffsetAndMetadata().get();
            offsets.entrySet().stream()
                .sorted(Map.Entry.comparingByKey((a, b) -> Integer.compare(a.partition(), b.partition())))
                .forEach(at -> Main.say("committed", at.getKey().partition(), at.getValue().offset(),
                    at.getValue().metadata().isEmpty() ? "-" : at.getValue().metadata()));
        }
    }
}

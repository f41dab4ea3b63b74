import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.protocol.Errors;

/** Topics, configs and groups through the admin client. */
final class Administration {
    static void create(Map<String, String> args) throws Exception {
        String topic = args.get("topic");
        try (Admin admin = Admin.create(Main.settings(args))) {
            var wanted = new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "3600000"));
            admin.createTopics(List.of(wanted)).all().get();
            Main.say("partitions", partitions(admin, topic));
            Main.say("retention.ms", config(admin, topic, "retention.ms"));
            var change = new AlterConfigOp(new ConfigEntry("max.message.bytes", "2000000"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(resource(topic), List.of(change))).all().get();
            Main.say("max.message.bytes", config(admin, topic, "max.message.bytes"));
            Main.say("retention.ms", config(admin, topic, "retention.ms"));
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
            Main.say("partitions", partitions(admin, topic));
            try {
                admin.createTopics(List.of(wanted)).all().get();
            } catch (ExecutionException error) {
                Main.say("error", Errors.forException(error.getCause()).code());
            }
        }
    }

    static void delete(Map<String, String> args) throws Exception {
        String topic = args.get("topic");
        String group = args.get("group");
        var partition = new TopicPartition(topic, 0);
        try (Admin admin = Admin.create(Main.settings(args))) {
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(3))).all().get();
            var start = admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition);
            Main.say("start", start.get().offset());
            Main.say("listed", listed(admin, group));
            var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            Main.say("state", state(described), described.members().size());
            admin.deleteConsumerGroups(List.of(group)).all().get();
            Main.say("listed", listed(admin, group));
            admin.deleteTopics(List.of(topic)).all().get();
            Main.say("topic", admin.listTopics().names().get().contains(topic));
        }
    }

    /** Version 4 says `groupState`, and has no longer what version 3.9 calls the same thing in all its documentation. */
    private static Object state(Object described) throws Exception {
        for (String name : List.of("groupState", "state")) {
            try {
                return described.getClass().getMethod(name).invoke(described);
            } catch (NoSuchMethodException next) {
                continue;
            }
        }
        throw new IllegalStateException("a group description without a state");
    }

    private static int partitions(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    private static ConfigResource resource(String topic) {
        return new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    private static String config(Admin admin, String topic, String name) throws Exception {
        var described = admin.describeConfigs(List.of(resource(topic))).all().get();
        return described.get(resource(topic)).get(name).value();
    }

    private static boolean listed(Admin admin, String group) throws Exception {
        return admin.listConsumerGroups().all().get().stream().anyMatch(found -> found.groupId().equals(group));
    }
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// toldToLeave is closed by a line, or the end, on standard input.
func toldToLeave() <-chan struct{} {
	told := make(chan struct{})
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		close(told)
	}()
	return told
}

func commit(ctx context.Context, args arguments) {
	admin := kadm.NewClient(client(args))
	defer admin.Close()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{
		Topic: args["topic"], Partition: int32(args.number("partition", 0)),
		At: args.number("offset", 0), LeaderEpoch: -1, Metadata: args["metadata"],
	})
	check(admin.CommitAllOffsets(ctx, args["group"], offsets))
}

func committed(ctx context.Context, args arguments) {
	admin := kadm.NewClient(client(args))
	defer admin.Close()
	offsets, err := admin.FetchOffsets(ctx, args["group"])
	check(err)
	for _, at := range offsets.Sorted() {
		check(at.Err)
		metadata := at.Metadata
		if metadata == "" {
			metadata = "-"
		}
		fmt.Println("committed", at.Partition, at.At, metadata)
	}
}

func partitions(ctx context.Context, admin *kadm.Client, topic string) int {
	topics, err := admin.ListTopics(ctx, topic)
	check(err)
	check(topics[topic].Err)
	return len(topics[topic].Partitions)
}

func config(ctx context.Context, admin *kadm.Client, topic, name string) string {
	described, err := admin.DescribeTopicConfigs(ctx, topic)
	check(err)
	for _, config := range described[0].Configs {
		if config.Key == name {
			return config.MaybeValue()
		}
	}
	return "missing"
}

func adminCreate(ctx context.Context, args arguments) {
	admin, topic := kadm.NewClient(client(args)), args["topic"]
	defer admin.Close()
	configs := map[string]*string{"retention.ms": kadm.StringPtr("3600000")}
	_, err := admin.CreateTopic(ctx, 2, 1, configs, topic)
	check(err)
	fmt.Println("partitions", partitions(ctx, admin, topic))
	fmt.Println("retention.ms", config(ctx, admin, topic, "retention.ms"))
	change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: kadm.StringPtr("2000000")}}
	altered, err := admin.AlterTopicConfigs(ctx, change, topic)
	check(err)
	check(altered[0].Err)
	fmt.Println("max.message.bytes", config(ctx, admin, topic, "max.message.bytes"))
	fmt.Println("retention.ms", config(ctx, admin, topic, "retention.ms"))
	grown, err := admin.UpdatePartitions(ctx, 4, topic)
	check(err)
	check(grown.Error())
	fmt.Println("partitions", partitions(ctx, admin, topic))
	var refused *kerr.Error
	if _, err := admin.CreateTopic(ctx, 2, 1, configs, topic); errors.As(err, &refused) {
		fmt.Println("error", refused.Code)
	}
}

func listed(ctx context.Context, admin *kadm.Client, group string) bool {
	groups, err := admin.ListGroups(ctx)
	check(err)
	_, found := groups[group]
	return found
}

func adminDelete(ctx context.Context, args arguments) {
	admin, topic, group := kadm.NewClient(client(args)), args["topic"], args["group"]
	defer admin.Close()
	before := kadm.Offsets{}
	before.Add(kadm.Offset{Topic: topic, Partition: 0, At: 3})
	deleted, err := admin.DeleteRecords(ctx, before)
	check(err)
	check(deleted.Error())
	starts, err := admin.ListStartOffsets(ctx, topic)
	check(err)
	fmt.Println("start", starts[topic][0].Offset)
	fmt.Println("listed", listed(ctx, admin, group))
	described, err := admin.DescribeGroups(ctx, group)
	check(err)
	fmt.Println("state", described[group].State, len(described[group].Members))
	_, err = admin.DeleteGroup(ctx, group)
	check(err)
	fmt.Println("listed", listed(ctx, admin, group))
	_, err = admin.DeleteTopic(ctx, topic)
	check(err)
	topics, err := admin.ListTopics(ctx)
	check(err)
	fmt.Println("topic", topics.Has(topic))
}

package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func produce(ctx context.Context, args arguments) {
	for _, codec := range strings.Split(args["codecs"], ",") {
		options := []kgo.Opt{
			kgo.RequiredAcks(kgo.AllISRAcks()),
			kgo.ProducerBatchCompression(codecs[codec]),
			kgo.ProducerLinger(time.Duration(args.number("linger", 5)) * time.Millisecond),
		}
		if args["idempotent"] != "true" {
			options = append(options, kgo.DisableIdempotentWrite())
		}
		if _, given := args["partition"]; given {
			options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))
		}
		producer := client(args, options...)
		first := args.number("first", 0)
		var records []*kgo.Record
		for number := first; number < first+args.number("count", 0); number++ {
			records = append(records, record(args, codec, number))
		}
		for _, result := range producer.ProduceSync(ctx, records...) {
			check(result.Err)
			fmt.Println("sent", result.Record.Partition, result.Record.Offset, string(result.Record.Value))
		}
		producer.Close()
	}
}

func record(args arguments, codec string, number int64) *kgo.Record {
	return &kgo.Record{
		Topic:     args["topic"],
		Partition: int32(args.number("partition", 0)),
		Key:       fmt.Appendf(nil, "key-%d", number),
		Value:     fmt.Appendf(nil, "%s-%d:%s", codec, number, strings.Repeat("abcdefghij", 10)),
		Headers: []kgo.RecordHeader{
			{Key: "codec", Value: []byte(codec)},
			{Key: "number", Value: []byte(strconv.FormatInt(number, 10))},
		},
	}
}

func stream(ctx context.Context, args arguments) {
	options := []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}
	if args["idempotent"] != "true" {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	producer := client(args, options...)
	defer producer.Close()
	leave := toldToLeave()
	for number := int64(0); ; number++ {
		select {
		case <-leave:
			check(producer.Flush(ctx))
			return
		case <-time.After(5 * time.Millisecond):
		}
		producer.Produce(ctx, record(args, "none", number), func(stored *kgo.Record, err error) {
			check(err)
			fmt.Println("sent", stored.Partition, stored.Offset, string(stored.Value))
		})
	}
}

func consume(ctx context.Context, args arguments) {
	kind, number, _ := strings.Cut(args["from"], ":")
	var start kgo.Offset
	switch kind {
	case "earliest":
		start = kgo.NewOffset().AtStart()
	case "latest":
		start = kgo.NewOffset().AtEnd()
	default:
		at, err := strconv.ParseInt(number, 10, 64)
		check(err)
		start = kgo.NewOffset().At(at)
		if kind == "time" {
			start = kgo.NewOffset().AfterMilli(at)
		}
	}
	assignment := map[string]map[int32]kgo.Offset{args["topic"]: {}}
	asker := client(args)
	ends, err := kadm.NewClient(asker).ListEndOffsets(ctx, args["topic"])
	check(err)
	asker.Close()
	ends.Each(func(end kadm.ListedOffset) {
		check(end.Err)
		assignment[end.Topic][end.Partition] = start
		if kind == "latest" {
			// Resolved now, not at some moment after `ready`.
			assignment[end.Topic][end.Partition] = kgo.NewOffset().At(end.Offset)
		}
	})
	consumer := client(args, kgo.ConsumePartitions(assignment))
	defer consumer.Close()
	fmt.Println("ready")
	for left := args.number("count", 0); left > 0; {
		fetches := consumer.PollFetches(ctx)
		check(fetches.Err())
		for records := fetches.RecordIter(); !records.Done() && left > 0; left-- {
			sayRecord(records.Next())
		}
	}
}

func member(ctx context.Context, args arguments) {
	balancer := kgo.RangeBalancer()
	if args["strategy"] == "cooperative" {
		balancer = kgo.CooperativeStickyBalancer()
	}
	owned := map[int32]bool{}
	lost := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		for _, partition := range partitions[args["topic"]] {
			delete(owned, partition)
		}
		sayAssigned(owned)
	}
	assigned := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
		for _, partition := range partitions[args["topic"]] {
			owned[partition] = true
		}
		sayAssigned(owned)
	}
	options := []kgo.Opt{
		kgo.ConsumerGroup(args["group"]), kgo.ConsumeTopics(args["topic"]), kgo.Balancers(balancer),
		kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(assigned), kgo.OnPartitionsRevoked(lost), kgo.OnPartitionsLost(lost),
	}
	if instance, given := args["instance"]; given {
		options = append(options, kgo.InstanceID(instance))
	}
	consumer := client(args, options...)
	leave := toldToLeave()
	for {
		select {
		case <-leave:
			consumer.CloseAllowingRebalance()
			return
		default:
		}
		polled, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		fetches := consumer.PollFetches(polled)
		cancel()
		fetches.EachRecord(sayRecord)
		if !fetches.Empty() {
			check(consumer.CommitUncommittedOffsets(ctx))
		}
		consumer.AllowRebalance()
	}
}

func sayAssigned(owned map[int32]bool) {
	var partitions []int
	for partition := range owned {
		partitions = append(partitions, int(partition))
	}
	slices.Sort(partitions)
	list := strings.ReplaceAll(strings.Trim(fmt.Sprint(partitions), "[]"), " ", ",")
	if list == "" {
		list = "-"
	}
	fmt.Println("assigned", list)
}

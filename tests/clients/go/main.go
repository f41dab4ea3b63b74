// Command franz runs one verb with franz-go, the way its own documentation uses it.
// The README beside it lists what a program is told and what it prints.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type arguments map[string]string

func (a arguments) number(name string, otherwise int64) int64 {
	text, given := a[name]
	if !given {
		return otherwise
	}
	number, err := strconv.ParseInt(text, 10, 64)
	check(err)
	return number
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func text(data []byte) string {
	if data == nil {
		return "-"
	}
	return string(data)
}

func sayRecord(record *kgo.Record) {
	headers := make([]string, 0, len(record.Headers))
	for _, header := range record.Headers {
		headers = append(headers, header.Key+"="+text(header.Value))
	}
	if len(headers) == 0 {
		headers = append(headers, "-")
	}
	fmt.Println("record", record.Partition, record.Offset, record.Timestamp.UnixMilli(),
		text(record.Key), text(record.Value), strings.Join(headers, ","))
}

func client(args arguments, more ...kgo.Opt) *kgo.Client {
	seeds := kgo.SeedBrokers(args["bootstrap"])
	backoff := kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond })
	made, err := kgo.NewClient(append([]kgo.Opt{seeds, backoff}, more...)...)
	check(err)
	return made
}

func main() {
	args := arguments{}
	for _, pair := range os.Args[2:] {
		name, value, _ := strings.Cut(pair, "=")
		args[name] = value
	}
	verbs := map[string]func(context.Context, arguments){
		"produce": produce, "stream": stream, "consume": consume, "member": member, "commit": commit,
		"committed": committed, "admin-create": adminCreate, "admin-delete": adminDelete,
	}
	verb, known := verbs[os.Args[1]]
	if !known {
		check(errors.New("there is no verb " + os.Args[1]))
	}
	verb(context.Background(), args)
}

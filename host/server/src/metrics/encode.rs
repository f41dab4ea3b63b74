//! What the host's parts counted, as OpenMetrics text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;
use tidemill_engine::progress::{OperatorProgress, PipelineState, PipelineStatus};
use tidemill_kafka::MetricsSnapshot as KafkaSnapshot;
use tidemill_kafka::coordinator::GroupMetrics;
use tidemill_log::{MetricsSnapshot, SYNC_BUCKETS_MICROS};

use super::batch_times::{BatchTimes, Histogram};
use super::custom::{self, OfOperator};

/// What the parts of a host have counted.
#[derive(Debug, Default)]
pub struct Counted {
    pub log: MetricsSnapshot,
    pub kafka: KafkaSnapshot,
    pub groups: GroupMetrics,
    pub pipelines: Vec<PipelineStatus>,
    pub custom: Vec<OfOperator>,
}

/// All metrics of a host. Names get the prefix `tidemill`.
pub fn encode(counted: Counted, times: &BatchTimes) -> String {
    let times =
        times.iter().map(|(name, histogram)| (name.to_owned(), histogram.clone())).collect();
    let Counted { log, kafka, groups, pipelines, custom } = counted;
    let snapshot = Snapshot { log, kafka, groups, pipelines, times, custom };
    let mut registry = Registry::with_prefix("tidemill");
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    // A string takes whatever is written.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Snapshot {
    log: MetricsSnapshot,
    kafka: KafkaSnapshot,
    groups: GroupMetrics,
    pipelines: Vec<PipelineStatus>,
    times: Vec<(String, Histogram)>,
    custom: Vec<OfOperator>,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_log(&mut encoder)?;
        self.encode_kafka(&mut encoder)?;
        self.encode_groups(&mut encoder)?;
        self.encode_pipelines(&mut encoder)?;
        self.encode_times(&mut encoder)?;
        self.encode_operators(&mut encoder)?;
        custom::encode(&self.custom, &mut encoder)
    }
}

impl Snapshot {
    fn encode_log(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let log = &self.log;
        for (name, help, value) in [
            ("log_appends", "Record batches appended", log.appends_total),
            ("log_append_bytes", "Bytes of record batches appended", log.append_bytes_total),
            ("log_append_records", "Records appended", log.append_records_total),
            (
                "log_duplicates",
                "Batches that an idempotent producer had sent before",
                log.duplicates_total,
            ),
            ("log_reads", "Reads", log.reads_total),
            ("log_read_bytes", "Bytes returned by reads", log.read_bytes_total),
            ("log_commits", "Transactions committed", log.commits_total),
            ("log_aborts", "Transactions aborted", log.aborts_total),
            (
                "log_truncations",
                "Partitions whose torn tail was cut off at the start",
                log.truncations_total,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        let help = "Partitions that take no appends until the host is started again";
        let mut poisoned =
            encoder.encode_descriptor("log_poisoned_partitions", help, None, MetricType::Gauge)?;
        poisoned.encode_gauge(&gauge(log.poisoned_partitions))?;
        let bounds =
            SYNC_BUCKETS_MICROS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(log.sync_buckets).collect();
        let mut syncs = encoder.encode_descriptor(
            "log_sync_seconds",
            "Rounds of fdatasync",
            None,
            MetricType::Histogram,
        )?;
        syncs.encode_histogram::<NoLabelSet>(
            log.sync_micros_total as f64 / 1e6,
            log.syncs_total,
            &buckets,
            None,
        )
    }

    fn encode_kafka(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kafka = &self.kafka;
        for (name, help, value) in [
            ("kafka_connections", "Kafka connections open now", kafka.connections),
            ("kafka_queued_bytes", "Bytes of requests and responses in memory", kafka.queued_bytes),
            ("kafka_fetch_sessions", "Fetch sessions remembered", kafka.fetch_sessions),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            metric.encode_gauge(&gauge(value))?;
        }
        for (name, help, value) in [
            ("kafka_accepted_connections", "Kafka connections accepted", kafka.connections_total),
            ("kafka_request_bytes", "Bytes of requests", kafka.request_bytes_total),
            ("kafka_response_bytes", "Bytes of responses", kafka.response_bytes_total),
            (
                "kafka_queue_waits",
                "How often a request or response had to wait for room",
                kafka.queue_waits_total,
            ),
            (
                "kafka_held_back_fetches",
                "Fetches held back, because their clients had paused with a full queue",
                kafka.held_back_fetches_total,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        let requests =
            kafka.requests_total.iter().map(|(api, count)| ([("api", api.as_str())], *count));
        counter_family(encoder, "kafka_requests", "Requests by API", requests)?;
        let help = "Clients turned away or cut off, by reason";
        let refusals = kafka.refusals_total.iter().map(|(why, count)| ([("reason", *why)], *count));
        counter_family(encoder, "kafka_refusals", help, refusals)
    }

    fn encode_groups(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let groups = &self.groups;
        let states =
            groups.groups.iter().map(|(state, count)| ([("state", *state)], gauge(*count)));
        gauge_family(encoder, "groups", "Consumer groups", states)?;
        for (name, help, value) in [
            ("group_members", "Members of all consumer groups", groups.members),
            ("group_member_bytes", "Bytes that members say about themselves", groups.member_bytes),
        ] {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            metric.encode_gauge(&gauge(value))?;
        }
        for (name, help, value) in [
            ("group_rebalances", "Rebalances that began", groups.rebalances_total),
            ("group_commits", "Offsets that clients committed", groups.commits_total),
            ("group_expired_offsets", "Offsets forgotten for their age", groups.expired_total),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        Ok(())
    }

    fn encode_pipelines(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Read = fn(&PipelineStatus) -> u64;
        let counters: [(&str, &str, Read); 4] = [
            ("pipeline_batches", "Batches committed", |status| status.batches),
            ("pipeline_input_records", "Records read", |status| status.input_rows),
            ("pipeline_output_records", "Records written", |status| status.output_rows),
            (
                "pipeline_late_records",
                "Records that came after their windows had closed",
                |status| status.late_rows,
            ),
        ];
        for (name, help, read) in counters {
            let rows = self
                .pipelines
                .iter()
                .map(|status| ([("pipeline", status.name.as_str())], read(status)));
            counter_family(encoder, name, help, rows)?;
        }
        let gauges: [(&str, &str, Read); 2] = [
            ("pipeline_lag_records", "Records not yet read", |status| status.lag),
            ("pipeline_failed", "1 where the pipeline cannot go on without a person", |status| {
                u64::from(matches!(status.state, PipelineState::Failed { .. }))
            }),
        ];
        for (name, help, read) in gauges {
            let rows = self
                .pipelines
                .iter()
                .map(|status| ([("pipeline", status.name.as_str())], gauge(read(status))));
            gauge_family(encoder, name, help, rows)?;
        }
        Ok(())
    }

    fn encode_times(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(
            "pipeline_batch_seconds",
            "From plan to commit",
            None,
            MetricType::Histogram,
        )?;
        for (pipeline, histogram) in &self.times {
            let buckets: Vec<(f64, u64)> = histogram.buckets().collect();
            let labels = [("pipeline", pipeline.as_str())];
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                histogram.sum,
                histogram.count,
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn encode_operators(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Read = fn(&OperatorProgress) -> u64;
        let counters: [(&str, &str, Read); 15] = [
            ("plugin_calls", "Calls into the plugin", |operator| operator.calls),
            ("plugin_failed_calls", "Calls that failed", |operator| operator.failed_calls),
            ("plugin_bisect_calls", "Calls made to find bad records", |operator| {
                operator.bisect_calls
            }),
            ("plugin_records", "Records handed to the plugin", |operator| operator.records),
            ("plugin_output_records", "Records that came back", |operator| operator.records_out),
            ("plugin_input_bytes", "Bytes handed to the plugin", |operator| operator.bytes_in),
            ("plugin_output_bytes", "Bytes that came back", |operator| operator.bytes_out),
            ("plugin_rejected_records", "Records that the plugin rejected", |operator| {
                operator.rejected
            }),
            ("plugin_failed_records", "Records that made a call fail", |operator| operator.failed),
            ("plugin_skipped_records", "Bad records left out", |operator| operator.skipped),
            ("plugin_dead_letters", "Bad records kept as dead letters", |operator| {
                operator.dead_lettered
            }),
            ("plugin_instances_started", "Instances started", |operator| {
                operator.instances_started
            }),
            ("plugin_instances_dropped", "Instances dropped", |operator| {
                operator.instances_dropped
            }),
            ("plugin_dropped_log_lines", "Log lines above the operator's limit", |operator| {
                operator.log_lines_dropped
            }),
            (
                "plugin_dropped_metric_updates",
                "Updates of the plugin's own metrics that were left out",
                |operator| operator.metric_updates_dropped,
            ),
        ];
        for (name, help, read) in counters {
            let rows = self.operators().map(|(labels, operator)| (labels, read(operator)));
            counter_family(encoder, name, help, rows)?;
        }
        type Time = fn(&OperatorProgress) -> f64;
        let times: [(&str, &str, Time); 2] = [
            ("plugin_seconds", "Time in the guest", |operator| operator.time_ms),
            ("plugin_boundary_seconds", "Time to lower parameters and check results", |operator| {
                operator.boundary_ms
            }),
        ];
        for (name, help, read) in times {
            let mut time = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (labels, operator) in self.operators() {
                ConstCounter::new(read(operator) / 1000.0).encode(time.encode_family(&labels)?)?;
            }
        }
        let help = "The most memory that one instance had";
        let rows =
            self.operators().map(|(labels, operator)| (labels, gauge(operator.memory_bytes_high)));
        gauge_family(encoder, "plugin_memory_high_bytes", help, rows)
    }

    /// A series for each operator and the plugin that it ran.
    fn operators(&self) -> impl Iterator<Item = ([(&'static str, &str); 3], &OperatorProgress)> {
        self.pipelines.iter().flat_map(|status| {
            status.operators.iter().map(|operator| {
                let labels = [
                    ("pipeline", status.name.as_str()),
                    ("operator", operator.name.as_str()),
                    ("digest", operator.digest.as_str()),
                ];
                (labels, operator)
            })
        })
    }
}

fn counter_family<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in rows {
        ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauge_family<L: EncodeLabelSet, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    rows: impl Iterator<Item = (L, V)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in rows {
        metric.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

/// Gauges are signed.
fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use tidemill_plugin::{Metric, MetricSample};

    use super::*;

    #[test]
    fn the_text_has_every_family_and_its_end() {
        let status = PipelineStatus {
            name: "p".to_owned(),
            state: PipelineState::Running,
            batch_id: Some(3),
            batches: 4,
            input_rows: 5,
            output_rows: 6,
            late_rows: 0,
            lag: 7,
            batch_ms: Default::default(),
            canaries: Vec::new(),
            operators: Vec::new(),
            last_progress: None,
        };
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let sample =
            |name: &str, labels, value| MetricSample { name: name.to_owned(), labels, value };
        let of = |operator: &str, samples| OfOperator {
            pipeline: "p".to_owned(),
            operator: operator.to_owned(),
            samples,
        };
        let custom = vec![
            of(
                "a",
                vec![
                    sample("depth", vec![], Metric::Gauge(0.5)),
                    sample("seen", vec![label("port", "8\"0")], Metric::Counter(2)),
                ],
            ),
            of(
                "b",
                vec![
                    sample("depth", vec![], Metric::Counter(7)),
                    sample("seen", vec![], Metric::Counter(3)),
                ],
            ),
        ];
        let mut times = BatchTimes::default();
        times.add("p", 0.02);
        let counted = Counted {
            log: MetricsSnapshot { appends_total: 9, ..MetricsSnapshot::default() },
            kafka: KafkaSnapshot { refusals_total: vec![("idle", 2)], ..KafkaSnapshot::default() },
            groups: GroupMetrics { groups: vec![("Stable", 2)], ..GroupMetrics::default() },
            pipelines: vec![status],
            custom,
        };
        let text = encode(counted, &times);
        for line in [
            "tidemill_log_appends_total 9",
            "tidemill_kafka_refusals_total{reason=\"idle\"} 2",
            "tidemill_groups{state=\"Stable\"} 2",
            "tidemill_group_rebalances_total 0",
            "tidemill_pipeline_batches_total{pipeline=\"p\"} 4",
            "tidemill_pipeline_lag_records{pipeline=\"p\"} 7",
            "tidemill_pipeline_batch_seconds_bucket{le=\"0.025\",pipeline=\"p\"} 1",
            "tidemill_pipeline_batch_seconds_bucket{le=\"+Inf\",pipeline=\"p\"} 1",
            "tidemill_custom_depth{pipeline=\"p\",operator=\"a\"} 0.5",
            "tidemill_custom_seen_total{pipeline=\"p\",operator=\"a\",port=\"8\\\"0\"} 2",
            "tidemill_custom_seen_total{pipeline=\"p\",operator=\"b\"} 3",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        // A family has one kind: that of the operator which comes first.
        assert!(!text.contains("custom_depth_total"), "{text}");
        assert_eq!(text.matches("# TYPE tidemill_custom_seen ").count(), 1);
    }
}

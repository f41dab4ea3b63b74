//! The metrics that plugins keep themselves, beside the host's.
//!
//! Each is exported as `tidemill_custom_NAME` with the labels `pipeline` and `operator` before its own. What
//! a plugin can make of them was bounded when it was counted. **A family has one kind**: where two operators use a
//! name for both, the one that comes first decides, and the other's series are left out.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use tidemill_plugin::{Metric, MetricSample};

/// The metrics of one operator's plugin.
#[derive(Debug)]
pub struct OfOperator {
    pub pipeline: String,
    pub operator: String,
    pub samples: Vec<MetricSample>,
}

type Row<'a> = (&'a OfOperator, &'a MetricSample);

pub fn encode(operators: &[OfOperator], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut families: BTreeMap<&str, Vec<Row<'_>>> = BTreeMap::new();
    for operator in operators {
        for sample in &operator.samples {
            families.entry(&sample.name).or_default().push((operator, sample));
        }
    }
    for (name, rows) in families {
        encode_family(name, &rows, encoder)?;
    }
    Ok(())
}

fn encode_family(name: &str, rows: &[Row<'_>], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let is_counter = |sample: &MetricSample| matches!(sample.value, Metric::Counter(_));
    let Some(counts) = rows.first().map(|(_, sample)| is_counter(sample)) else { return Ok(()) };
    let kind = if counts { MetricType::Counter } else { MetricType::Gauge };
    let name = format!("custom_{name}");
    let mut family = encoder.encode_descriptor(&name, "A plugin's own metric", None, kind)?;
    for (operator, sample) in rows.iter().filter(|(_, sample)| is_counter(sample) == counts) {
        let own = sample.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels: Vec<(&str, &str)> =
            [("pipeline", operator.pipeline.as_str()), ("operator", operator.operator.as_str())]
                .into_iter()
                .chain(own)
                .collect();
        let mut row = family.encode_family(&labels)?;
        match sample.value {
            Metric::Counter(sum) => ConstCounter::new(sum).encode(row)?,
            Metric::Gauge(last) => row.encode_gauge(&last)?,
        }
    }
    Ok(())
}

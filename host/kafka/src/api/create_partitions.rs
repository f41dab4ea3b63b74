//! Gives topics more partitions.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use tidemill_log::{TopicConfig, TopicName};

use super::refusal::{Refusal, refuse};
use super::{Call, ErrorCode};

pub(super) async fn handle(
    call: &Call<'_>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut results = Vec::new();
    for topic in request.topics {
        let added = add(call, &topic, request.validate_only).await;
        let result = CreatePartitionsTopicResult::default().with_name(topic.name);
        results.push(match added {
            Ok(()) => result,
            Err(refusal) => {
                result.with_error_code(refusal.code.code()).with_error_message(Some(refusal.text))
            }
        });
    }
    CreatePartitionsResponse::default().with_results(results)
}

async fn add(
    call: &Call<'_>,
    wanted: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refusal> {
    let name = TopicName::new(&wanted.name).map_err(|_| Refusal::unknown_topic())?;
    let described = call.log().describe(&name).ok_or_else(Refusal::unknown_topic)?;
    let total = check(&wanted.name, wanted.count, described.config.partitions)?;
    if wanted.assignments.is_some() {
        let text = "Replicas cannot be assigned: there is one broker, which has them all.";
        return refuse(ErrorCode::InvalidReplicaAssignment, text);
    }
    if validate_only {
        return Ok(());
    }
    let added = call.log().add_partitions(&name, total).await;
    added.map_err(|error| Refusal::of_topic(&error))
}

/// The new number of partitions, if it is one.
fn check(name: &str, wanted: i32, current: u32) -> Result<u32, Refusal> {
    let text = match u32::try_from(wanted) {
        Ok(wanted) if wanted > TopicConfig::PARTITIONS_MAX => {
            format!("Number of partitions is larger than {}.", TopicConfig::PARTITIONS_MAX)
        }
        Ok(wanted) if wanted > current => return Ok(wanted),
        Ok(wanted) if wanted == current => format!("Topic already has {current} partition(s)."),
        _ => format!(
            "The topic {name} currently has {current} partition(s); {wanted} would not be an increase."
        ),
    };
    refuse(ErrorCode::InvalidPartitions, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_is_an_increase() {
        let table = [
            (4, Ok(4)),
            (3, Err("Topic already has 3 partition(s).")),
            (2, Err("The topic t currently has 3 partition(s); 2 would not be an increase.")),
            (-1, Err("The topic t currently has 3 partition(s); -1 would not be an increase.")),
            (10_001, Err("Number of partitions is larger than 10000.")),
        ];
        for (wanted, expected) in table {
            let found = check("t", wanted, 3).map_err(|refusal| refusal.text.to_string());
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }
}

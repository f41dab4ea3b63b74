//! Deletes topics, with all that is in them.

use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use tidemill_log::TopicName;

use super::Call;
use super::refusal::Refusal;

pub(super) async fn handle(call: &Call<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let mut responses = Vec::new();
    for name in request.topic_names {
        let deleted = match TopicName::new(&name) {
            Ok(known) => {
                let deleted = call.log().delete_topic(&known).await;
                deleted.map_err(|error| Refusal::of_topic(&error))
            }
            Err(_) => Err(Refusal::unknown_topic()),
        };
        let result = DeletableTopicResult::default().with_name(Some(name));
        responses.push(match deleted {
            Ok(()) => result,
            Err(refusal) => {
                result.with_error_code(refusal.code.code()).with_error_message(Some(refusal.text))
            }
        });
    }
    DeleteTopicsResponse::default().with_responses(responses)
}

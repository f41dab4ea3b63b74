//! Replaces all settings of a topic: what is not named gets its default back.

use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};
use tidemill_log::Setting;

use super::super::Call;
use super::super::refusal::Refusal;
use super::{Change, Resource, change, check_once, named, no_value};

pub(in super::super) async fn handle(
    call: &Call<'_>,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let mut responses = Vec::new();
    for wanted in request.resources {
        let altered = alter(call, &wanted, request.validate_only).await;
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(wanted.resource_type)
            .with_resource_name(wanted.resource_name);
        responses.push(match altered {
            Ok(()) => response,
            Err(refusal) => {
                response.with_error_code(refusal.code.code()).with_error_message(Some(refusal.text))
            }
        });
    }
    AlterConfigsResponse::default().with_responses(responses)
}

async fn alter(
    call: &Call<'_>,
    wanted: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let resource = Resource::find(call, wanted.resource_type, &wanted.resource_name)?;
    check_once(wanted.configs.iter().map(|entry| &entry.name))?;
    let mut changes: Vec<Change> = Setting::ALL.map(|setting| (setting, None)).to_vec();
    for entry in &wanted.configs {
        let setting = named(&resource, &entry.name)?;
        let value = entry.value.as_deref().ok_or_else(|| no_value(&entry.name))?;
        changes.push((setting, Some(value.to_owned())));
    }
    change(call, resource, changes, validate_only).await
}

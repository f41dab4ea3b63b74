//! What the broker speaks, and what it answers to those who speak something else.

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

use super::{Call, ErrorCode};
use crate::request::{Header, Refused};
use crate::response::Response;
use crate::versions::{APIS, Api};

/// From this version on clients say who they are.
const NAMED_SINCE: i16 = 3;

pub(super) async fn handle(call: &Call<'_>, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let ApiVersionsRequest { client_software_name: name, client_software_version: version, .. } =
        request;
    if call.version >= NAMED_SINCE && !(is_name(&name) && is_name(&version)) {
        return ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
    }
    ApiVersionsResponse::default().with_api_keys(APIS.iter().map(row).collect())
}

/// As Kafka has it (KIP-511): letters and digits, with `-` and `.` between them.
fn is_name(name: &str) -> bool {
    let is_end = |end: Option<char>| end.is_some_and(|end| end.is_ascii_alphanumeric());
    is_end(name.chars().next())
        && is_end(name.chars().last())
        && name.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '-' | '.'))
}

fn row(api: &Api) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(api.key as i16)
        .with_min_version(*api.versions.start())
        .with_max_version(*api.versions.end())
}

/// The answer to a version that is not spoken: for ApiVersions itself one that every
/// client understands, with the versions to try instead; for all others the end.
pub(super) fn of_unknown_version(
    api: &Api,
    version: i16,
    request: &[u8],
) -> Result<Response, Refused> {
    if api.key != ApiKey::ApiVersions {
        return Err(Refused::Unsupported { key: api.key as i16, version });
    }
    // The first fields of a header are the same in all versions.
    let correlation_id = Header::correlation_id(request)?;
    let response = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(vec![row(api)]);
    Ok(Response::encode(api.key, 0, correlation_id, &response)?)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_of_clients_are_kafkas() {
        for name in ["librdkafka", "apache-kafka-java", "4.1.1", "a", "2.10.1-RC1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "a b", "ä", "."] {
            assert!(!is_name(name), "{name}");
        }
    }
}

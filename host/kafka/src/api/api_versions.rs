//! What the broker speaks, and what it answers to those who speak something else.

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

use super::{Call, ErrorCode};
use crate::request::{Header, Refused};
use crate::response::Response;
use crate::versions::{APIS, Api};

pub(super) async fn handle(_call: &Call<'_>, _request: ApiVersionsRequest) -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_api_keys(APIS.iter().map(row).collect())
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

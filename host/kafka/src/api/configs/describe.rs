//! Tells settings, where their values come from, and what they would be otherwise.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;
use tidemill_log::{Setting, SettingKind, TopicConfig};

use super::super::Call;
use super::super::refusal::Refusal;
use super::{Resource, Source, broker_name};

/// What a client wants to know of each setting.
#[derive(Clone, Copy)]
struct Details {
    synonyms: bool,
    documentation: bool,
}

pub(in super::super) async fn handle(
    call: &Call<'_>,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let details = Details {
        synonyms: request.include_synonyms,
        documentation: request.include_documentation,
    };
    let results = request.resources.into_iter().map(|wanted| {
        let described = describe(call, &wanted, details);
        let result = DescribeConfigsResult::default()
            .with_resource_type(wanted.resource_type)
            .with_resource_name(wanted.resource_name);
        match described {
            Ok(configs) => result.with_configs(configs),
            Err(refusal) => {
                result.with_error_code(refusal.code.code()).with_error_message(Some(refusal.text))
            }
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe(
    call: &Call<'_>,
    wanted: &DescribeConfigsResource,
    details: Details,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let resource = Resource::find(call, wanted.resource_type, &wanted.resource_name)?;
    // Naming none means all, as not saying anything does.
    let is_wanted = |name: &str| match wanted.configuration_keys.as_deref() {
        Some([]) | None => true,
        Some(keys) => keys.iter().any(|key| &**key == name),
    };
    let described = match resource {
        Resource::Topic(_, config) => {
            let wanted = Setting::ALL.into_iter().filter(|setting| is_wanted(setting.name()));
            wanted.map(|setting| of_topic(setting, &config, details)).collect()
        }
        // Nothing was changed at runtime.
        Resource::Broker { is_default: true } => Vec::new(),
        Resource::Broker { is_default: false } => {
            let all = Setting::ALL.into_iter();
            let wanted = all.filter(|setting| is_wanted(broker_name(*setting)));
            wanted.map(|setting| of_broker(setting, details)).collect()
        }
    };
    Ok(described)
}

fn of_topic(
    setting: Setting,
    config: &TopicConfig,
    details: Details,
) -> DescribeConfigsResourceResult {
    let source = Source::of(setting, config);
    let mut synonyms = vec![synonym(broker_name(setting), default_of(setting), Source::Default)];
    if source == Source::Topic {
        synonyms.insert(0, synonym(setting.name(), setting.get(config), source));
    }
    told(setting, setting.name(), setting.get(config), details)
        .with_config_source(source.number())
        .with_synonyms(if details.synonyms { synonyms } else { Vec::new() })
}

fn of_broker(setting: Setting, details: Details) -> DescribeConfigsResourceResult {
    let (name, value) = (broker_name(setting), default_of(setting));
    let synonyms = vec![synonym(name, value.clone(), Source::Default)];
    told(setting, name, value, details)
        .with_read_only(true)
        .with_config_source(Source::Default.number())
        .with_synonyms(if details.synonyms { synonyms } else { Vec::new() })
}

fn told(
    setting: Setting,
    name: &'static str,
    value: String,
    details: Details,
) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(StrBytes::from_string(value)))
        .with_config_type(type_number(setting.kind()))
        .with_documentation(details.documentation.then(|| StrBytes::from_static_str(setting.doc())))
}

fn default_of(setting: Setting) -> String {
    setting.get(&TopicConfig::default())
}

fn synonym(name: &'static str, value: String, source: Source) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(StrBytes::from_string(value)))
        .with_source(source.number())
}

/// As Kafka's clients number the types of settings.
const fn type_number(kind: SettingKind) -> i8 {
    match kind {
        SettingKind::Word => 2,
        SettingKind::Int => 3,
        SettingKind::Long => 5,
        SettingKind::Double => 6,
        SettingKind::List => 7,
    }
}

//! The commands' side of the HTTP API.
//!
//! **A request is sent once.** Whether it may be sent again is for the command to decide: a produce whose
//! answer was lost may have happened.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use crate::api::wire::Problem;
use crate::lines::LineBuffer;

/// How long a connection may take. Answers may take as long as they need: a produce waits for the disk.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the host did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{host}` is no address of a host")]
    Address { host: String },
    #[error("set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    #[error("reach the host at {host}")]
    Unreachable { host: String, source: reqwest::Error },
    #[error("read the answer of {host}")]
    Broken { host: String, source: reqwest::Error },
    #[error("understand the answer of {host}")]
    Answer { host: String, source: serde_json::Error },
    #[error("{}", problem.error)]
    Refused { status: StatusCode, problem: Box<Problem> },
}

impl ClientError {
    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            ClientError::Unreachable { .. } | ClientError::Broken { .. } => true,
            ClientError::Refused { problem, .. } => problem.retryable,
            ClientError::Address { .. } | ClientError::Setup(_) | ClientError::Answer { .. } => {
                false
            }
        }
    }

    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            ClientError::Address { .. } => Some("such as http://127.0.0.1:8080".to_owned()),
            ClientError::Unreachable { .. } => Some(
                "is it running? `tidemill serve --data DIR` starts one; --host or TIDEMILL_HOST says where it is".to_owned(),
            ),
            ClientError::Answer { .. } => Some("is something else listening there?".to_owned()),
            ClientError::Refused { problem, .. } => problem.hint.clone(),
            ClientError::Setup(_) | ClientError::Broken { .. } => None,
        }
    }
}

/// A host's HTTP API.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    host: String,
}

impl Client {
    /// Nothing is sent yet.
    pub fn new(host: &str) -> Result<Client, ClientError> {
        let host = host.trim_end_matches('/').to_owned();
        let url =
            reqwest::Url::parse(&host).ok().filter(|url| url.scheme() == "http" && url.has_host());
        if url.is_none() {
            return Err(ClientError::Address { host });
        }
        // A host is asked directly: a proxy of the environment would not know it.
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Client { http, host })
    }

    /// The host's address, without a slash at its end.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path of a topic, whatever its name.
    pub fn topic_path(&self, topic: &str) -> String {
        format!("/api/v1/topics/{}", escape(topic))
    }

    /// The path of a consumer group, whatever its name.
    pub fn group_path(&self, group: &str) -> String {
        format!("/api/v1/groups/{}", escape(group))
    }

    /// The path of a pipeline, whatever its name.
    pub fn pipeline_path(&self, pipeline: &str) -> String {
        format!("/api/v1/pipelines/{}", escape(pipeline))
    }

    /// A path one segment below another, whatever the segment.
    pub fn below(&self, path: &str, segment: &str) -> String {
        format!("{path}/{}", escape(segment))
    }

    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(self.request(Method::GET, path)).await
    }

    pub async fn post_json<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    pub async fn patch_json<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.json(self.request(Method::PATCH, path).json(body)).await
    }

    pub async fn delete_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(self.request(Method::DELETE, path)).await
    }

    /// Sends `body` as it is.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        self.json(self.request(method, path).header("content-type", kind).body(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.answer(self.request(Method::DELETE, path)).await.map(drop)
    }

    /// An answer that is no JSON.
    pub async fn bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        let response = self.answer(self.request(Method::GET, path)).await?;
        let host = self.host.clone();
        response.bytes().await.map_err(|source| ClientError::Broken { host, source })
    }

    /// An answer that is read piece by piece.
    pub async fn stream(&self, path: &str) -> Result<Lines, ClientError> {
        let response = self.answer(self.request(Method::GET, path)).await?;
        Ok(Lines { host: self.host.clone(), response, buffer: LineBuffer::default(), last: None })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.host))
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.answer(request).await?;
        let body = response
            .bytes()
            .await
            .map_err(|source| ClientError::Broken { host: self.host.clone(), source })?;
        serde_json::from_slice(&body)
            .map_err(|source| ClientError::Answer { host: self.host.clone(), source })
    }

    /// The answer, if it is a success.
    async fn answer(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|source| {
            let host = self.host.clone();
            if source.is_connect() {
                ClientError::Unreachable { host, source }
            } else {
                ClientError::Broken { host, source }
            }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response
            .bytes()
            .await
            .map_err(|source| ClientError::Broken { host: self.host.clone(), source })?;
        let problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
            error: format!(
                "{} answered {status}: {}",
                self.host,
                String::from_utf8_lossy(&body).trim()
            ),
            causes: Vec::new(),
            hint: Some("is something else listening there?".to_owned()),
            retryable: false,
            acknowledged: None,
        });
        Err(ClientError::Refused { status, problem: Box::new(problem) })
    }
}

/// The lines of an answer, as they arrive.
pub struct Lines {
    host: String,
    response: Response,
    buffer: LineBuffer,
    last: Option<Vec<u8>>,
}

impl Lines {
    /// The next line without its end, or `None` at the end of the answer.
    /// # Cancel safety
    /// Cancel safe: a line is handed out by the call that returns it.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, ClientError> {
        while !self.buffer.has_line() {
            match self.response.chunk().await {
                Ok(Some(piece)) => self.buffer.push(&piece),
                Ok(None) => {
                    self.last = self.buffer.take_last();
                    return Ok(self.last.as_deref());
                }
                Err(source) => return Err(ClientError::Broken { host: self.host.clone(), source }),
            }
        }
        Ok(self.buffer.next_line())
    }
}

/// The query of a path; empty where there is nothing to ask for.
pub fn query(parts: &[(&str, String)]) -> String {
    let parts: Vec<String> =
        parts.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

/// A name as one segment of a path.
fn escape(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            escaped.push(char::from(byte));
        } else if byte == b'.' && name.len() > 2 {
            escaped.push('.');
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::{Client, escape};

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(escape("access-log.v2_x"), "access-log.v2_x");
        assert_eq!(escape("../x y"), "..%2Fx%20y");
        assert_eq!(escape(".."), "%2E%2E");
        assert_eq!(escape("ä"), "%C3%A4");
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        for host in ["", "localhost:8080", "https://127.0.0.1:1", "unix:/x"] {
            assert!(Client::new(host).is_err(), "{host}");
        }
        assert_eq!(Client::new("http://127.0.0.1:8080/").unwrap().host(), "http://127.0.0.1:8080");
    }
}

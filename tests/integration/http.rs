//! The API's answers: status codes, the shape of errors, limits.

use crate::harness::{Host, raw_http, request, request_json};

#[test]
fn errors_have_one_shape() {
    let host = Host::start();
    let cases = [
        ("GET", "/nowhere", "", "", 404),
        ("PATCH", "/api/v1/topics", "", "", 405),
        ("GET", "/api/v1/topics/none", "", "", 404),
        ("GET", "/api/v1/topics/none/records", "", "", 404),
        ("GET", "/api/v1/topics/none/records?from=yesterday", "", "", 400),
        ("GET", "/api/v1/topics/none/records?form=1", "", "", 400),
        ("GET", "/api/v1/topics/%ff", "", "", 400),
        ("POST", "/api/v1/topics/none/records", "text/plain", "a\n", 404),
        ("POST", "/api/v1/topics", "application/json", "{", 400),
        ("POST", "/api/v1/topics", "application/json", r#"{"name":"a/b"}"#, 400),
        ("POST", "/api/v1/topics", "application/json", r#"{"name":"a","partition":1}"#, 400),
        ("POST", "/api/v1/topics", "application/json", r#"{"name":"a","partitions":0}"#, 400),
        ("POST", "/api/v1/topics", "application/json", r#"{"name":"__mine"}"#, 403),
        ("DELETE", "/api/v1/topics/__consumer_offsets", "", "", 403),
        ("POST", "/api/v1/plugins", "application/wasm", "no component", 422),
        ("GET", "/api/v1/plugins/none", "", "", 404),
        ("GET", "/api/v1/pipelines/none", "", "", 404),
        ("DELETE", "/api/v1/pipelines/none", "", "", 404),
        ("POST", "/api/v1/pipelines/none/start", "", "", 404),
        ("GET", "/api/v1/pipelines/none/progress", "", "", 404),
        ("GET", "/api/v1/pipelines/none/progress/stream", "", "", 404),
        ("PUT", "/api/v1/pipelines/p", "application/toml", "name = ", 422),
    ];
    for (method, path, kind, body, expected) in cases {
        let (status, problem) = request_json(&host, method, path, kind, body);
        assert_eq!(status, expected, "{method} {path}: {problem}");
        assert!(
            problem["error"].as_str().is_some_and(|error| !error.is_empty()),
            "{method} {path}: {problem}"
        );
        assert!(problem["retryable"].is_boolean(), "{method} {path}: {problem}");
    }
    assert_eq!(request(&host, "GET", "/healthz", "", "").0, 200);
}

#[test]
fn a_produce_that_fails_half_way_says_what_is_durable() {
    let host = Host::start();
    host.run(&["topic", "create", "t"]).ok();
    let body = format!("{}{}", "a line of text\n".repeat(200_000), "x".repeat(2 << 20));
    let (status, problem) =
        request_json(&host, "POST", "/api/v1/topics/t/records", "text/plain", &body);
    assert_eq!(status, 413, "{problem}");
    assert!(problem["error"].as_str().unwrap().contains("line 200001"), "{problem}");
    let acknowledged = problem["acknowledged"]["records"].as_u64().unwrap();
    assert!(acknowledged > 0 && acknowledged <= 200_000);
    assert_eq!(host.values("t").len() as u64, acknowledged);
}

#[test]
fn wrong_records_are_refused_with_their_line() {
    let host = Host::start();
    host.run(&["topic", "create", "t", "--partitions", "2"]).ok();
    for (body, text) in [
        ("{\"value\":\"a\"}\n{\"valu\":\"b\"}\n", "line 2"),
        ("{\"value\":\"*\",\"valueEncoding\":\"base64\"}", "its value"),
        ("{\"value\":\"a\",\"partition\":2}", "there is no partition 2"),
        ("not json", "line 1"),
    ] {
        let (status, problem) =
            request_json(&host, "POST", "/api/v1/topics/t/records", "application/x-ndjson", body);
        assert_eq!(status, 400, "{body}");
        assert!(problem["error"].as_str().unwrap().contains(text), "{problem}");
    }
    assert!(host.values("t").is_empty());
}

#[test]
fn bodies_are_bounded() {
    let host = Host::start();
    let large = "#".repeat(2 << 20);
    assert_eq!(request(&host, "PUT", "/api/v1/pipelines/p", "application/toml", &large).0, 413);
    // A length that is claimed is not believed: nothing is set aside for it.
    let claim =
        "POST /api/v1/plugins HTTP/1.0\r\nhost: t\r\ncontent-length: 9000000000000\r\n\r\nx";
    assert_eq!(raw_http(host.socket(), claim).0, 413);
    assert_eq!(request(&host, "GET", "/readyz", "", "").0, 200);
}

#[test]
fn hostile_bytes_do_not_end_the_host() {
    let host = Host::start();
    for bytes in [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\u{0}\u{1}\u{2}",
        "GET /%ff%fe HTTP/1.0\r\n\r\n",
        "GET /api/v1/topics/%2e%2e HTTP/1.0\r\n\r\n",
    ] {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(host.socket()).unwrap();
        let _ = stream.write_all(bytes.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    assert_eq!(request(&host, "GET", "/readyz", "", "").0, 200);
}

#[test]
fn the_openapi_file_is_served() {
    let host = Host::start();
    let (status, document) = request_json(&host, "GET", "/openapi.json", "", "");
    assert_eq!((status, &document["openapi"]), (200, &"3.1.0".into()));
}

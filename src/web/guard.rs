//! Who may talk to us. The server has no login yet, so what protects it is that only this machine reaches it. That needs two more rules,
//! since a browser on this machine runs other people's pages:
//!
//! * **The `Host` is a loopback name**, else a name that an attacker points to 127.0.0.1 (DNS rebinding) would make his page same-origin with us.
//! * **No write comes from another site**: a browser says where a request comes from; a program that says nothing is not a browser.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// Headers of every answer. `same-origin`, not `no-referrer`: the latter makes browsers send `Origin: null` with our own forms.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Middleware: adds [`HEADERS`] that an answer has not set itself; answers are not kept by browsers unless they say so themselves.
pub(super) async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // An answer may have a stricter one of its own.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Middleware: refuses names that are not loopback and writes from other sites. Hooks come from forges, which send no `Origin`; their guard is
/// the signature.
pub(super) async fn refuse_strangers(request: Request, next: Next) -> Response {
    // A socket is opened by a GET, and is there to write into.
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD) && !request.headers().contains_key(header::UPGRADE);
    let is_hook = request.uri().path().starts_with("/hooks/");
    let authority = request.uri().authority().map(|authority| authority.as_str());
    if !is_for_us(request.headers(), authority) {
        let detail = "This server answers on loopback names only, such as localhost or 127.0.0.1.";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    if !is_read && !is_hook && comes_from_elsewhere(request.headers()) {
        let detail = "This request comes from another site's page, and only this server's own pages may change anything.";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    next.run(request).await
}

/// Exactly one `Host`, a loopback name; an address in the request line must be one too.
fn is_for_us(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    host.to_str().is_ok_and(is_loopback_name) && authority.is_none_or(is_loopback_name)
}

/// `localhost`, 127.0.0.0/8 or `[::1]`, with any port or none.
fn is_loopback_name(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        return address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()) && is_port(port);
    }
    let (name, port) = host.find(':').map_or((host, ""), |at| host.split_at(at));
    let is_loopback =
        name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_loopback && is_port(port)
}

/// Nothing, or a colon and a port's number.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// By the browser's own words (Fetch Metadata, and `Origin` as RFC 6454 writes it).
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let says_so = headers.get_all("sec-fetch-site").iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let ours = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        let rest = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    };
    says_so || !headers.get_all(header::ORIGIN).iter().all(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_ours() {
        for good in ["localhost", "LOCALHOST:7070", "127.0.0.1", "127.0.0.1:80", "127.8.9.10:7070", "[::1]", "[::1]:7070"] {
            assert!(is_loopback_name(good), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "localhost.example.com",
            "localhost.",
            "127.0.0.1.example.com",
            "127.1",
            "10.0.0.1",
            "0.0.0.0",
            "[::2]",
            "::1",
            "[::1",
            "[::1]x",
            "localhost:",
            "localhost:70700",
            "localhost:+80",
            "localhost:80:80",
            "user@localhost",
            "2130706433",
            "[::ffff:127.0.0.1]",
            " localhost",
        ] {
            assert!(!is_loopback_name(bad), "{bad}");
        }
    }

    #[test]
    fn one_host_and_no_other_in_the_request_line() {
        let mut headers = HeaderMap::new();
        assert!(!is_for_us(&headers, None), "no host");
        headers.insert(header::HOST, HeaderValue::from_static("localhost:7070"));
        assert!(is_for_us(&headers, None));
        assert!(is_for_us(&headers, Some("127.0.0.1:7070")));
        assert!(!is_for_us(&headers, Some("example.com")));
        headers.append(header::HOST, HeaderValue::from_static("localhost:7070"));
        assert!(!is_for_us(&headers, None), "two hosts");
    }

    #[test]
    fn what_a_browser_says_of_another_site_is_believed() {
        let with = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost:7070"))]);
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            comes_from_elsewhere(&headers)
        };
        assert!(!with(&[]), "a program");
        assert!(!with(&[("origin", "http://localhost:7070"), ("sec-fetch-site", "same-origin")]));
        assert!(!with(&[("sec-fetch-site", "none")]), "typed in by a person");
        for origin in ["http://localhost:8080", "http://127.0.0.1:7070", "https://example.com", "null", "", "file://"] {
            assert!(with(&[("origin", origin)]), "{origin}");
        }
        assert!(with(&[("origin", "http://localhost:7070"), ("origin", "https://example.com")]));
        for site in ["cross-site", "same-site", "CROSS-SITE", ""] {
            assert!(with(&[("sec-fetch-site", site)]), "{site}");
        }
    }
}

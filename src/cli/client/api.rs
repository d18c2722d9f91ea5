//! Requests to the server, and its refusals as sentences.
//!
//! **Invariants:** no proxy and no redirect: what is sent goes to the server that was named and to nobody else; names from the command line
//! become parts of a path only in their encoded form.

use std::error::Error;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Failure;
use super::answer::ProblemDocument;

/// Until somebody has taken the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Until an ordinary answer is complete: a trigger fetches from the remote before it answers.
const ANSWER: Duration = Duration::from_secs(300);
/// Where a server is when nobody says otherwise.
const USUAL: &str = "http://127.0.0.1:7070";

/// One server.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    base: Url,
}

/// A good answer.
#[derive(Debug)]
pub(super) struct Answer {
    address: String,
    /// As it came.
    pub text: String,
}

impl Api {
    /// `server` is a URL; a bare `host:port` is taken too.
    pub(super) fn new(server: &str) -> Result<Self, Failure> {
        let base = address(server)?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .user_agent(concat!("gantry/", env!("CARGO_PKG_VERSION")))
            .build();
        let http = http.map_err(|error| Failure::Broken { address: base.to_string(), detail: cause(&error) })?;
        Ok(Self { http, base })
    }

    /// The address of these parts under the server's own.
    pub(super) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// The server's address, as people write it.
    pub(super) fn address(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    pub(super) async fn get(&self, url: Url) -> Result<Answer, Failure> {
        self.answer(self.http.get(url)).await
    }

    pub(super) async fn post(&self, parts: &[&str], body: Option<&Value>) -> Result<Answer, Failure> {
        let request = self.http.post(self.url(parts));
        self.answer(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    pub(super) async fn put(&self, parts: &[&str], body: &Value) -> Result<Answer, Failure> {
        self.answer(self.http.request(Method::PUT, self.url(parts)).json(body)).await
    }

    pub(super) async fn delete(&self, parts: &[&str]) -> Result<Answer, Failure> {
        self.answer(self.http.request(Method::DELETE, self.url(parts))).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let request = request.header(header::ACCEPT, "application/json").timeout(ANSWER);
        let response = self.good(request.send().await.map_err(|error| self.broken(&error))?).await?;
        let text = response.text().await.map_err(|error| self.broken(&error))?;
        Ok(Answer { address: self.address(), text })
    }

    /// Opens a stream of events, after the one with the number `last`.
    pub(super) async fn open(&self, url: Url, last: Option<u64>) -> Result<Response, Failure> {
        let mut request = self.http.get(url).header(header::ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = self.good(request.send().await.map_err(|error| self.broken(&error))?).await?;
        let kind = response.headers().get(header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            return Ok(response);
        }
        Err(self.stranger("it gives no live stream".to_owned()))
    }

    /// A file, as it comes; without a bound on the time that it takes.
    pub(super) async fn file(&self, url: Url) -> Result<Response, Failure> {
        let request = self.http.get(url).header(header::ACCEPT, "application/json, */*");
        self.good(request.send().await.map_err(|error| self.broken(&error))?).await
    }

    async fn good(&self, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        Err(match serde_json::from_str::<ProblemDocument>(&text) {
            Ok(problem) => Failure::Refused { status: status.as_u16(), detail: sentence(status, problem) },
            Err(_) => self.stranger(format!("it answered {status}")),
        })
    }

    pub(super) fn broken(&self, error: &reqwest::Error) -> Failure {
        let address = self.address();
        if error.is_connect() {
            return Failure::NoServer(address);
        }
        let detail = if error.is_timeout() { "no answer came in time".to_owned() } else { cause(error) };
        Failure::Broken { address, detail }
    }

    pub(super) fn stranger(&self, detail: String) -> Failure {
        Failure::Stranger { address: self.address(), detail }
    }
}

impl Answer {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.text)
            .map_err(|error| Failure::Stranger { address: self.address.clone(), detail: error.to_string() })
    }
}

/// The refusal's own sentence; where only the log knows more, with what to find it by.
fn sentence(status: StatusCode, problem: ProblemDocument) -> String {
    match problem.request_id {
        Some(id) if status.is_server_error() && !problem.detail.contains(&id) => format!("{} (request {id})", problem.detail),
        _ => problem.detail,
    }
}

/// The innermost cause: the outer ones only say that there is one.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Reads the server's address.
fn address(server: &str) -> Result<Url, Failure> {
    let server = server.trim();
    let server = match server {
        "" => USUAL.to_owned(),
        _ if server.contains("://") => server.to_owned(),
        _ => format!("http://{server}"),
    };
    let wrong = |why: &str| Failure::Usage(format!("`{server}` cannot be a server's address: {why}"));
    let url = Url::parse(&server).map_err(|error| wrong(&error.to_string()))?;
    if url.scheme() != "http" {
        return Err(wrong("the server speaks plain http, on this machine or through a tunnel"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("write it as `http://HOST:PORT`"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_as_people_write_it() {
        for (given, meant) in [
            ("http://127.0.0.1:7070", "http://127.0.0.1:7070"),
            ("localhost:7070", "http://localhost:7070"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("http://localhost/ci/", "http://localhost/ci"),
            ("", "http://127.0.0.1:7070"),
        ] {
            assert_eq!(Api::new(given).unwrap().address(), meant, "{given}");
        }
        for wrong in
            ["https://localhost", "ftp://localhost", "http://", "http://localhost:port", "http://a@b", "http://a/?b", "a b"]
        {
            assert_eq!(Api::new(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn names_cannot_lead_to_another_path() {
        let api = Api::new("http://localhost/ci/").unwrap();
        let url = api.url(&["api", "v1", "repos", "../runs?x#y %2e"]);
        assert_eq!(url.as_str(), "http://localhost/ci/api/v1/repos/..%2Fruns%3Fx%23y%20%252e");
    }
}

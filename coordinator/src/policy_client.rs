//! A running coordinator, asked from the command line.

use std::path::Path;

use reqwest::RequestBuilder;
use serde_json::Value;
use url::Url;

use crate::policies::{PolicyError, files, read};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// The URL is none.
    #[error("{0:?} is no URL of a coordinator, like http://127.0.0.1:8470")]
    NoUrl(String),
    /// Nobody answers, or not in HTTP.
    #[error("the coordinator does not answer: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// It answers with a no.
    #[error("{0}")]
    Refused(String),
    /// Nothing can be asked at all.
    #[error("cannot start: {0}")]
    NoRuntime(#[from] std::io::Error),
    /// The policy cannot be sent.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// There is more than one.
    #[error("{0} holds several policies: try one at a time")]
    Several(String),
}

/// Where a coordinator is, and by what right it is asked.
pub(crate) struct Client {
    base: Url,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(url: &str, token: Option<&str>) -> Result<Self, AskError> {
        let base = Url::parse(url).map_err(|_| AskError::NoUrl(url.to_owned()))?;
        Ok(Self {
            base,
            token: token.map(str::to_owned),
        })
    }

    /// What would change if the policy in this file were in force.
    pub(crate) fn try_policy(&self, file: &Path) -> Result<Vec<String>, AskError> {
        let mut documents = files(file)?.into_iter();
        let (Some((document, text)), None) = (documents.next(), documents.next()) else {
            return Err(AskError::Several(file.display().to_string()));
        };
        let policy = read(&document, &text)?;
        let url = self.url(
            &format!("/v1/policies/{}", policy.name()),
            "dry_run",
            "true",
        );
        let answer = self.ask(|http| http.put(url).body(text))?;
        Ok(words(&answer))
    }

    /// What policies say of a peer, or of a viewer and one that might feed it.
    pub(crate) fn explain(&self, of: &str) -> Result<Vec<String>, AskError> {
        let key = if of.contains(',') { "pair" } else { "peer" };
        let url = self.url("/v1/explain/policies", key, of);
        let answer = self.ask(|http| http.get(url))?;
        let contents = answer["contents"].as_array().cloned().unwrap_or_default();
        let mut lines = Vec::new();
        for content in &contents {
            lines.push(format!(
                "{}:",
                content["content"].as_str().unwrap_or_default()
            ));
            lines.extend(words(content));
            let relaxed = content["relaxed"].as_array().into_iter().flatten();
            lines.extend(relaxed.filter_map(|event| Some(event["words"].as_str()?.to_owned())));
        }
        if lines.is_empty() {
            lines.push("it takes part in no content".to_owned());
        }
        Ok(lines)
    }

    fn url(&self, path: &str, key: &str, value: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url.query_pairs_mut().append_pair(key, value);
        url
    }

    fn ask(
        &self,
        request: impl FnOnce(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Value, AskError> {
        // Installing it twice is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(async {
            let http = reqwest::Client::builder().build()?;
            let mut request = request(&http);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await?;
            let status = answer.status();
            let text = answer.text().await?;
            if !status.is_success() {
                return Err(AskError::Refused(text.trim_end().to_owned()));
            }
            let no_json = |_| AskError::Refused(format!("it answers with no JSON: {text}"));
            serde_json::from_str(&text).map_err(no_json)
        })
    }
}

fn words(answer: &Value) -> Vec<String> {
    let words = answer["words"].as_array().into_iter().flatten();
    words
        .filter_map(|line| Some(line.as_str()?.to_owned()))
        .collect()
}

//! How far an image pull has come, and whether it came to a good end. Draws no bar.

use serde::Deserialize;

use crate::docker::answer::{self, one_line};
use crate::docker::split::{Splitter, VALUE_LIMIT_BYTES};
use crate::docker::types::or_default;
use crate::error::Why;
use crate::http::Reply;
use crate::sorted::Map;

/// Layers beyond these are not counted; an image has at most 127.
const LAYER_LIMIT: usize = 1024;

/// Follows the stream of `/images/create` (Docker API 1.41, `CreateImageInfo`).
#[derive(Clone, Debug)]
pub struct Pull {
    splitter: Splitter,
    layers: Map<String, Layer>,
    outcome: Outcome,
    /// Values read; a stream without any is no success.
    values: u64,
    failure: Option<String>,
}

/// What a good end tells; Podman tells neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// `sha256:…` of what was pulled.
    pub digest: Option<String>,
    /// `Downloaded newer image for web:1`, `Image is up to date for web:1`.
    pub status: Option<String>,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes here, of the layers whose size is known.
    pub done_bytes: u64,
    /// Their sizes; grows while the engine learns of more.
    pub total_bytes: u64,
    /// Layers named so far.
    pub layers: usize,
    /// Those that need nothing more: complete or here before. Podman names none complete.
    pub layers_done: usize,
    /// The layer being unpacked.
    pub extracting: Option<Extracting>,
}

/// How far unpacking is: bytes of a total (Docker 20.10), or seconds without one (Docker 29).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracting {
    /// In `units`.
    pub done: u64,
    /// In `units`; `None`: not known.
    pub total: Option<u64>,
    /// `None`: bytes; `s`: seconds.
    pub units: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Layer {
    done_bytes: u64,
    total_bytes: u64,
    stage: Stage,
}

#[derive(Clone, Debug, Default)]
enum Stage {
    #[default]
    Fetching,
    Fetched,
    Extracting(Extracting),
    Complete,
}

impl Default for Pull {
    fn default() -> Pull {
        Pull {
            splitter: Splitter::new(VALUE_LIMIT_BYTES),
            layers: Map::new(),
            outcome: Outcome::default(),
            values: 0,
            failure: None,
        }
    }
}

impl Pull {
    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// `Broken` where it is not JSON. A pull that fails says so at the end, in [`Pull::finish`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Why> {
        let Pull { splitter, layers, outcome, values, failure } = self;
        splitter.push(bytes, |value| {
            let line: Line = serde_json::from_str(&answer::text(value))
                .map_err(|error| answer::broken(&error))?;
            *values += 1;
            if let Some(text) = line.failure() {
                failure.get_or_insert(text);
            } else if line.id.is_empty() {
                outcome.note(&line.status);
            } else {
                note_layer(layers, line);
            }
            Ok(())
        })
    }

    /// The sum over all layers.
    pub fn progress(&self) -> Progress {
        let mut sum = Progress { layers: self.layers.len(), ..Progress::default() };
        for layer in self.layers.values() {
            sum.done_bytes = sum.done_bytes.saturating_add(layer.done_bytes);
            sum.total_bytes = sum.total_bytes.saturating_add(layer.total_bytes);
            match &layer.stage {
                Stage::Complete => sum.layers_done += 1,
                Stage::Extracting(extracting) => sum.extracting = Some(extracting.clone()),
                Stage::Fetching | Stage::Fetched => {}
            }
        }
        sum
    }

    /// The stream has come to its proper end (one that broke off is no success, whatever it said).
    ///
    /// # Errors
    /// What the engine said within the stream: `NotFound` or `Refused` with 200, the status of its
    /// head. `Broken` where it said nothing or was cut off within a value.
    pub fn finish(self) -> Result<Outcome, Why> {
        self.splitter.finish()?;
        match self.failure {
            Some(message) if message.contains("manifest unknown") => Err(Why::NotFound(message)),
            Some(message) => Err(Why::Refused { status: 200, message }),
            None if self.values == 0 => Err(Why::Broken("the pull's answer is empty".into())),
            None => Ok(self.outcome),
        }
    }
}

/// The head of the stream.
pub(crate) fn read(reply: Reply) -> Result<Pull, Why> {
    answer::stream(&reply).map(|()| Pull::default())
}

impl Outcome {
    fn note(&mut self, status: &str) {
        if let Some(digest) = status.strip_prefix("Digest: ") {
            self.digest = Some(one_line(digest));
        } else if let Some(status) = status.strip_prefix("Status: ") {
            self.status = Some(one_line(status));
        }
    }
}

fn note_layer(layers: &mut Map<String, Layer>, line: Line) {
    let known = layers.contains_key(&line.id);
    if line.status.starts_with("Pulling from") || (!known && layers.len() >= LAYER_LIMIT) {
        return; // there the id is the tag
    }
    let layer = layers.entry(line.id).or_default();
    let detail = line.detail;
    match line.status.as_str() {
        "Downloading" => layer.download(&detail),
        "Verifying Checksum" | "Download complete" => layer.fetched(Stage::Fetched),
        "Extracting" => {
            let units = Some(detail.units).filter(|units| !units.is_empty());
            let total = Some(detail.total).filter(|total| *total > 0);
            let done = detail.current;
            layer.fetched(Stage::Extracting(Extracting { done, total, units }));
        }
        "Pull complete" | "Already exists" => layer.fetched(Stage::Complete),
        // "Pulling fs layer", "Waiting", "Retrying in 5 seconds": nothing moved.
        _ => {}
    }
}

impl Layer {
    /// After a break the engine resumes and counts what is left as the total: the size is the
    /// largest total seen, and what is missing is missing from that.
    fn download(&mut self, detail: &Detail) {
        self.total_bytes = self.total_bytes.max(detail.total);
        let left = detail.total.saturating_sub(detail.current);
        self.done_bytes = self.total_bytes.saturating_sub(left);
        self.stage = Stage::Fetching;
    }

    fn fetched(&mut self, stage: Stage) {
        self.done_bytes = self.total_bytes;
        self.stage = stage;
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(deserialize_with = "or_default")]
    status: String,
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(rename = "progressDetail", deserialize_with = "or_default")]
    detail: Detail,
    #[serde(rename = "errorDetail", deserialize_with = "or_default")]
    error_detail: ErrorDetail,
    #[serde(deserialize_with = "or_default")]
    error: String,
    /// Podman's errors without a detail.
    #[serde(deserialize_with = "or_default")]
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    #[serde(deserialize_with = "or_default")]
    current: u64,
    #[serde(deserialize_with = "or_default")]
    total: u64,
    #[serde(deserialize_with = "or_default")]
    units: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    #[serde(deserialize_with = "or_default")]
    message: String,
}

impl Line {
    /// Podman puts empty details beside its good news.
    fn failure(&self) -> Option<String> {
        let texts = [&self.error_detail.message, &self.error, &self.message];
        texts.into_iter().find(|text| !text.is_empty()).map(|text| one_line(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(lines: &[&str]) -> Pull {
        let mut pull = Pull::default();
        for line in lines {
            pull.push(format!("{line}\r\n").as_bytes()).unwrap();
        }
        pull
    }

    #[test]
    fn bytes_are_summed_over_the_layers() {
        let so_far = pull(&[
            r#"{"status":"Pulling from h5/multi","id":"1"}"#,
            r#"{"status":"Already exists","progressDetail":{},"id":"a"}"#,
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"b"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"b"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":5,"total":50},"id":"c"}"#,
            r#"{"status":"Download complete","progressDetail":{"hidecounts":true},"id":"c"}"#,
            r#"{"status":"Extracting","progressDetail":{"current":1,"units":"s"},"id":"c"}"#,
        ]);
        let extracting = Extracting { done: 1, total: None, units: Some("s".into()) };
        let expected = Progress {
            done_bytes: 60,
            total_bytes: 150,
            layers: 3,
            layers_done: 1,
            extracting: Some(extracting),
        };
        assert_eq!(so_far.progress(), expected);
    }

    #[test]
    fn a_download_that_resumes_keeps_what_it_had() {
        let mut so_far = pull(&[
            r#"{"status":"Downloading","progressDetail":{"current":60,"total":100},"id":"b"}"#,
            r#"{"status":"Retrying in 1 second","progressDetail":{},"id":"b"}"#,
        ]);
        assert_eq!(so_far.progress().done_bytes, 60);
        let resumed =
            br#"{"status":"Downloading","progressDetail":{"current":5,"total":40},"id":"b"}"#;
        so_far.push(resumed).unwrap();
        let Progress { done_bytes, total_bytes, .. } = so_far.progress();
        assert_eq!((done_bytes, total_bytes), (65, 100));
    }

    #[test]
    fn only_a_stream_without_an_error_is_a_success() {
        let done = r#"{"status":"Status: Downloaded newer image for a:1"}"#;
        let status = Some("Downloaded newer image for a:1".into());
        assert_eq!(pull(&[done]).finish(), Ok(Outcome { digest: None, status }));
        let failed = r#"{"errorDetail":{"message":"unexpected EOF"},"error":"unexpected EOF"}"#;
        let message = "unexpected EOF".to_owned();
        assert_eq!(pull(&[failed, done]).finish(), Err(Why::Refused { status: 200, message }));
        let unknown = r#"{"progressDetail":{},"error":"a: manifest unknown"}"#;
        assert_eq!(pull(&[unknown]).finish(), Err(Why::NotFound("a: manifest unknown".into())));
        assert_eq!(pull(&[]).finish(), Err(Why::Broken("the pull's answer is empty".into())));
        let mut cut = pull(&[done]);
        cut.push(b"{\"sta").unwrap();
        assert_eq!(cut.finish(), Err(Why::Broken("the stream ends within a value".into())));
    }
}

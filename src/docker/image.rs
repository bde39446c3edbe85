//! The Engine API's calls about images. Opens nothing.

use serde::Deserialize;

use crate::docker::answer;
use crate::docker::call::call;
use crate::docker::pull::{self, Pull};
use crate::docker::query::{encoded, encoded_image};
use crate::docker::types::or_default;
use crate::http::{Call, Method, Patience};

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Image {
    /// `sha256:…`
    pub id: String,
    /// `web:1`
    #[serde(default, deserialize_with = "or_default")]
    pub repo_tags: Vec<String>,
    /// `web@sha256:…`
    #[serde(default, deserialize_with = "or_default")]
    pub repo_digests: Vec<String>,
    /// On disk.
    #[serde(default, rename = "Size", deserialize_with = "or_default")]
    pub size_bytes: u64,
}

/// Is the image here? Docker API 1.41 `ImageInspect`: 200, 404.
pub fn inspect(image: &str) -> Call<Image> {
    let path = format!("/images/{}/json", encoded_image(image));
    call(format!("inspect image {image}"), Method::Get, path, answer::json)
}

/// Pulls an image. A reference without a tag means `latest`: an empty tag would pull every one.
/// `auth` is what a registry wants, as base64url JSON. Docker API 1.41 `ImageCreate`: 200, which is
/// not yet success (see [`Pull`]), 404 no such image, 500 no way to the registry.
pub fn pull(image: &str, auth: Option<&str>) -> Call<Pull> {
    let (name, tag) = name_and_tag(image);
    let path = format!("/images/create?fromImage={}&tag={}", encoded(name), encoded(tag));
    let mut call = call(format!("pull image {image}"), Method::Post, path, pull::read);
    call.patience = Patience::Endless;
    call.request.headers.extend(auth.map(|auth| ("x-registry-auth", auth.to_owned())));
    call
}

/// The name, and what comes after it: the digest, which says all, else the tag, else `latest`. The
/// colon of a registry's port has a `/` after it.
fn name_and_tag(image: &str) -> (&str, &str) {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let chosen = digest.or(tag).filter(|text| !text.is_empty());
    (name, chosen.unwrap_or("latest"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_split_where_the_engine_wants_it() {
        for (image, name, tag) in [
            ("redis", "redis", "latest"),
            ("redis:7", "redis", "7"),
            ("redis:", "redis", "latest"),
            ("host:5000/a/b", "host:5000/a/b", "latest"),
            ("host:5000/a/b:1", "host:5000/a/b", "1"),
            ("a/b@sha256:12", "a/b", "sha256:12"),
            ("host:5000/a/b:1@sha256:12", "host:5000/a/b", "sha256:12"),
        ] {
            assert_eq!(name_and_tag(image), (name, tag), "{image}");
        }
    }
}

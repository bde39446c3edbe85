//! An image reference taken apart for display. Not a check of it, and no registry is asked.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// How many characters of an id are shown in place of a name.
const SHORT_ID: usize = 12;

/// What stands before an id's digits.
const ALGORITHM: &str = "sha256:";

/// The least digits that count as an id: fewer are a name.
const LEAST_ID: usize = 4;

/// What is known of a container's image; empty where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Image {
    /// All before the last `/`, a registry included; `library` for a bare name.
    pub author: Cow<'static, str>,
    /// The last part, without tag and digest; for a bare id its first 12 digits.
    pub name: String,
    /// The image's own id, hex digits alone.
    pub sha256: String,
    /// The tag; `latest` when a name has neither tag nor digest.
    pub tag: Cow<'static, str>,
    /// What the image says of itself: label `org.opencontainers.image.version`.
    pub version: String,
}

impl fmt::Display for Image {
    /// As the user wrote it, without what is understood: `redis`, `ghcr.io/a/b:1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.author.is_empty() && self.author != "library" {
            write!(f, "{}/", self.author)?;
        }
        f.write_str(&self.name)?;
        if !self.tag.is_empty() && self.tag != "latest" {
            write!(f, ":{}", self.tag)?;
        }
        Ok(())
    }
}

/// Takes a reference apart (`name`, `author/name:tag`, `host:5000/a/b@sha256:…`, `sha256:…`, a bare
/// id), given the image's id as the engine tells it. `version` is left empty.
pub fn parse(reference: &str, id: String) -> Image {
    let mut sha256 = id;
    if sha256.starts_with(ALGORITHM) {
        sha256.drain(..ALGORITHM.len());
    }
    if let Some(digits) = bare_id(reference, &sha256) {
        let name = digits.get(..SHORT_ID).unwrap_or(digits).to_owned();
        let sha256 = if sha256.is_empty() { digits.to_owned() } else { sha256 };
        return Image { name, sha256, ..Image::default() };
    }
    let (path, digest) = match reference.split_once('@') {
        Some((path, digest)) => (path, Some(digest)),
        None => (reference, None),
    };
    let (author, last) = match path.rsplit_once('/') {
        Some((author, last)) => (Cow::Owned(author.to_owned()), last),
        None if path.is_empty() => ("".into(), path),
        None => ("library".into(), path),
    };
    let (name, tag) = match last.split_once(':') {
        Some((name, tag)) => (name, Cow::Owned(tag.to_owned())),
        None if digest.is_some() || last.is_empty() => (last, "".into()),
        None => (last, "latest".into()),
    };
    Image { author, name: name.to_owned(), sha256, tag, version: String::new() }
}

/// The digits of a reference that is an id: `sha256:…`, or what the image's id begins with. The
/// engine puts an id there when the tag has moved on to another image.
fn bare_id<'a>(reference: &'a str, sha256: &str) -> Option<&'a str> {
    if let Some(digits) = reference.strip_prefix(ALGORITHM) {
        return is_hex(digits).then_some(digits);
    }
    let whole = reference.len() == 64 && is_hex(reference);
    let begins = reference.len() >= LEAST_ID && sha256.starts_with(reference) && is_hex(reference);
    (whole || begins).then_some(reference)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "afa16739fabd35e34a324caca1947fd9260e8c4fa6492a12a9d82779f3600c0c";

    #[test]
    fn what_is_understood_is_not_shown() {
        let shown = |reference| parse(reference, ID.into()).to_string();
        assert_eq!(shown("redis"), "redis");
        assert_eq!(shown("library/redis:7"), "redis:7");
        assert_eq!(shown("ghcr.io/a/b:latest"), "ghcr.io/a/b");
        assert_eq!(shown(&format!("sha256:{ID}")), "afa16739fabd");
    }

    /// Author, name, tag.
    fn parts(reference: &str) -> (String, String, String) {
        let image = parse(reference, format!("sha256:{ID}"));
        assert_eq!((image.sha256.as_str(), image.version.as_str()), (ID, ""));
        (image.author.into(), image.name, image.tag.into())
    }

    fn same(reference: &str, author: &str, name: &str, tag: &str) {
        assert_eq!(parts(reference), (author.into(), name.into(), tag.into()), "{reference}");
    }

    #[test]
    fn a_bare_name_is_the_library_s_latest() {
        same("redis", "library", "redis", "latest");
        same("redis:7-alpine", "library", "redis", "7-alpine");
    }

    #[test]
    fn all_before_the_last_slash_is_the_author() {
        same("a/b", "a", "b", "latest");
        same("ghcr.io/a/b:1", "ghcr.io/a", "b", "1");
        same("localhost/bb:latest", "localhost", "bb", "latest");
        same("docker.io/library/redis", "docker.io/library", "redis", "latest");
    }

    #[test]
    fn a_registry_s_port_is_not_a_tag() {
        same("host:5000/b", "host:5000", "b", "latest");
        same("host:5000/a/b:1", "host:5000/a", "b", "1");
    }

    #[test]
    fn a_digest_is_not_a_tag_and_leaves_a_tag_standing() {
        same(&format!("a/b@sha256:{ID}"), "a", "b", "");
        same(&format!("b@sha256:{ID}"), "library", "b", "");
        same(&format!("host:5000/a/b:1@sha256:{ID}"), "host:5000/a", "b", "1");
    }

    #[test]
    fn an_id_is_no_name() {
        same(&format!("sha256:{ID}"), "", "afa16739fabd", "");
        same(ID, "", "afa16739fabd", "");
        same("afa16739fabd", "", "afa16739fabd", "");
        same("afa1", "", "afa1", "");
    }

    #[test]
    fn a_name_of_hex_digits_is_a_name_unless_the_id_begins_so() {
        same("cafe", "library", "cafe", "latest");
        same("deadbeefdead", "library", "deadbeefdead", "latest");
        same("afa", "library", "afa", "latest");
    }

    #[test]
    fn the_id_comes_with_and_without_its_prefix_or_not_at_all() {
        assert_eq!(parse("redis", ID.into()).sha256, ID);
        assert_eq!(parse("redis", String::new()).sha256, "");
        assert_eq!(parse(&format!("sha256:{ID}"), String::new()).sha256, ID);
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        assert_eq!(parse("", String::new()), Image::default());
    }

    #[test]
    fn odd_texts_do_no_harm() {
        for text in
            ["/", ":", "@", "a/", ":x", "@sha256:", "sha256:", "é/ü:ß@", "a//b", "a:b:c/d:e"]
        {
            parse(text, text.into());
        }
    }
}

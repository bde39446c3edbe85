//! What a registry wants to know, from Docker's configuration file. Runs no helper, opens no file.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE};
use serde_json::{Map, Value, json};

/// What docker/cli calls Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";

/// Whom to ask for a registry's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody knows any.
    None,
    /// They are known: the value of `X-Registry-Auth`.
    Known(String),
    /// This program (`docker-credential-…`), with `get` and the registry on its stdin.
    Helper {
        /// Its name.
        program: String,
        /// The registry, as it knows it.
        server: String,
    },
}

/// The registry of an image, as Docker's configuration names it (docker/cli: what is before the
/// first `/`, if it looks like a host).
pub fn server(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => match host {
            "docker.io" | "index.docker.io" => HUB,
            host => host,
        },
        _ => HUB,
    }
}

/// Where the credentials for an image come from, by `config.json` (docker/cli: a helper of the
/// registry's own, else the store, else what stands in the file itself).
///
/// # Errors
/// What can't be read in it. No secret is repeated.
pub fn source(config: &Value, image: &str) -> Result<Source, String> {
    let server = server(image);
    let helper = config["credHelpers"][server].as_str().or(config["credsStore"].as_str());
    if let Some(name) = helper.filter(|name| !name.is_empty()) {
        let program = format!("docker-credential-{name}");
        if name.contains('/') {
            return Err(format!("credential helper `{name}`: expected a name without `/`"));
        }
        return Ok(Source::Helper { program, server: server.to_owned() });
    }
    let Some(auths) = config["auths"].as_object() else { return Ok(Source::None) };
    let Some(entry) = entry(auths, server) else { return Ok(Source::None) };
    let field = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
    if let Some(token) = field("identitytoken") {
        return Ok(Source::Known(header(
            &json!({"identitytoken": token, "serveraddress": server}),
        )));
    }
    let (user, password) = match (field("auth"), field("username"), field("password")) {
        (Some(auth), ..) => user_and_password(auth)
            .ok_or_else(|| format!("auths: {server}: auth: expected USER:PASSWORD in base64"))?,
        (None, Some(user), Some(password)) => (user.to_owned(), password.to_owned()),
        _ => return Ok(Source::None),
    };
    Ok(Source::Known(by_password(&user, &password, server)))
}

/// What a helper's answer means (docker-credential-helpers: `Username` and `Secret`; the user
/// `<token>` has an identity token). `None`: it knows none.
///
/// # Errors
/// What can't be read in it.
pub fn from_helper(answer: &[u8], server: &str) -> Result<String, String> {
    let answer: Value =
        serde_json::from_slice(answer).map_err(|_| "its answer is not JSON".to_owned())?;
    match (answer["Username"].as_str(), answer["Secret"].as_str()) {
        (Some("<token>"), Some(token)) => {
            Ok(header(&json!({"identitytoken": token, "serveraddress": server})))
        }
        (Some(user), Some(secret)) => Ok(by_password(user, secret, server)),
        _ => Err("its answer has no Username and Secret".to_owned()),
    }
}

/// Whether a helper says that it knows no credentials, which is no failure
/// (docker-credential-helpers: `credentials not found in native keychain`).
pub fn knows_none(said: &str) -> bool {
    said.contains("credentials not found")
}

fn by_password(user: &str, password: &str, server: &str) -> String {
    header(&json!({"username": user, "password": password, "serveraddress": server}))
}

/// Old files have `https://host/v1/` where new ones have `host`.
fn entry<'a>(auths: &'a Map<String, Value>, server: &str) -> Option<&'a Value> {
    let bare = |name: &str| {
        let name = name.trim_start_matches("https://").trim_start_matches("http://");
        name.split('/').next().unwrap_or(name).to_owned()
    };
    let near = || auths.iter().find(|(name, _)| bare(name) == bare(server)).map(|(_, entry)| entry);
    auths.get(server).or_else(near)
}

fn user_and_password(auth: &str) -> Option<(String, String)> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let text = String::from_utf8(engine.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    let password = password.trim_end_matches('\0');
    (!user.is_empty()).then(|| (user.to_owned(), password.to_owned()))
}

/// Docker API, "Authentication": base64url of JSON.
fn header(value: &Value) -> String {
    URL_SAFE.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn said(header: &str) -> Value {
        serde_json::from_slice(&URL_SAFE.decode(header).unwrap()).unwrap()
    }

    fn known(config: Value, image: &str) -> Value {
        match source(&config, image) {
            Ok(Source::Known(header)) => said(&header),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_registry_is_what_looks_like_a_host() {
        for (image, expected) in [
            ("redis", HUB),
            ("me/app:1", HUB),
            ("docker.io/me/app", HUB),
            ("localhost/app", "localhost"),
            ("127.0.0.1:5000/app:1", "127.0.0.1:5000"),
            ("ghcr.io/me/app@sha256:12", "ghcr.io"),
        ] {
            assert_eq!(server(image), expected, "{image}");
        }
    }

    #[test]
    fn credentials_in_the_file_are_taken_as_they_are() {
        let auth = STANDARD.encode("me:pass:word");
        let expected = json!({"username": "me", "password": "pass:word", "serveraddress": "r.io"});
        assert_eq!(known(json!({"auths": {"r.io": {"auth": auth}}}), "r.io/a"), expected);
        let old =
            json!({"auths": {"https://r.io/v1/": {"username": "me", "password": "pass:word"}}});
        assert_eq!(known(old, "r.io/a"), expected);
        let token = json!({"auths": {HUB: {"auth": "", "identitytoken": "t"}}});
        assert_eq!(known(token, "a"), json!({"identitytoken": "t", "serveraddress": HUB}));
        assert_eq!(source(&json!({"auths": {"r.io": {}}}), "r.io/a"), Ok(Source::None));
        assert_eq!(source(&json!({}), "r.io/a"), Ok(Source::None));
        let bad = source(&json!({"auths": {"r.io": {"auth": "secret!"}}}), "r.io/a");
        assert_eq!(bad, Err("auths: r.io: auth: expected USER:PASSWORD in base64".into()));
    }

    #[test]
    fn a_helper_of_the_registry_goes_before_the_store() {
        let config = json!({"credHelpers": {"r.io": "own"}, "credsStore": "pass", "auths": {}});
        let helper = |program: &str, server: &str| Source::Helper {
            program: program.into(),
            server: server.into(),
        };
        assert_eq!(source(&config, "r.io/a"), Ok(helper("docker-credential-own", "r.io")));
        assert_eq!(source(&config, "a"), Ok(helper("docker-credential-pass", HUB)));
        assert!(source(&json!({"credsStore": "../x"}), "a").is_err());
    }

    #[test]
    fn a_helpers_answer_is_a_password_or_a_token() {
        let answer = br#"{"ServerURL":"r.io","Username":"me","Secret":"s"}"#;
        let expected = json!({"username": "me", "password": "s", "serveraddress": "r.io"});
        assert_eq!(from_helper(answer, "r.io").map(|header| said(&header)), Ok(expected));
        let token = br#"{"Username":"<token>","Secret":"t"}"#;
        let expected = json!({"identitytoken": "t", "serveraddress": "r.io"});
        assert_eq!(from_helper(token, "r.io").map(|header| said(&header)), Ok(expected));
        assert!(from_helper(b"{}", "r.io").is_err() && from_helper(b"no", "r.io").is_err());
    }
}

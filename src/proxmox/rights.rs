//! Who asks, and what they may: the token, the privileges that are needed, and the commands that
//! grant them. Sends nothing.

use std::fmt;

use crate::error::Why;
use crate::http::Call;

/// What is needed for each guest: to see it, and to start and stop it.
pub const NEEDED: [&str; 2] = ["VM.Audit", "VM.PowerMgmt"];

/// The role that the commands make.
const ROLE: &str = "Drowse";

/// An API token with its secret. `Debug` does not show that.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: String,
    header: String,
}

impl Token {
    /// The token `user@realm!name`.
    pub fn new(id: &str, secret: &str) -> Token {
        Token { id: id.to_owned(), header: format!("PVEAPIToken={id}={secret}") }
    }

    /// `user@realm!name`
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same call, asked with this token.
    pub fn sign<T>(&self, mut call: Call<T>) -> Call<T> {
        call.request.headers.push(("authorization", self.header.clone()));
        call
    }

    /// The way out of a refusal: the commands that grant what is missing, to be run as root on a
    /// node. Any other error stays as it is.
    pub fn way_out(&self, why: Why) -> Why {
        match why {
            Why::Forbidden(message) => {
                let missing = missing(&message).map(|(path, privilege)| {
                    let way = self.grant(path);
                    format!("the token {} lacks {privilege} on {path}: {way}", self.id)
                });
                Why::Forbidden(missing.unwrap_or_else(|| self.named(message)))
            }
            why => why,
        }
    }

    /// The commands that grant all that is needed on `/vms/101`, to the token and its user: a token
    /// has no more than its user has.
    pub fn grant(&self, path: &str) -> String {
        let (user, _) = self.id.split_once('!').unwrap_or((&self.id, ""));
        let (privileges, id) = (NEEDED.join(" "), &self.id);
        format!(
            "pveum role add {ROLE} --privs '{privileges}'; \
             pveum acl modify {path} --users '{user}' --tokens '{id}' --roles {ROLE}"
        )
    }

    /// `the token is not accepted`: which?
    fn named(&self, message: String) -> String {
        match message.strip_prefix("the token is ") {
            Some(rest) => format!("the token {} is {rest}", self.id),
            None => message,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id)
    }
}

/// Path and privilege of `Permission check failed (/vms/101, VM.PowerMgmt)`. Of several, which PVE
/// separates with `|`, any one will do.
fn missing(message: &str) -> Option<(&str, &str)> {
    let (_, rest) = message.split_once("Permission check failed (")?;
    let (path, privilege) = rest.split_once(')')?.0.split_once(", ")?;
    path.starts_with('/').then_some((path, privilege))
}

//! What a visitor gets who said something at the door of a container that does not run. Pure.

use crate::net::door::{Request, Said};
use crate::page::Client;
use crate::plan::Plan;

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It wakes, if it does not yet, and the visitor waits for it.
    Hold(Option<Client>),
    /// It wakes, and the visitor is shown that meanwhile.
    Page(Client),
    /// This does not wake it.
    Elsewhere(Client),
    /// The request is answered with this status.
    Refuse(u16),
    /// Nothing that could wake it came.
    Close,
}

/// Whether something wakes it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Wakes {
    Already,
    NotYet,
}

/// Decides by what was said, what the labels ask for, and whether it wakes already. Where there is
/// a `start_endpoint`, only that path begins a wake; who comes while it wakes is held like others.
pub fn greet(said: &Said, plan: &Plan, wakes: Wakes) -> Greeting {
    let is_open = plan.start_endpoint.is_none() || wakes == Wakes::Already;
    match said {
        Said::Bad(status) => Greeting::Refuse(*status),
        Said::Slow => Greeting::Refuse(408),
        Said::Other | Said::Silent if is_open => Greeting::Hold(None),
        Said::Other | Said::Silent => Greeting::Close,
        Said::Http(request) => {
            let client = client(request);
            let starts = plan.start_endpoint.as_ref().is_some_and(|path| *path == request.path);
            let takes_page = request.method == "GET" && request.accepts_html && !request.upgrade;
            match () {
                () if !is_open && !starts => Greeting::Elsewhere(client),
                () if takes_page && !plan.no_loading_page => Greeting::Page(client),
                () => Greeting::Hold(Some(client)),
            }
        }
    }
}

/// How somebody is answered who asked so.
pub fn client(request: &Request) -> Client {
    Client { is_head: request.method == "HEAD", accepts_html: request.accepts_html }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(labels: &[(&str, &str)]) -> Plan {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        crate::plan::read(&labels, &[], &crate::plan::Defaults::default(), &mut Vec::new())
    }

    fn request(method: &str, path: &str, accepts_html: bool) -> Said {
        let (method, path) = (method.to_owned(), path.to_owned());
        Said::Http(Request { method, path, accepts_html, upgrade: false })
    }

    const BROWSER: Client = Client { is_head: false, accepts_html: true };
    const CURL: Client = Client { is_head: false, accepts_html: false };

    #[test]
    fn a_browser_sees_the_page_and_all_others_wait() {
        let plain = plan(&[]);
        let of = |said: &Said| greet(said, &plain, Wakes::NotYet);
        assert_eq!(of(&request("GET", "/", true)), Greeting::Page(BROWSER));
        assert_eq!(of(&request("GET", "/", false)), Greeting::Hold(Some(CURL)));
        assert_eq!(of(&request("POST", "/", true)), Greeting::Hold(Some(BROWSER)));
        let head = Client { is_head: true, accepts_html: true };
        assert_eq!(of(&request("HEAD", "/", true)), Greeting::Hold(Some(head)));
        assert_eq!(of(&Said::Other), Greeting::Hold(None));
        assert_eq!(of(&Said::Silent), Greeting::Hold(None));
        assert_eq!(of(&Said::Bad(431)), Greeting::Refuse(431));
        assert_eq!(of(&Said::Slow), Greeting::Refuse(408));
        let websocket =
            Request { method: "GET".into(), path: "/".into(), accepts_html: true, upgrade: true };
        assert_eq!(of(&Said::Http(websocket)), Greeting::Hold(Some(BROWSER)));
        let no_page = plan(&[("proxy.no_loading_page", "true")]);
        let held = greet(&request("GET", "/", true), &no_page, Wakes::NotYet);
        assert_eq!(held, Greeting::Hold(Some(BROWSER)));
    }

    #[test]
    fn only_the_start_endpoint_wakes_where_there_is_one() {
        let plan = plan(&[("proxy.start_endpoint", "/start#here")]);
        let of = |said: &Said| greet(said, &plan, Wakes::NotYet);
        assert_eq!(of(&request("GET", "/start", true)), Greeting::Page(BROWSER));
        assert_eq!(of(&request("GET", "/start", false)), Greeting::Hold(Some(CURL)));
        for path in ["/", "/start/", "/start2", "/Start"] {
            assert_eq!(of(&request("GET", path, true)), Greeting::Elsewhere(BROWSER), "{path}");
        }
        assert_eq!(of(&request("POST", "/", false)), Greeting::Elsewhere(CURL));
        assert_eq!(of(&Said::Other), Greeting::Close);
        assert_eq!(of(&Said::Silent), Greeting::Close);
        let meanwhile = |said: &Said| greet(said, &plan, Wakes::Already);
        assert_eq!(meanwhile(&request("GET", "/a.css", false)), Greeting::Hold(Some(CURL)));
        assert_eq!(meanwhile(&request("GET", "/", true)), Greeting::Page(BROWSER));
        assert_eq!(meanwhile(&Said::Other), Greeting::Hold(None));
    }
}

//! What a client at a door is answered with in place of the container: the loading page, and the
//! errors. Pure: bytes out, whole responses. Whoever answered so closes the connection after it.
//!
//! The page needs nothing but itself. Without scripts it loads itself anew; with them it asks for
//! its own address until something else than the page answers, and is loaded anew once. Every text
//! that comes from a label or an engine is escaped.

use std::fmt::Write;
use std::time::Duration;

use crate::duration;

/// The frame of every page; `{{…}}` are the places to fill.
const FRAME: &str = include_str!("page.html");

/// The page loads itself anew this often where there are no scripts.
const REFRESH_SECS: u64 = 2;

/// How long after a failed wake the next knock tries again.
const RETRY_SECS: u64 = 5;

/// Names of what is waited for; more are counted.
const SHOWN_LIMIT: usize = 12;

/// The most of a text that is shown, in characters.
const TEXT_LIMIT: usize = 300;

/// Nothing but what is in the page, whatever a text in it might say.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
     script-src 'unsafe-inline'; connect-src 'self'; img-src data:";

/// Asks until something else answers; the clock goes on between two answers.
const SCRIPT: &str = "<script>
const again = async () => {
  try {
    const got = await fetch(location.href, {cache: 'no-store', headers: {Accept: 'text/html'}});
    if (got.status !== 202 || !got.headers.has('drowse')) return location.reload();
    const page = new DOMParser().parseFromString(await got.text(), 'text/html');
    document.querySelector('main').replaceWith(page.querySelector('main'));
  } catch {}
  setTimeout(again, 500);
};
setTimeout(again, 500);
</script>
";

/// Who is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The request was HEAD: the same head, but no body (RFC 9110 §9.3.2).
    pub is_head: bool,
    /// Wants `text/html`; else a line of text is enough.
    pub accepts_html: bool,
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It wakes: the loading page, 202.
    Wakes(Waking<'a>),
    /// Only another path wakes it: 403.
    Elsewhere {
        /// The container's name.
        name: &'a str,
    },
    /// It could not be woken: 504.
    Failed {
        /// The container's name.
        name: &'a str,
        /// Why not.
        why: &'a str,
    },
    /// More than can be held: 503.
    Full {
        /// The container's name.
        name: &'a str,
    },
    /// A request that nobody should pass on, or that came too slowly; the status says which.
    Bad(u16),
}

/// A wake under way, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waking<'a> {
    /// The container's name.
    pub name: &'a str,
    /// What it needs first, and how that is, in a word.
    pub needs: Vec<(&'a str, &'static str)>,
    /// Since the first knock.
    pub elapsed: Duration,
    /// How long a wake usually takes; `None`: this is the first.
    pub usual: Option<Duration>,
}

/// The whole response, head and body.
pub fn response(answer: &Answer<'_>, client: Client) -> Vec<u8> {
    let (status, headers) = match answer {
        Answer::Wakes(_) => ("202 Accepted", format!("drowse: wakes\r\n{}", retry(REFRESH_SECS))),
        Answer::Elsewhere { .. } => ("403 Forbidden", String::new()),
        Answer::Failed { .. } => ("504 Gateway Timeout", retry(RETRY_SECS)),
        Answer::Full { .. } => ("503 Service Unavailable", retry(RETRY_SECS)),
        Answer::Bad(408) => ("408 Request Timeout", String::new()),
        Answer::Bad(431) => ("431 Request Header Fields Too Large", String::new()),
        Answer::Bad(_) => ("400 Bad Request", String::new()),
    };
    let (kind, body) = match client.accepts_html {
        true => ("text/html", page(answer, status)),
        false => ("text/plain", format!("{}\n", line(answer, status))),
    };
    let mut text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}; charset=utf-8\r\n\
         content-length: {}\r\ncache-control: no-store\r\n\
         content-security-policy: {POLICY}\r\nreferrer-policy: no-referrer\r\n\
         x-content-type-options: nosniff\r\n{headers}connection: close\r\n\r\n",
        body.len()
    );
    if !client.is_head {
        text += &body;
    }
    text.into_bytes()
}

fn retry(secs: u64) -> String {
    format!("retry-after: {secs}\r\n")
}

fn page(answer: &Answer<'_>, status: &str) -> String {
    let (title, main) = match answer {
        Answer::Wakes(waking) => waking_main(waking),
        Answer::Failed { name, why } => {
            let title = format!("{} could not be woken", escaped(name));
            let main = format!("<p>{}</p>\n<p><a href=\"\">Try again</a></p>\n", escaped(why));
            (title, main)
        }
        Answer::Elsewhere { .. } | Answer::Full { .. } | Answer::Bad(_) => {
            (escaped(status), format!("<p>{}</p>\n", escaped(&line(answer, status))))
        }
    };
    let is_waking = matches!(answer, Answer::Wakes(_));
    let refresh =
        format!("<noscript><meta http-equiv=\"refresh\" content=\"{REFRESH_SECS}\"></noscript>\n");
    let main = format!("<h1>{title}</h1>\n{main}");
    let places = [
        ("title", title.as_str()),
        ("refresh", if is_waking { &refresh } else { "" }),
        ("main", &main),
        ("script", if is_waking { SCRIPT } else { "" }),
    ];
    fill(FRAME, &places)
}

fn waking_main(waking: &Waking<'_>) -> (String, String) {
    let title = format!("{} is waking up", escaped(waking.name));
    let elapsed = seconds(waking.elapsed);
    let (bar, usual) = match waking.usual {
        Some(usual) => {
            let percent = share_percent(waking.elapsed, usual);
            (format!("<i style=\"width:{percent}%\"></i>"), format!(", usually {}", seconds(usual)))
        }
        None => ("<i class=\"any\"></i>".to_owned(), String::new()),
    };
    let mut main = format!("<div class=\"bar\">{bar}</div>\n<p>{elapsed} so far{usual}.</p>\n");
    if !waking.needs.is_empty() {
        main += "<p>It needs these first:</p>\n<ul>\n";
        for (name, state) in waking.needs.iter().take(SHOWN_LIMIT) {
            let _ = writeln!(main, "<li><b>{}</b> {}</li>", escaped(name), escaped(state));
        }
        if let Some(more) = waking.needs.len().checked_sub(SHOWN_LIMIT).filter(|more| *more > 0) {
            let _ = writeln!(main, "<li>and {more} more</li>");
        }
        main += "</ul>\n";
    }
    (title, main)
}

/// The same for who does not want a page.
fn line(answer: &Answer<'_>, status: &str) -> String {
    let mut text = match answer {
        Answer::Wakes(waking) => format!("{} is waking up", shortened(waking.name)),
        Answer::Elsewhere { name } => {
            format!("{} is asleep, and this path does not wake it", shortened(name))
        }
        Answer::Failed { name, why } => {
            format!("{} could not be woken: {}", shortened(name), shortened(why))
        }
        Answer::Full { name } => {
            format!("{} is waking up, and too many wait for it already", shortened(name))
        }
        Answer::Bad(_) => status.to_owned(),
    };
    text.retain(|c| !c.is_control());
    text
}

/// Never whole before it is over.
fn share_percent(elapsed: Duration, usual: Duration) -> u128 {
    (100 * elapsed.as_millis() / usual.as_millis().max(1)).clamp(2, 95)
}

/// Nobody wants milliseconds here, but no usual time is nothing.
fn seconds(time: Duration) -> String {
    match time {
        Duration::ZERO => "0s".to_owned(),
        time if time < Duration::from_secs(1) => "less than 1s".to_owned(),
        time => duration::show(Duration::from_secs(time.as_secs())),
    }
}

/// Fit to stand in an element or an attribute in quotes, and not too long.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in shortened(text).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// Each place of the frame with its text; what a text holds is never a place.
fn fill(frame: &str, places: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(frame.len() * 2);
    let mut rest = frame;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        out += before;
        let text = places.iter().find(|(place, _)| *place == name);
        out += text.map_or("", |(_, text)| text);
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: Client = Client { is_head: false, accepts_html: true };
    const CURL: Client = Client { is_head: false, accepts_html: false };

    fn waking() -> Answer<'static> {
        Answer::Wakes(Waking {
            name: "web",
            needs: vec![("db", "starts"), ("cache", "awake")],
            elapsed: Duration::from_millis(1500),
            usual: Some(Duration::from_secs(4)),
        })
    }

    fn split(response: &[u8]) -> (String, String) {
        let text = String::from_utf8(response.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    #[test]
    fn the_loading_page_says_what_is_waited_for_and_how_long() {
        let (head, body) = split(&response(&waking(), BROWSER));
        assert!(head.starts_with("HTTP/1.1 202 Accepted\r\n"), "{head}");
        for header in ["cache-control: no-store", "retry-after: 2", "connection: close"] {
            assert!(head.lines().any(|line| line == header), "{header} in {head}");
        }
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
        for part in [
            "<title>web is waking up</title>",
            "<h1>web is waking up</h1>",
            "<p>1s so far, usually 4s.</p>",
            "width:37%",
            "<li><b>db</b> starts</li>",
            "<li><b>cache</b> awake</li>",
            "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>",
            "<script>",
        ] {
            assert!(body.contains(part), "{part} in {body}");
        }
        assert!(!body.contains("{{"), "{body}");
    }

    #[test]
    fn the_page_is_small_and_needs_nothing_from_elsewhere() {
        let long = "ä".repeat(100_000);
        let many: Vec<(&str, &'static str)> = (0..1000).map(|_| ("db", "asleep")).collect();
        let answer = Answer::Wakes(Waking {
            name: "web",
            needs: many,
            elapsed: Duration::from_secs(90_061),
            usual: None,
        });
        let (head, body) = split(&response(&answer, BROWSER));
        assert!(head.len() + body.len() < 8 << 10, "{} bytes", body.len());
        assert!(body.contains("<li>and 988 more</li>"));
        for word in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!body.contains(word), "{word}");
        }
        let failed = Answer::Failed { name: &long, why: &long };
        assert!(response(&failed, BROWSER).len() < 8 << 10);
        assert!(response(&failed, CURL).len() < 8 << 10);
    }

    #[test]
    fn no_text_of_others_becomes_markup_or_a_header() {
        let evil = "</h1><script>alert('1')</script>\r\nset-cookie: a=b\r\n{{script}}\" onload=x";
        let answers = [
            Answer::Wakes(Waking {
                name: evil,
                needs: vec![(evil, "asleep")],
                ..Waking::default()
            }),
            Answer::Failed { name: evil, why: evil },
            Answer::Elsewhere { name: evil },
            Answer::Full { name: evil },
        ];
        for answer in answers {
            let (head, body) = split(&response(&answer, BROWSER));
            assert!(!head.contains("set-cookie"), "{head}");
            assert!(!body.contains("<script>alert"), "{body}");
            assert!(!body.contains("alert('"), "{body}");
            assert!(body.matches("<script>").count() <= 1, "{body}");
            let (head, body) = split(&response(&answer, CURL));
            assert!(head.contains("content-type: text/plain"), "{head}");
            assert_eq!(body.lines().count(), 1, "{body}");
        }
    }

    #[test]
    fn the_errors_have_their_status_and_nobody_keeps_them() {
        let of = |answer: Answer<'_>| split(&response(&answer, CURL));
        let (head, body) = of(Answer::Failed { name: "web", why: "it ended" });
        assert!(head.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"), "{head}");
        assert!(head.contains("\r\nretry-after: 5\r\n"), "{head}");
        assert_eq!(body, "web could not be woken: it ended\n");
        let (head, body) = of(Answer::Elsewhere { name: "web" });
        assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{head}");
        assert_eq!(body, "web is asleep, and this path does not wake it\n");
        for (status, line) in [
            (400, "HTTP/1.1 400 Bad Request"),
            (408, "HTTP/1.1 408 Request Timeout"),
            (431, "HTTP/1.1 431 Request Header Fields Too Large"),
        ] {
            assert!(of(Answer::Bad(status)).0.starts_with(line));
        }
        let full = Answer::Full { name: "web" };
        assert!(of(full.clone()).0.starts_with("HTTP/1.1 503 "));
        for answer in [full, Answer::Bad(400), waking()] {
            assert!(of(answer).0.contains("\r\ncache-control: no-store\r\n"));
        }
    }

    #[test]
    fn a_head_request_gets_the_head_of_the_same_answer() {
        let failed = Answer::Failed { name: "web", why: "it ended" };
        for client in [BROWSER, CURL] {
            let (head, body) = split(&response(&failed, client));
            let bare = split(&response(&failed, Client { is_head: true, ..client }));
            assert_eq!(bare, (head, String::new()));
            assert!(!body.is_empty());
        }
    }

    #[test]
    fn times_are_told_in_whole_seconds() {
        assert_eq!(seconds(Duration::ZERO), "0s");
        assert_eq!(seconds(Duration::from_millis(999)), "less than 1s");
        assert_eq!(seconds(Duration::from_millis(61_900)), "1m1s");
        let secs = Duration::from_secs;
        assert_eq!(share_percent(secs(1), secs(4)), 25);
        assert_eq!(share_percent(secs(0), secs(4)), 2);
        assert_eq!(share_percent(secs(9), Duration::ZERO), 95);
    }
}

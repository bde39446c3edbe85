//! Front and stand-in doors, what a browser and a stranger see at a door, and what is counted.

use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::client::{body, connect, get, say};
use super::stage::{Stage, at, enter, inside, until};
use super::{IDLE, POLL, SLOW, WEB};

/// The file that no test's browser keeps.
fn browser() -> Option<&'static str> {
    let found = ["/usr/bin/chromium"].into_iter().find(|path| std::path::Path::new(path).exists());
    if found.is_none() {
        eprintln!("left out: no chromium");
    }
    found
}

#[test]
fn without_rules_drowse_stands_in_and_front_doors_need_none() {
    let config = format!("{POLL}\ndoors: {{redirect: off}}\nmetrics: 127.0.0.1:9420");
    let Some(mut stage) = Stage::start("drfront", &config) else { return };
    stage.enter();
    let idle = |more: &[&'static str]| [&IDLE[..], more].concat();
    stage.create("stood", SLOW, &idle(&["-p", "8080:80"]));
    stage.create("front", WEB, &idle(&["--label", "proxy.front.port=9080:80"]));
    stage.create("boots", SLOW, &idle(&["--label", "proxy.boots.port=9083:80"]));
    let only = ["--label", "proxy.start.port=9081:80", "--label", "proxy.start_endpoint=/go"];
    stage.create("start", WEB, &idle(&only));
    let fails = ["--label", "proxy.fails.port=9082:80", "--label", "proxy.wake_timeout=3s"];
    stage.create("fails", "exit 3", &idle(&fails));
    for name in ["stood", "front", "start", "fails"] {
        stage.until_held(name);
    }
    let kinds = |name: &str| stage.row(name)["doors"][0]["kind"].as_str().unwrap().to_owned();
    assert_eq!([kinds("stood"), kinds("front")], ["stand-in", "front"]);
    assert_eq!(stage.row("stood")["doors"][0]["why"], "doors.redirect is off");
    assert!(!stage.inside("nft", &["list", "table", "inet", "drowse"]).status().unwrap().success());

    // Who came before the start is held over it; after it the engine has the port.
    assert_eq!(body(at("127.0.0.1:8080")).unwrap(), "slow\n");
    stage.until_held("stood");
    assert_eq!(body(at("[::1]:8080")).unwrap(), "slow\n");

    // A front door, asleep and awake; what goes through it is activity.
    for _ in 0..8 {
        assert_eq!(body(at("127.0.0.1:9080")).unwrap(), "hello\n");
        thread::sleep(Duration::from_millis(250));
    }
    assert_eq!(stage.row("front")["doors"][0]["state"], "passes");
    stage.until_held("front");
    who_comes_while_it_boots_is_held(&stage);

    only_its_endpoint_wakes(&stage);
    who_fails_is_told(&stage);
    it_is_counted(&stage);
    hostile_heads_get_nowhere(&stage);
    by_hand_and_killed_hard(&mut stage);
}

/// While a stand-in door stands its container can't be started by hand; a daemon killed hard leaves
/// no door.
fn by_hand_and_killed_hard(stage: &mut Stage) {
    stage.until_held("stood");
    assert_ne!(stage.docker(&["start", "stood"]).0, Some(0));
    assert_eq!(body(at("127.0.0.1:8080")).unwrap(), "slow\n");
    stage.until_held("stood");
    stage.signal(rustix::process::Signal::KILL);
    stage.ended();
    // At the published port nobody stands in any more, and at the front door nobody listens.
    assert!(body(at("127.0.0.1:8080")).is_err() && body(at("127.0.0.1:9080")).is_err());
    assert_eq!(stage.docker(&["start", "stood"]).0, Some(0));
    until("it answers", || body(at("127.0.0.1:8080")).is_ok_and(|heard| heard == "slow\n"));
    stage.start_daemon();
    stage.until_held("front");
    assert_eq!(body(at("127.0.0.1:9080")).unwrap(), "hello\n");
    // A front door is in nobody's way.
    stage.until_held("front");
    assert_eq!(stage.docker(&["start", "front"]).0, Some(0));
    stage.until_is("front", "awake");
    assert_eq!(body(at("127.0.0.1:9080")).unwrap(), "hello\n");
}

fn who_comes_while_it_boots_is_held(stage: &Stage) {
    let begun = Instant::now();
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let network = stage.network().to_owned();
            thread::spawn(move || {
                enter(&network);
                thread::sleep(Duration::from_millis(number * 200));
                (body(at("127.0.0.1:9083")).unwrap(), begun.elapsed())
            })
        })
        .collect();
    let heard: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(heard.iter().all(|(body, _)| body == "slow\n"), "{heard:?}");
    assert!(heard[0].1 >= Duration::from_millis(1500), "some came while it booted: {heard:?}");
}

fn only_its_endpoint_wakes(stage: &Stage) {
    let refused = get(at("127.0.0.1:9081"), "/", "Accept: text/html\r\n").unwrap();
    assert!(refused.0.starts_with("HTTP/1.1 403 "), "{refused:?}");
    assert_eq!(stage.row("start")["state"], "asleep");
    let page = get(at("127.0.0.1:9081"), "/go?now", "Accept: text/html\r\n").unwrap();
    assert!(page.0.starts_with("HTTP/1.1 202 "), "{page:?}");
    stage.until_is("start", "awake");
    assert_eq!(body(at("127.0.0.1:9081")).unwrap(), "hello\n");
}

fn who_fails_is_told(stage: &Stage) {
    let failed = get(at("127.0.0.1:9082"), "/", "").unwrap();
    assert!(failed.0.starts_with("HTTP/1.1 504 "), "{failed:?}");
    assert!(failed.1.starts_with("fails could not be woken: "), "{failed:?}");
    // At once, while the failure is fresh.
    let again = get(at("127.0.0.1:9082"), "/", "Accept: text/html\r\n").unwrap();
    assert!(again.0.starts_with("HTTP/1.1 504 "), "{again:?}");
    let head = say(at("127.0.0.1:9082"), b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 504 ") && head.ends_with("\r\n\r\n"), "{head:?}");
    // Another protocol: closed.
    assert_eq!(say(at("127.0.0.1:9082"), b"\x16\x03\x01").unwrap_or_default(), "");
    stage.until_is("fails", "asleep");
    let problems = stage.row("fails")["problems"].to_string();
    assert!(problems.contains("the last wake failed: "), "{problems}");
    let tried = get(at("127.0.0.1:9082"), "/", "").unwrap();
    assert!(tried.0.starts_with("HTTP/1.1 504 "), "{tried:?}");
}

fn it_is_counted(stage: &Stage) {
    let (head, text) = get(at("127.0.0.1:9420"), "/metrics", "").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let of = |name: &str, container: &str| -> f64 {
        let start = format!("drowse_{name}{{engine=\"own\",name=\"{container}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {start} in {text}")).parse().unwrap()
    };
    assert!(of("wakes_total", "stood") >= 2.0);
    assert!(of("wake_failures_total", "fails") >= 2.0);
    assert!(of("door_bytes_total", "front") > 500.0);
    assert!(of("asleep_seconds_total", "start") > 0.0);
    assert_eq!(of("held_connections", "front"), 0.0);
    assert_eq!(get(at("127.0.0.1:9420"), "/healthz", "").unwrap().1, "ok\n");
    let nothing = get(at("127.0.0.1:9420"), "/", "").unwrap();
    assert!(nothing.0.starts_with("HTTP/1.1 404 "), "{nothing:?}");
    assert!(stage.row("front")["last_wake_ms"].is_u64());
}

/// Shapes that smuggle, endless heads, and many who say nothing: refused, and no other door minds.
fn hostile_heads_get_nowhere(stage: &Stage) {
    stage.until_held("start");
    let to = at("127.0.0.1:9081");
    for shape in [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    ] {
        let heard = say(to, shape.as_bytes()).unwrap();
        assert!(heard.starts_with("HTTP/1.1 400 "), "{shape}: {heard}");
    }
    let endless = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(4000));
    let heard = say(to, endless.as_bytes()).unwrap_or("HTTP/1.1 431 ".into());
    assert!(heard.starts_with("HTTP/1.1 431 "), "{heard}");
    let silent: Vec<_> = (0..500).map(|_| connect(to).unwrap()).collect();
    let mut slow = connect(to).unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
    assert_eq!(stage.row("start")["state"], "asleep");
    let begun = Instant::now();
    assert_eq!(body(at("127.0.0.1:9080")).unwrap(), "hello\n");
    eprintln!("beside 500 silent clients a wake took {:?}", begun.elapsed());
    let mut heard = String::new();
    slow.read_to_string(&mut heard).unwrap();
    assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
    drop(silent);
    assert_eq!(stage.row("start")["state"], "asleep");
}

#[test]
fn a_browser_sees_the_page_and_then_the_app_without_a_click() {
    let Some(chromium) = browser() else { return };
    let Some(stage) = Stage::start("drpage", POLL) else { return };
    stage.enter();
    // What only a browser asks for that shows the app.
    let slow = "mkdir -p /w; echo '<p>the app itself<img src=/seen.png>' > /w/index.html; \
         sleep 2; exec httpd -f -vv -p 80 -h /w";
    stage.create("app", slow, &[IDLE[0], IDLE[1], IDLE[2], "-p", "8080:80"]);
    for (number, scripts) in ["with", "without"].into_iter().enumerate() {
        stage.until_held("app");
        let profile = stage.file(scripts).display().to_string();
        let profile = format!("--user-data-dir={profile}");
        let mut args = vec!["--headless", "--no-sandbox", "--disable-gpu", &profile];
        args.extend(["--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0"]);
        if scripts == "without" {
            args.push("--blink-settings=scriptEnabled=false");
        }
        args.push("http://127.0.0.1:8080/");
        let mut browser = inside(stage.network(), chromium, &args)
            .env("HOME", stage.file(scripts))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let seen = || stage.docker(&["logs", "app"]).1.matches("seen.png").count();
        until("the browser shows the app", || seen() > number);
        assert!(stage.has_logged("shown the page"), "{scripts} scripts");
        stage.log.lock().unwrap().clear();
        browser.kill().unwrap();
        browser.wait().unwrap();
    }
}

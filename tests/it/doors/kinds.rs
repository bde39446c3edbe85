//! Stand-in and front doors beside others: who has their port already, from where they are reached,
//! and what a missing right comes to.

use std::net::TcpListener;
use std::thread;

use super::client::{body, get};
use super::stage::{Stage, at, enter, until};
use super::{IDLE, POLL, WEB};

/// A web server that answers something else.
const OTHER: &str = "echo other > /var/www/index.html; exec httpd -f -p 80 -h /var/www";

fn idle<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&IDLE[..], more].concat()
}

#[test]
fn stand_in_and_front_doors_leave_a_port_to_whoever_has_it() {
    let config = format!("{POLL}\ndoors: {{redirect: off}}");
    let Some(stage) = Stage::start("drkeeps", &config) else { return };
    stage.enter();
    let programs = ["0.0.0.0:8080", "0.0.0.0:9080"].map(|place| TcpListener::bind(place).unwrap());
    for port in ["8081", "9081"] {
        let port = format!("{port}:80");
        let run = ["run", "-d", "-p", &port, "drowse-test:latest", "sh", "-c", OTHER];
        assert_eq!(stage.docker(&run).0, Some(0));
    }
    let sleepers = [
        ("stood", ["-p", "8080:80"], "8080", "address already in use"),
        ("fronted", ["--label", "proxy.fronted.port=9080:80"], "9080", "address already in use"),
        ("beside", ["-p", "8081:80"], "8081", "runs with it"),
        ("before", ["--label", "proxy.before.port=9081:80"], "9081", "publishes it"),
    ];
    for (name, args, _, why) in &sleepers {
        stage.create(name, WEB, &idle(args));
        stage.until_row(name, "told why it has no door", |row| {
            row["problems"].to_string().contains(why)
        });
    }
    for (program, place) in programs.iter().zip(["127.0.0.1:8080", "127.0.0.1:9080"]) {
        drop(std::net::TcpStream::connect(place).unwrap());
        program.accept().unwrap();
    }
    for place in ["127.0.0.1:8081", "127.0.0.1:9081"] {
        assert_eq!(body(at(place)).unwrap(), "other\n");
    }
    // Who published a port has it too while it sleeps, whether it came later or before.
    stage.create("late", WEB, &idle(&["--label", "proxy.late.port=8083:80"]));
    stage.until_held("late");
    stage.create("owner", WEB, &idle(&["-p", "8083:80", "-p", "8084:80"]));
    stage.create("second", WEB, &idle(&["--label", "proxy.second.port=8084:80"]));
    for name in ["late", "second"] {
        stage.until_row(name, "told who has its port", |row| {
            row["problems"].to_string().contains("own/owner publishes it")
        });
    }
    stage.until_held("owner");
    assert_eq!(body(at("127.0.0.1:8083")).unwrap(), "hello\n");
    let checked = stage.check();
    for name in ["late", "second"] {
        assert!(checked.contains(&format!("own/{name}: port: 808")), "{checked}");
    }
    assert_eq!(stage.docker(&["rm", "-f", "owner"]).0, Some(0));
    stage.until_held("late");
    assert_eq!(body(at("127.0.0.1:8083")).unwrap(), "hello\n");
    // When they go the doors are had.
    drop(programs);
    for id in stage.docker(&["ps", "-q"]).1.lines() {
        stage.docker(&["rm", "-f", id]);
    }
    for (name, _, port, _) in &sleepers {
        stage.until_held(name);
        let place = format!("127.0.0.1:{port}");
        until("it answers", || body(at(&place)).is_ok_and(|heard| heard == "hello\n"));
    }
}

#[test]
fn a_stand_in_door_is_as_wide_as_the_binding_and_a_front_door_as_bind_says() {
    let config = format!("{POLL}\ndoors: {{redirect: off}}");
    let Some(stage) = Stage::start("drreach", &config) else { return };
    stage.enter();
    let bound = ["--label", "proxy.bound.port=9080:80", "--label", "proxy.bound.bind=127.0.0.1"];
    stage.create("local", WEB, &idle(&["-p", "127.0.0.1:8080:80"]));
    stage.create("every", WEB, &idle(&["-p", "8081:80"]));
    stage.create("bound", WEB, &idle(&bound));
    stage.create("open", WEB, &idle(&["--label", "proxy.open.port=9081:80"]));
    let far = stage.neighbour();
    for name in ["local", "every", "bound", "open"] {
        stage.until_held(name);
    }
    let from_far = |to: String| {
        let far = far.clone();
        let asked = thread::spawn(move || {
            enter(&far);
            get(at(&to), "/", "").map(|(_, body)| body)
        });
        asked.join().unwrap()
    };
    for host in ["10.99.0.1", "[fd99::1]"] {
        for port in [8080, 9080] {
            assert!(from_far(format!("{host}:{port}")).is_err(), "{host}:{port}");
        }
        for (name, port) in [("every", 8081), ("open", 9081)] {
            stage.until_held(name);
            assert_eq!(from_far(format!("{host}:{port}")).unwrap(), "hello\n");
        }
    }
    for name in ["local", "bound"] {
        assert_eq!(stage.row(name)["state"], "asleep", "{name}");
    }
    for port in [8080, 9080] {
        assert_eq!(body(at(&format!("127.0.0.1:{port}"))).unwrap(), "hello\n");
    }
}

#[test]
fn what_a_missing_right_comes_to_is_told() {
    let Some(mut stage) = Stage::start("drrights", POLL) else { return };
    stage.enter();
    let rights = "--bounding-set=-net_admin,-net_bind_service";
    stage.by = ["setpriv", rights].map(str::to_owned).to_vec();
    stage.daemon_again();
    stage.create("web", WEB, &idle(&["-p", "8080:80"]));
    stage.create("low", WEB, &idle(&["-p", "81:80"]));
    stage.create("front", WEB, &idle(&["--label", "proxy.front.port=82:80"]));
    stage.until_held("web");
    let door = stage.row("web")["doors"][0].clone();
    assert_eq!(door["kind"], "stand-in");
    assert!(door["why"].as_str().is_some_and(|why| why.contains("not permitted")), "{door}");
    assert_eq!(body(at("127.0.0.1:8080")).unwrap(), "hello\n");
    for name in ["low", "front"] {
        stage.until_row(name, "told what it lacks", |row| {
            row["problems"].to_string().contains("CAP_NET_BIND_SERVICE")
        });
    }
    let log = stage.log.lock().unwrap();
    assert_eq!(log.iter().filter(|line| line.contains("no redirect doors")).count(), 1);
}

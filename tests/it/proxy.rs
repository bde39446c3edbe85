//! A proxy between a client and an engine that splits, delays and cuts what it carries, by seed.
//! Counts what is asked; understands no more of HTTP than a request's first line.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;

/// How long a connection may be silent before its end is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A proxy on a socket of its own; its threads end with the test program.
pub struct Proxy {
    /// `unix://…`
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    engine: PathBuf,
    foul: AtomicBool,
    cuts: AtomicUsize,
    /// Samples that are waited for, and the most at once.
    samples: Mutex<(usize, usize)>,
    asked: Mutex<Vec<(Instant, String)>>,
    /// A request line with this waits.
    held: Mutex<Option<String>>,
}

/// What a connection will suffer.
struct Fate {
    dice: Dice,
    after_bytes: Option<usize>,
    after: Option<Instant>,
}

impl Proxy {
    /// Listens on `dir/name` and carries everything to the engine's socket, in fair weather.
    pub fn start(dir: &Path, name: &str, engine: &Path) -> Proxy {
        Proxy::listen(dir, name, engine, None)
    }

    /// The same in foul weather, until [`Proxy::calm`].
    pub fn foul(dir: &Path, name: &str, engine: &Path, seed: u64) -> Proxy {
        Proxy::listen(dir, name, engine, Some(seed))
    }

    fn listen(dir: &Path, name: &str, engine: &Path, seed: Option<u64>) -> Proxy {
        let path = dir.join(name);
        let listener = UnixListener::bind(&path).unwrap();
        let shared = Arc::new(Shared {
            engine: engine.into(),
            foul: AtomicBool::new(seed.is_some()),
            cuts: AtomicUsize::new(0),
            samples: Mutex::default(),
            asked: Mutex::default(),
            held: Mutex::default(),
        });
        let (url, own) = (format!("unix://{}", path.display()), shared.clone());
        let mut dice = Dice::new(seed.unwrap_or_default());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, fate) = (own.clone(), Fate::draw(dice.clone()));
                dice.roll(2);
                thread::spawn(move || carry(client, &shared, fate));
            }
        });
        Proxy { url, shared }
    }

    /// No more cuts, delays and splits, on old connections neither.
    pub fn calm(&self) {
        self.shared.foul.store(false, Ordering::SeqCst);
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// Holds back who asks for this, from now on; `None`: nobody.
    pub fn hold(&self, what: Option<String>) {
        *self.shared.held.lock().unwrap() = what;
    }

    /// How many samples of counters were asked for before those before them had come.
    pub fn most_samples_at_once(&self) -> usize {
        self.shared.samples.lock().unwrap().1
    }

    /// What was asked and when, as `GET /v1.41/containers/json?all=1`.
    pub fn asked(&self) -> Vec<(Instant, String)> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Fate {
    fn draw(mut dice: Dice) -> Fate {
        let die = dice.roll(10);
        let soon = Duration::from_millis(dice.roll(1500) as u64);
        Fate {
            after_bytes: (die < 2).then(|| dice.roll(6000)),
            after: (die < 7).then(|| Instant::now() + soon),
            dice,
        }
    }

    fn has_come(&self, carried: usize) -> bool {
        self.after_bytes.is_some_and(|limit| carried > limit)
            || self.after.is_some_and(|at| Instant::now() > at)
    }
}

fn carry(client: UnixStream, shared: &Shared, mut fate: Fate) {
    let Ok(engine) = UnixStream::connect(&shared.engine) else { return };
    let samples = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| ask(&client, &engine, (shared, &samples)));
        answer(&engine, &client, (shared, &samples), &mut fate);
        for side in [&client, &engine] {
            let _ = side.shutdown(Shutdown::Both);
        }
    });
}

fn ask(
    mut client: &UnixStream,
    mut engine: &UnixStream,
    (shared, samples): (&Shared, &AtomicUsize),
) {
    let mut buffer = [0; 16 << 10];
    while let Ok(n @ 1..) = client.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..n]);
        if let Some((line, _)) = text.split_once(" HTTP/1.1\r\n") {
            shared.asked.lock().unwrap().push((Instant::now(), line.to_owned()));
            if line.contains("/stats?") {
                let mut all = shared.samples.lock().unwrap();
                *all = (all.0 + 1, all.1.max(all.0 + 1));
                samples.fetch_add(1, Ordering::SeqCst);
            }
            let is_held = |what: &String| line.contains(what);
            while shared.held.lock().unwrap().as_ref().is_some_and(is_held) {
                thread::sleep(LOOK_EVERY);
            }
        }
        if engine.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = engine.shutdown(Shutdown::Both);
}

/// Until either side hangs up, or its fate comes.
fn answer(
    mut engine: &UnixStream,
    mut client: &UnixStream,
    (shared, samples): (&Shared, &AtomicUsize),
    fate: &mut Fate,
) {
    engine.set_read_timeout(Some(LOOK_EVERY)).unwrap();
    let (mut buffer, mut carried) = ([0; 16 << 10], 0);
    loop {
        let foul = shared.foul.load(Ordering::SeqCst);
        if foul && fate.has_come(carried) {
            shared.cuts.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let most = if foul { 1 + fate.dice.roll(2000) } else { buffer.len() };
        match engine.read(&mut buffer[..most]) {
            Ok(0) => return,
            Ok(n) => {
                shared.samples.lock().unwrap().0 -= samples.swap(0, Ordering::SeqCst);
                if foul && fate.dice.chance(10) {
                    thread::sleep(Duration::from_millis(fate.dice.roll(30) as u64));
                }
                carried += n;
                if client.write_all(&buffer[..n]).is_err() {
                    return;
                }
            }
            Err(error) if is_silence(&error) => {}
            Err(_) => return,
        }
    }
}

fn is_silence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

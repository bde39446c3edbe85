//! From options to all that a run is made of: files are read, the lock is taken. Asks no engine.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::config::Env;
use crate::net::access::plain;
use crate::run::archive::Copied;
use crate::run::job::{Job, Logs, Restart};
use crate::run::registry::{self, Source};
use crate::run::spec::{self, Owner, Wanted};
use crate::run::whose;
use crate::supervise::Setup;
use crate::supervise::lock::{self, Held};

use super::copy;
use super::options::Options;
use crate::command::engine::forced_version;

/// How long a container may take to stop.
const GRACE: Duration = Duration::from_secs(3);
/// Neither a spec nor Docker's configuration is longer.
const FILE_LIMIT_BYTES: u64 = 1 << 20;
/// Random bytes of an id: eight digits.
const ID_BYTES: usize = 4;

/// What is ready to run.
pub(super) struct Prepared {
    pub setup: Setup,
    /// To be held until all is gone.
    pub lock: Held,
}

/// Reads what the options name. Errors are whole lines.
pub(super) fn prepare(options: &Options, local: bool, env: &Env) -> Result<Prepared, Vec<String>> {
    let one = |what: String| vec![what];
    let copies = copy::read(&options.copies).map_err(one)?;
    let raw = match &options.spec {
        Some(path) => object(path).map_err(|what| one(format!("--spec {what}")))?,
        None => Value::Null,
    };
    let wanted = Wanted { raw, ..options.wanted.clone() };
    let id = match &options.id {
        Some(id) => id.clone(),
        None => random_id().map_err(one)?,
    };
    let mut owner = Owner { app: whose::DROWSE.to_owned(), id, lock: None };
    // What is wrong with it is told before anything is locked.
    spec::build(&wanted, &owner).map_err(one)?;
    let lock = lock::take(&lock::folder(env).map_err(one)?, &owner.id).map_err(one)?;
    owner.lock = Some(lock.lock.clone());
    let setup = setup(options, (wanted, &owner), copies).map_err(one)?;
    let credentials = credentials(env, &setup.job.image);
    Ok(Prepared { setup: Setup { local, credentials, ..setup }, lock })
}

fn setup(
    options: &Options,
    (wanted, owner): (Wanted, &Owner),
    copies: Vec<Copied>,
) -> Result<Setup, String> {
    let built = spec::build(&wanted, owner)?;
    let name = options.name.clone().unwrap_or_else(|| whose::name_of_image(&wanted.image));
    let job = Job {
        id: owner.id.clone(),
        name: whose::container_name(&owner.app, &owner.id, &name),
        image: wanted.image,
        pull: options.pull,
        network: built.network,
        joins: built.joins.len(),
        copies: copies.iter().map(Copied::folders_above).collect(),
        restart: Restart::By(options.restart),
        grace: options.grace.unwrap_or(GRACE),
        logs: if options.log { Logs::Followed } else { Logs::Left },
    };
    Ok(Setup {
        job,
        spec: built.spec,
        network: whose::network_name(&owner.app, &owner.id),
        labels: owner.labels(),
        joins: built.joins,
        copies,
        credentials: Ok(Source::None),
        count_rx: options.count_rx.clone(),
        count_tx: options.count_tx.clone(),
        local: false,
        forced: forced_version(),
    })
}

/// A JSON object of a file; the error begins with its name.
fn object(path: &Path) -> Result<Value, String> {
    let failed = |what: String| format!("{}: {what}", path.display());
    let text = text(path).map_err(failed)?;
    let value: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    match value.is_object() {
        true => Ok(value),
        false => Err(failed("expected a JSON object".into())),
    }
}

fn text(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| plain(&error))?;
    let mut text = String::new();
    let read = file.take(FILE_LIMIT_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| plain(&error))?;
    match text.len() as u64 > FILE_LIMIT_BYTES {
        true => Err(format!("longer than {} KiB", FILE_LIMIT_BYTES >> 10)),
        false => Ok(text),
    }
}

/// Where Docker's configuration has the credentials for the image's registry. A file that can't be
/// read matters only when the image has to be pulled.
fn credentials(env: &Env, image: &str) -> Result<Source, String> {
    let folder = env.var("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| env.var("HOME").map(|home| Path::new(home).join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")) else {
        return Ok(Source::None);
    };
    // One that is not there, or nobody may look for.
    if fs::metadata(&path).is_err() {
        return Ok(Source::None);
    }
    let config = object(&path)?;
    registry::source(&config, image).map_err(|what| format!("{}: {what}", path.display()))
}

fn random_id() -> Result<String, String> {
    let mut bytes = [0; ID_BYTES];
    let read = File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes));
    read.map_err(|error| format!("/dev/urandom: {}", plain(&error)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

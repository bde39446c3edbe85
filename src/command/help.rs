//! What `--help` says. Texts only.

/// Every verb there is.
pub const VERBS: &[&str] = &[
    "ps", "parse", "check", "daemon", "status", "wake", "sleep", "keep", "run", "clean", "unit",
    "help",
];

/// `drowse --help`
pub const DROWSE: &str = "\
drowse: containers that sleep when idle and wake when somebody knocks

usage: drowse VERB [OPTIONS]

  ps       list the containers of every configured engine, parsed
  parse    the same parser over API JSON from a file or stdin; no engine needed
  check    validate the configuration and every label, reach every engine
  daemon   put idle containers to sleep and wake them when they are wanted
  status   what the daemon watches, and how it is
  wake     wake containers; without a daemon, on the engines directly
  sleep    put containers to sleep; without a daemon, on the engines directly
  keep     let containers not sleep for some time
  run      run a container under supervision, and leave nothing behind
  clean    remove what runs that were killed left behind
  unit     print the systemd unit for the daemon

  drowse VERB --help says more; drowse --version says which this is.

A table on a terminal, JSON Lines in a pipe. Logs and failures go to stderr.
Exit code 0: done; 1: something failed, the rest was printed; 2: wrong usage.
";

/// The text for one verb.
pub fn on(verb: &str) -> Option<&'static str> {
    match verb {
        "ps" => Some(PS),
        "parse" => Some(PARSE),
        "check" => Some(CHECK),
        "daemon" => Some(DAEMON),
        "status" => Some(STATUS),
        "wake" => Some(WAKE),
        "sleep" => Some(SLEEP),
        "keep" => Some(KEEP),
        "run" => Some(RUN),
        "clean" => Some(CLEAN),
        "unit" => Some(UNIT),
        "help" => Some(DROWSE),
        _ => None,
    }
}

/// The options that a verb's help lists, and those that need no verb.
pub fn options(verb: &str) -> impl Iterator<Item = &'static str> {
    let listed = on(verb).unwrap_or_default().lines().map(str::trim_start);
    let names =
        listed.filter(|line| line.starts_with("--")).filter_map(|line| line.split(' ').next());
    names.chain(["--help", "--version"])
}

const PS: &str = "\
usage: drowse ps [OPTIONS]

Lists the containers of every configured engine and agent, parsed. Each engine's
containers are printed when it has answered; one that fails is told on stderr,
hides nobody, and makes the exit code 1.

  --host URL          this engine only: unix:///path, tcp://host:port,
                      https://host:port (certificates from DOCKER_CERT_PATH),
                      ssh://user@host, agent://address-or-name
  --config FILE       else $DROWSE_CONFIG, else /etc/drowse/drowse.yml, else the
                      engine of $DOCKER_HOST, of the docker context, or
                      unix:///var/run/docker.sock
  --running           the same as --filter state=running
  --filter KEY=VALUE  repeatable; values of one key are alternatives, but labels
                      must all hold. label, name and state go to the engine as
                      its own; alias, engine, health, image, project and service
                      are decided here
  --watch             go on: the list, then a line for each change, as
                      {\"at\": TIME, \"container\": {…}, \"event\": \"start\"}; engines that
                      come and go are told as events lost and back. On a terminal
                      the table is drawn again in place
  --timeout DURATION  how long one engine may take, 5s by default; with --watch,
                      how long one of its answers may take
  --format FORMAT     table, json (one array) or jsonl (an object a line)
  --log LEVEL         error, warn (the default), info, debug or trace
";

const PARSE: &str = "\
usage: drowse parse [OPTIONS] [FILE]

Reads what the Engine API says of containers (the array of /containers/json, one
object of it, an inspect object, or JSON Lines of these) from FILE or stdin, and
prints each as `drowse ps` does, in the same order.

  --host URL          the engine the JSON came from, for docker_cfg and host
                      names; unix:///var/run/docker.sock by default
  --config FILE       agents and idle defaults come from here
  --format FORMAT     table, json (one array) or jsonl (an object a line)
  --log LEVEL         error, warn (the default), info, debug or trace
";

const CHECK: &str = "\
usage: drowse check [OPTIONS]

Reads the configuration, reaches every engine and agent, tries what drowse needs
to be allowed there (without changing anything), and validates every container's
labels. A row for each on stdout, a line for each problem on stderr, and exit
code 1 if there was any.

  --config FILE       else $DROWSE_CONFIG, else /etc/drowse/drowse.yml, else the
                      one engine that `drowse ps` would ask
  --host URL          this engine instead of the configured ones
  --timeout DURATION  how long one engine may take, 5s by default
  --format FORMAT     table, json (one array) or jsonl (an object a line)
  --log LEVEL         error, warn (the default), info, debug or trace
";

const DAEMON: &str = "\
usage: drowse daemon [OPTIONS]

Follows every configured engine, puts to sleep the containers whose label
proxy.idle_timeout asks for it when nothing moved in them for that long, and wakes
them when a paused one is knocked at, when `drowse wake` says so, or when one that
needs them wakes. Runs until SIGTERM or SIGINT and then leaves every container as
it is; SIGHUP reads the configuration anew. Made for systemd: see `drowse unit`.

  --config FILE       else $DROWSE_CONFIG, else /etc/drowse/drowse.yml, else the
                      one engine that `drowse ps` would ask
  --host URL          this engine instead of the configured ones
  --control PATH      the socket for status, wake, sleep and keep; else that of the
                      configuration, /run/drowse/control.sock by default
  --log LEVEL         error, warn, info (the default), debug or trace
";

const STATUS: &str = "\
usage: drowse status [OPTIONS]

What the daemon watches: state, why it is awake, when it goes to sleep, the last
wake and how long it took, its doors; below the table, what is wrong with any of
it. Where there are several engines, a name is ENGINE/NAME, as the other verbs
take it. Exit code 1 if no daemon answers.

  --control PATH      the daemon's socket; else that of the configuration, which
                      is /run/drowse/control.sock unless it says otherwise
  --config FILE       else $DROWSE_CONFIG, else /etc/drowse/drowse.yml
  --timeout DURATION  how long the daemon may take, 5s by default
  --format FORMAT     table, json (one array) or jsonl (an object a line)
  --log LEVEL         error, warn (the default), info, debug or trace
";

const WAKE: &str = "\
usage: drowse wake [OPTIONS] NAME…

Wakes containers. Where a daemon runs it does it, what they need first; else they
are started or unpaused on their engines directly, and they alone. One that is
awake is done. A NAME is a container's name, an alias or the beginning of its id
(4 digits at least), or ENGINE/NAME where two engines share it.

  --wait              until they are ready: they run, and their health checks, if
                      they have one, pass
  --control PATH      the daemon's socket, and nothing without that daemon; else
                      that of the configuration
  --config FILE       else $DROWSE_CONFIG, else /etc/drowse/drowse.yml, else the
                      engine that `drowse ps` would ask
  --host URL          on this engine, past the daemon
  --timeout DURATION  how long the daemon, or one engine, may take to answer, 5s
                      by default; not how long --wait waits: that is the
                      container's proxy.wake_timeout
  --format FORMAT     table, json (one array) or jsonl (an object a line)
  --log LEVEL         error, warn (the default), info, debug or trace
";

const SLEEP: &str = "\
usage: drowse sleep [OPTIONS] NAME…

Puts containers to sleep as their labels say: stop, pause or kill; without labels
as the configuration says. Where a daemon runs it does it; else it is done on
their engines directly, whether or not anything needs them. One that is down is
done. A NAME is as for `drowse wake`.

  --wait              until they are down; what does not stop in its
                      proxy.stop_timeout is killed
  --control PATH      the daemon's socket, and nothing without that daemon; else
                      that of the configuration
  --config FILE       else $DROWSE_CONFIG, else /etc/drowse/drowse.yml, else the
                      engine that `drowse ps` would ask
  --host URL          on this engine, past the daemon
  --timeout DURATION  how long the daemon, or one engine, may take to answer, 5s
                      by default; not how long --wait waits
  --format FORMAT     table, json (one array) or jsonl (an object a line)
  --log LEVEL         error, warn (the default), info, debug or trace
";

const KEEP: &str = "\
usage: drowse keep [OPTIONS] NAME… DURATION

Lets containers not go to sleep for so long from now on, as 90m or 8h; 0 lets go
of them. Wakes nobody. The daemon does it. A NAME is as for `drowse wake`.

  --control PATH      the daemon's socket; else that of the configuration
  --config FILE       else $DROWSE_CONFIG, else /etc/drowse/drowse.yml
  --timeout DURATION  how long the daemon may take, 5s by default
  --format FORMAT     table, json (one array) or jsonl (an object a line)
  --log LEVEL         error, warn (the default), info, debug or trace
";

const RUN: &str = "\
usage: drowse run [OPTIONS] IMAGE [COMMAND…]

Pulls IMAGE if it is not here, makes a network of its own for it, creates and
starts a container, and follows it: state, health, CPU, memory, traffic, restarts.
SIGINT, SIGTERM, SIGHUP, or that nobody reads stdout any more, stop it; a second
signal kills it. In the end container and network are removed, and the exit code is
the container's; 126 and 127: its command can't be run or is not found; 1: anything
else that failed, as stderr says.

  --env KEY=VALUE     repeatable; KEY alone has the value it has here; also -e
  --publish PORTS     [[ADDRESS:][PORT]:]PORT[/PROTOCOL], repeatable; also -p
  --volume VOLUME     SOURCE:TARGET[:ro] or TARGET, repeatable; also -v
  --label KEY=VALUE   repeatable; also -l
  --network NETWORK   besides its own, repeatable; or in its place host, none or
                      container:NAME
  --health-cmd CMD    a shell command that tells whether it is healthy
  --user USER         USER[:GROUP], names or numbers; also -u
  --workdir PATH      where its command begins
  --memory SIZE       at most, as 512m or 1.5g; also -m
  --cpus NUMBER       at most, as 1.5
  --spec FILE         raw JSON of the Engine API's container create for the rest;
                      options win, --env and --volume add to its lists
  --copy SRC:DST[:MODE]
                      copies a file or folder in before the start, repeatable; DST
                      with a / at its end is a folder to put it into
  --name NAME         the container is drowse-ID-NAME; NAME is the image's by default
  --id ID             of the run, random by default; as label io.drowse.id on all
                      that is made
  --pull WHEN         missing (the default), always or never; a pull that fails is
                      no failure where the image is here
  --restart POLICY    no (the default), on-failure, on-failure:N (at most N times in a
                      row) or always
  --restart-interval DURATION
                      before the first restart, 10s by default; doubles with each up
                      to 2m, and begins anew when it was up for a minute
  --stop-timeout DURATION
                      until what does not stop is killed, 3s by default
  --log               passes its output on: in a pipe as {\"line\": …, \"stream\": …},
                      on a terminal above the live line
  --count-rx NETWORK  the network (or interface) whose received bytes count, own for
                      the run's own; all by default
  --count-tx NETWORK  the same for sent bytes
  --format FORMAT     table (one live line, on a terminal) or jsonl (a line a change)
  --host URL          the engine, as for `drowse ps`
  --config FILE       else $DROWSE_CONFIG, else /etc/drowse/drowse.yml, else the
                      engine that `drowse ps` would ask
  --log-level LEVEL   error, warn (the default), info, debug or trace
";

const CLEAN: &str = "\
usage: drowse clean [OPTIONS]

Removes the containers and networks that `drowse run` left behind where it was
killed, on every configured engine. What belongs to a run that lives is left alone:
each holds a lock. So is what runs of other hosts made, whose locks can't be seen
from here.

  --id ID             only of this run
  --elsewhere         also of other hosts' runs, whether or not they live
  --host URL          this engine only
  --config FILE       else $DROWSE_CONFIG, else /etc/drowse/drowse.yml, else the
                      engine that `drowse ps` would ask
  --timeout DURATION  how long one engine may take, 5s by default
  --format FORMAT     table, json (one array) or jsonl (an object a line)
  --log LEVEL         error, warn (the default), info, debug or trace
";

const UNIT: &str = "\
usage: drowse unit [OPTIONS]

Prints the systemd unit that runs `drowse daemon` with this program's path:

  drowse unit > /etc/systemd/system/drowse.service

  --config FILE       what the daemon is to read, else /etc/drowse/drowse.yml
  --log LEVEL         error, warn (the default), info, debug or trace
";

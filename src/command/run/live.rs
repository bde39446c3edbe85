//! One line on a terminal, drawn again in place: a bar while the image is pulled, then how the
//! container is. Knows no engine.

use std::time::Instant;

use crate::command::output;
use crate::command::text::harmless;
use crate::duration;
use crate::net::outlet::Outlet;
use crate::run::state::{State, Status};

/// The cells of a bar.
const BAR: usize = 24;
/// Of those, what moves where the size is not known.
const SLIDER: usize = 6;
/// Back to the line's beginning, and all behind it away.
const CLEAR: &[u8] = b"\r\x1b[K";

/// The line that is on the screen.
#[derive(Debug, Default)]
pub(super) struct Live {
    line: Option<String>,
    up_since: Option<Instant>,
    drawn: usize,
}

impl Live {
    /// Draws a state in place of the last.
    pub fn draw(&mut self, state: &State, out: &mut Outlet) {
        self.drawn = self.drawn.wrapping_add(1);
        match state.status {
            Status::Running | Status::Paused => {
                self.up_since.get_or_insert_with(Instant::now);
            }
            _ => self.up_since = None,
        }
        let text = match state.status {
            Status::Pulling => pulling(state, self.drawn),
            _ => self.running(state),
        };
        let width = output::width().unwrap_or(usize::MAX).saturating_sub(1);
        let text: String = harmless(&text).chars().take(width).collect();
        out.push(CLEAR);
        out.push(text.as_bytes());
        self.line = Some(text);
    }

    /// Writes a line of its own above.
    pub fn above(&mut self, text: &str, out: &mut Outlet) {
        out.push(CLEAR);
        out.push(text.as_bytes());
        out.push(b"\n");
        if let Some(line) = &self.line {
            out.push(line.as_bytes());
        }
    }

    /// Makes room for somebody else's line.
    pub fn clear(&mut self, out: &mut Outlet) {
        out.push(CLEAR);
        self.line = None;
    }

    /// The last state stays.
    pub fn finish(&mut self, out: &mut Outlet) {
        if self.line.take().is_some() {
            out.push(b"\n");
        }
    }

    fn running(&self, state: &State) -> String {
        let mut parts = vec![format!("{}: {}", state.name, state.status.word())];
        if let (Some(health), Some(first)) = (&state.health, parts.first_mut()) {
            first.push_str(&format!(" ({health})"));
        }
        if let Some(since) = self.up_since {
            let seconds = std::time::Duration::from_secs(since.elapsed().as_secs());
            parts.push(format!("up {}", duration::show(seconds)));
        }
        parts.extend(state.cpu_percent.map(|percent| format!("cpu {percent:.1}%")));
        parts.extend(state.memory_bytes.map(|bytes| format!("mem {}", size(bytes))));
        parts.extend(state.rx_rate.map(|rate| format!("rx {}/s", size(rate))));
        parts.extend(state.tx_rate.map(|rate| format!("tx {}/s", size(rate))));
        parts.extend((state.restarts > 0).then(|| format!("restarts {}", state.restarts)));
        let is_up = self.up_since.is_some();
        parts.extend(state.exit_code.filter(|_| !is_up).map(|code| format!("exit code {code}")));
        let has_failed = state.error.is_some() && state.exit_code.is_none();
        parts.extend(state.error.clone().filter(|_| has_failed && state.status != Status::Removed));
        parts.join("  ")
    }
}

fn pulling(state: &State, drawn: usize) -> String {
    let progress = &state.progress;
    let what = format!("{} {}", state.pull_status.word(), state.image);
    if progress.layers == 0 {
        return what;
    }
    let layers = format!("layers {}/{}", progress.layers_done, progress.layers);
    match (state.pull_percent, progress.total_bytes) {
        (Some(percent), total @ 1..) => {
            let (done, total) = (size(progress.done_bytes), size(total));
            let full = usize::from(percent) * BAR / 100;
            let bar = format!("{}{}", "#".repeat(full), "-".repeat(BAR - full));
            format!("{what} [{bar}] {percent:>3}%  {done} of {total}  {layers}")
        }
        _ => {
            let at = drawn % (BAR - SLIDER);
            let rest = BAR - SLIDER - at;
            let bar = format!("{}{}{}", "-".repeat(at), "#".repeat(SLIDER), "-".repeat(rest));
            format!("{what} [{bar}]  {layers}")
        }
    }
}

/// `12.3 MB`, as `docker stats` has sizes of traffic: powers of 1000.
fn size(bytes: u64) -> String {
    let mut unit = (1, "B");
    for next in [(1_000, "kB"), (1_000_000, "MB"), (1_000_000_000, "GB")] {
        if bytes >= next.0 {
            unit = next;
        }
    }
    let (one, name) = unit;
    match bytes / one {
        whole if one == 1 || whole >= 100 => format!("{whole} {name}"),
        whole => format!("{whole}.{} {name}", bytes % one * 10 / one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::pull::Progress;
    use crate::run::state::PullStatus;

    #[test]
    fn sizes_have_three_digits_at_most() {
        let sizes = [0, 999, 1_000, 12_345, 123_456, 5_300_000, 2_000_000_000].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "12.3 kB", "123 kB", "5.3 MB", "2.0 GB"]);
    }

    #[test]
    fn a_pull_has_a_bar_whether_or_not_its_size_is_known() {
        let mut state = State { image: "web:1".into(), ..State::default() };
        assert_eq!(pulling(&state, 0), "looking web:1");
        let progress = Progress { layers: 3, layers_done: 1, ..Progress::default() };
        state.note(progress.clone());
        assert_eq!(pulling(&state, 2), "downloading web:1 [--######----------------]  layers 1/3");
        state.note(Progress { done_bytes: 5_000_000, total_bytes: 10_000_000, ..progress });
        assert_eq!(state.pull_status, PullStatus::Downloading);
        let expected = "downloading web:1 [############------------]  50%  5.0 MB of 10.0 MB  \
                        layers 1/3";
        assert_eq!(pulling(&state, 0), expected);
    }

    #[test]
    fn a_running_container_has_its_figures_in_a_line() {
        let live = Live { up_since: Some(Instant::now()), ..Live::default() };
        let state = State {
            name: "drowse-a1-web".into(),
            status: Status::Running,
            health: Some("healthy".into()),
            cpu_percent: Some(12.34),
            memory_bytes: Some(34_500_000),
            rx_rate: Some(1_200),
            tx_rate: Some(0),
            restarts: 2,
            exit_code: Some(3),
            ..State::default()
        };
        let expected = "drowse-a1-web: running (healthy)  up 0s  cpu 12.3%  mem 34.5 MB  \
                        rx 1.2 kB/s  tx 0 B/s  restarts 2";
        assert_eq!(live.running(&state), expected);
    }
}

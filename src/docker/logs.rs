//! A container's output out of its log stream. Makes no lines, keeps nothing: what comes goes on.

use crate::docker::answer;
use crate::error::Why;
use crate::http::Reply;

/// As much of an engine's own word within the stream as is kept.
const REFUSAL_LIMIT_BYTES: usize = 600;

/// How the stream is written. Without a terminal (`Config.Tty`) in frames of both outputs, else
/// raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Eight bytes before each piece: kind, three zeros, length (Docker API 1.41,
    /// `ContainerAttach`).
    Frames,
    /// A terminal's output as it is.
    Raw,
}

/// Where a piece of output was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Reads the stream.
#[derive(Clone, Debug)]
pub struct LogReader {
    state: State,
    /// What the engine says in a frame of its own, so far.
    refusal: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Raw,
    Head { bytes: [u8; 8], have: usize },
    Payload { from: Source, left: u32 },
}

/// The first byte of a frame.
#[derive(Clone, Copy, Debug)]
enum Source {
    Container(Output),
    Engine,
}

const NO_HEAD: State = State::Head { bytes: [0; 8], have: 0 };

impl LogReader {
    /// For a stream written like this.
    pub fn new(framing: Framing) -> LogReader {
        let state = match framing {
            Framing::Frames => NO_HEAD,
            Framing::Raw => State::Raw,
        };
        LogReader { state, refusal: Vec::new() }
    }

    /// Takes the next bytes of the stream and passes on the output in them, frame by frame; a frame
    /// that comes in pieces is passed on in pieces.
    ///
    /// # Errors
    /// `Broken` where no frame stands where one should, `Refused` where the engine says in a frame
    /// of its own why the log can't go on.
    pub fn push(&mut self, bytes: &[u8], mut found: impl FnMut(Output, &[u8])) -> Result<(), Why> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (self.state, rest) = match self.state {
                State::Raw => {
                    found(Output::Stdout, rest);
                    return Ok(());
                }
                State::Head { bytes, have } => head(bytes, have, rest)?,
                State::Payload { from, left } => {
                    let wanted = usize::try_from(left).unwrap_or(usize::MAX);
                    let (now, after) = rest.split_at_checked(wanted).unwrap_or((rest, &[]));
                    let left = left.saturating_sub(u32::try_from(now.len()).unwrap_or(u32::MAX));
                    match from {
                        Source::Container(output) => found(output, now),
                        Source::Engine => self.refused(now, left)?,
                    }
                    (if left == 0 { NO_HEAD } else { State::Payload { from, left } }, after)
                }
            };
        }
        Ok(())
    }

    /// The stream has ended. Was it between frames?
    ///
    /// # Errors
    /// `Broken` where a frame is cut off.
    pub fn finish(&self) -> Result<(), Why> {
        match self.state {
            State::Raw | State::Head { have: 0, .. } => Ok(()),
            State::Head { .. } | State::Payload { .. } => {
                Err(Why::Broken("the log ends within a frame".into()))
            }
        }
    }

    fn refused(&mut self, now: &[u8], left: u32) -> Result<(), Why> {
        let room = REFUSAL_LIMIT_BYTES.saturating_sub(self.refusal.len());
        self.refusal.extend(now.iter().take(room));
        if left > 0 {
            return Ok(());
        }
        let message = answer::one_line(&String::from_utf8_lossy(&self.refusal));
        Err(Why::Refused { status: 200, message })
    }
}

/// The head of a stream that was asked for in frames.
pub(crate) fn read_frames(reply: Reply) -> Result<LogReader, Why> {
    answer::stream(&reply).map(|()| LogReader::new(Framing::Frames))
}

/// The head of a stream that was asked for raw. From API 1.42 on the engine says where it is not.
pub(crate) fn read_raw(reply: Reply) -> Result<LogReader, Why> {
    answer::stream(&reply)?;
    let framed = Some("application/vnd.docker.multiplexed-stream");
    let framing =
        if reply.header("content-type") == framed { Framing::Frames } else { Framing::Raw };
    Ok(LogReader::new(framing))
}

fn head(mut bytes: [u8; 8], have: usize, rest: &[u8]) -> Result<(State, &[u8]), Why> {
    let missing = bytes.get_mut(have..).unwrap_or_default();
    let (now, after) = rest.split_at_checked(missing.len()).unwrap_or((rest, &[]));
    for (to, from) in missing.iter_mut().zip(now) {
        *to = *from;
    }
    let have = have + now.len();
    if have < bytes.len() {
        return Ok((State::Head { bytes, have }, after));
    }
    let [kind, zeros @ .., a, b, c, d] = bytes;
    let left = u32::from_be_bytes([a, b, c, d]);
    let from = match (kind, zeros) {
        // 0 is standard input, which is written to standard output.
        (0 | 1, [0, 0, 0]) => Source::Container(Output::Stdout),
        (2, [0, 0, 0]) => Source::Container(Output::Stderr),
        (3, [0, 0, 0]) => Source::Engine,
        _ => {
            let text = "no log frame where one should be: has the container a terminal?";
            return Err(Why::Broken(text.into()));
        }
    };
    Ok((if left == 0 { NO_HEAD } else { State::Payload { from, left } }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, pieces: &[&[u8]]) -> (String, String, Result<(), Why>) {
        let mut reader = LogReader::new(framing);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut result = Ok(());
        for piece in pieces {
            result = result.and_then(|()| {
                reader.push(piece, |from, text| match from {
                    Output::Stdout => out.extend_from_slice(text),
                    Output::Stderr => err.extend_from_slice(text),
                })
            });
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&out), text(&err), result.and_then(|()| reader.finish()))
    }

    #[test]
    fn frames_are_told_apart_however_they_come() {
        let stream =
            b"\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\x02xy\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01d";
        let expected = ("abcd".to_owned(), "xy".to_owned(), Ok(()));
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            assert_eq!(read(Framing::Frames, &[head, tail]), expected, "split at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(Framing::Frames, &bytes), expected);
    }

    #[test]
    fn a_terminals_output_is_passed_on_as_it_is() {
        let stream: [&[u8]; 2] = [b"\x01\0\0\0\0\0\0\x03", b"a\r\n"];
        let expected = ("\x01\0\0\0\0\0\0\x03a\r\n".to_owned(), String::new(), Ok(()));
        assert_eq!(read(Framing::Raw, &stream), expected);
    }

    #[test]
    fn a_terminals_output_read_as_frames_is_an_error() {
        let text = "no log frame where one should be: has the container a terminal?";
        let expected = (String::new(), String::new(), Err(Why::Broken(text.into())));
        assert_eq!(read(Framing::Frames, &[b"hello world"]), expected);
    }

    #[test]
    fn the_engine_may_say_why_the_log_ends() {
        let stream: [&[u8]; 2] = [b"\x03\0\0\0\0\0\0\x07driver", b"\n"];
        let refused = Err(Why::Refused { status: 200, message: "driver".into() });
        assert_eq!(read(Framing::Frames, &stream), (String::new(), String::new(), refused));
    }

    #[test]
    fn a_cut_frame_is_seen_at_the_end() {
        let cut = Err(Why::Broken("the log ends within a frame".into()));
        for stream in [b"\x01\0\0".as_slice(), b"\x01\0\0\0\0\0\0\x03"] {
            assert_eq!(read(Framing::Frames, &[stream]).2, cut);
        }
    }
}

//! What comes in pieces: a pull, events, samples, the log. Decides nothing.

use super::{News, Part, Question, Supervise, Tag};
use crate::docker::{call, image, system};
use crate::error::Why;
use crate::http::Reply;
use crate::net::reactor::Reactor;
use crate::net::running::Event;
use crate::run::message::{Answer, Ask, Input, Sense};

/// What is kept of the body that says why there is no stream.
const REFUSAL_LIMIT_BYTES: usize = 64 << 10;

/// A stream's reader, or the reply that came in its place, as far as it is here.
#[derive(Clone, Debug)]
pub(super) struct Ear<R> {
    reader: Option<R>,
    refusal: Option<Reply>,
    failed: Option<Why>,
}

impl<R> Default for Ear<R> {
    fn default() -> Ear<R> {
        Ear { reader: None, refusal: None, failed: None }
    }
}

impl<R> Ear<R> {
    /// The head; `true`: what comes now is for the reader.
    fn head(&mut self, reply: Reply, read: fn(Reply) -> Result<R, Why>) -> bool {
        *self = Ear::default();
        if !(200..300).contains(&reply.status) {
            // Its message comes with the body.
            self.refusal = Some(reply);
            return false;
        }
        match read(reply) {
            Ok(reader) => self.reader = Some(reader),
            Err(why) => self.failed = Some(why),
        }
        self.reader.is_some()
    }

    fn bytes(&mut self, bytes: &[u8], push: impl FnOnce(&mut R, &[u8]) -> Result<(), Why>) {
        if let Some(refusal) = &mut self.refusal {
            let room = REFUSAL_LIMIT_BYTES.saturating_sub(refusal.body.len());
            refusal.body.extend(bytes.iter().take(room));
        } else if let Some(reader) = &mut self.reader
            && let Err(why) = push(reader, bytes)
        {
            self.failed.get_or_insert(why);
        }
    }

    /// It has ended: with its reader, or for this reason.
    fn over(
        &mut self,
        reply: Result<Reply, Why>,
        read: fn(Reply) -> Result<R, Why>,
    ) -> Result<R, Why> {
        let Ear { reader, refusal, failed } = std::mem::take(self);
        if let Some(why) = failed {
            return Err(why);
        }
        if let Some(refusal) = refusal {
            return read(refusal);
        }
        reply?;
        reader.ok_or_else(|| Why::Broken("the answer has no head".into()))
    }
}

impl Supervise {
    /// Takes what a turn told. What is another run's, and signals and the like, are not for it.
    pub fn heed(&mut self, event: Event<Tag>, reactor: &mut Reactor<Tag>) {
        match event {
            Event::Head(tag, reply) if tag.run == self.place => self.head(&tag, reply, reactor),
            Event::Bytes(tag, bytes) if tag.run == self.place => self.bytes(&tag, &bytes, reactor),
            Event::Over(tag, reply) if tag.run == self.place => self.over(tag, reply, reactor),
            Event::Head(..) | Event::Bytes(..) | Event::Over(..) => {}
            Event::Signal(_)
            | Event::Writable
            | Event::HungUp
            | Event::Visit(_)
            | Event::Door(_) => {}
        }
    }

    fn head(&mut self, tag: &Tag, reply: Reply, reactor: &mut Reactor<Tag>) {
        let Question::Asked(ask) = tag.question else { return };
        let id = self.setup.job.name.clone();
        let is_open = match ask {
            Ask::Pull => self.pull.head(reply, image::pull(&self.setup.job.image, None).read),
            Ask::Follow(Sense::Events) => self.events.head(reply, system::events(None).read),
            Ask::Follow(Sense::Samples) => self.samples.head(reply, call::stats_stream(&id).read),
            Ask::Follow(Sense::Log) => {
                let read = self.logs(&id).read;
                self.log.head(reply, read)
            }
            _ => false,
        };
        if let (true, Ask::Follow(sense)) = (is_open, ask) {
            self.step(Input::Opened(sense), reactor);
        }
    }

    fn bytes(&mut self, tag: &Tag, bytes: &[u8], reactor: &mut Reactor<Tag>) {
        let Question::Asked(ask) = tag.question else { return };
        let mut inputs = Vec::new();
        match ask {
            Ask::Pull => self.pull.bytes(bytes, |pull, bytes| {
                pull.push(bytes)?;
                inputs.push(Input::Pulling(pull.progress()));
                Ok(())
            }),
            Ask::Follow(Sense::Events) => {
                let own = self.run.container().map(str::to_owned);
                self.events.bytes(bytes, |reader, bytes| {
                    let mut found = Vec::new();
                    let read = reader.push(bytes, &mut found);
                    let ours = found.into_iter().filter(|event| Some(&event.id) == own.as_ref());
                    inputs.extend(ours.map(|event| Input::Heard(event.action)));
                    read
                });
            }
            Ask::Follow(Sense::Samples) => {
                let counts = &self.counts;
                self.samples.bytes(bytes, |reader, bytes| {
                    let mut found = Vec::new();
                    let read = reader.push(bytes, &mut found);
                    let up = found.into_iter().flatten();
                    inputs.extend(up.map(|sample| Input::Sampled(counts.refine(sample))));
                    read
                });
            }
            Ask::Follow(Sense::Log) => {
                let (lines, news) = (&mut self.lines, &mut self.news);
                self.log.bytes(bytes, |reader, bytes| {
                    let mut found = Vec::new();
                    let read =
                        reader.push(bytes, |output, text| lines.push(output, text, &mut found));
                    news.extend(found.into_iter().map(News::Line));
                    read
                });
            }
            _ => {}
        }
        for input in inputs {
            self.step(input, reactor);
        }
    }

    /// The pull has come to its end.
    pub(super) fn pulled(&mut self, reply: Result<Reply, Why>) -> Result<Answer, Why> {
        let read = image::pull(&self.setup.job.image, None).read;
        let outcome = self.pull.over(reply, read)?.finish()?;
        if let Some(status) = outcome.status {
            log::info!("{}: {status}", self.setup.job.name);
        }
        Ok(Answer::Done)
    }

    /// What was followed has come to its end.
    pub(super) fn ended(
        &mut self,
        sense: Sense,
        reply: Result<Reply, Why>,
        reactor: &mut Reactor<Tag>,
    ) {
        let ended = match sense {
            Sense::Events => self.events.over(reply, system::events(None).read).map(drop),
            Sense::Samples => self.samples.over(reply, call::stats_stream("").read).map(drop),
            Sense::Log => {
                let read = self.logs("").read;
                let ended = self.log.over(reply, read).map(drop);
                if ended.is_ok() && self.log_part == Part::Followed {
                    self.log_part = Part::Rest;
                    return self.open_log(reactor);
                }
                self.finish_log();
                ended
            }
        };
        if let Err(why) = ended {
            log::debug!("{}: follow {sense:?}: {why}", self.setup.job.name);
        }
        self.step(Input::Closed(sense), reactor);
    }
}

//! The machine of a run step by step: what is heard, and all that is done about it.

use std::time::{Duration, Instant};

use drowse::error::{Error, Why};
use drowse::run::job::{Job, Logs, Network, PullWhen, Restart};
use drowse::run::machine::Run;
use drowse::run::message::{Answer, Ask, Do, Input, Look, Sense, Verdict};
use drowse::run::policy::{Decision, Exited, Policy, When};
use drowse::run::state::Status;

const GRACE: Duration = Duration::from_secs(3);

/// A run, and the clock that it is told.
struct Story {
    run: Run,
    now: Instant,
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn job(restart: Restart) -> Job {
    Job {
        id: "a1".into(),
        name: "drowse-a1-web".into(),
        image: "web:1".into(),
        pull: PullWhen::Missing,
        network: Network::Own,
        joins: 1,
        copies: vec![1],
        restart,
        grace: GRACE,
        logs: Logs::Followed,
    }
}

fn never() -> Job {
    job(Restart::By(Policy::default()))
}

fn always() -> Job {
    job(Restart::By(Policy { when: When::Always, interval: secs(10) }))
}

fn error(why: Why) -> Result<Answer, Error> {
    Err(why.during("do it", "unix:///x"))
}

fn none() -> Result<Answer, Error> {
    error(Why::NotFound("none".into()))
}

fn made(id: &str) -> Result<Answer, Error> {
    Ok(Answer::Made(id.into()))
}

fn looked(running: bool, exit_code: i64) -> Result<Answer, Error> {
    Ok(Answer::Looked(Look { running, exit_code, ..Look::default() }))
}

fn done() -> Result<Answer, Error> {
    Ok(Answer::Done)
}

/// What is asked, and what else is done, without what is told.
fn acts(out: Vec<Do>) -> Vec<Do> {
    out.into_iter().filter(|one| *one != Do::Tell).collect()
}

fn asks<const N: usize>(asks: [Ask; N]) -> Vec<Do> {
    asks.map(Do::Ask).to_vec()
}

fn over(code: u8, error: Option<&str>) -> Do {
    Do::Over(Verdict { code, error: error.map(str::to_owned) })
}

impl Story {
    fn begin(job: Job) -> Story {
        let (run, first) = Run::begin(job);
        assert_eq!(first, [Do::Tell, Do::Ask(Ask::Greet)]);
        Story { run, now: Instant::now() }
    }

    fn hear(&mut self, input: Input) -> Vec<Do> {
        acts(self.run.step(input, self.now))
    }

    fn answer(&mut self, ask: Ask, answer: Result<Answer, Error>) -> Vec<Do> {
        self.hear(Input::Answered(ask, answer))
    }

    fn end(&mut self) -> Vec<Do> {
        self.hear(Input::End { code: 130 })
    }

    /// Up to the image being here.
    fn with_image(job: Job) -> Story {
        let mut story = Story::begin(job);
        assert_eq!(story.answer(Ask::Greet, done()), asks([Ask::Find]));
        assert_eq!(story.answer(Ask::Find, done()), asks([Ask::Network]));
        story
    }

    /// Up to the container running.
    fn running(job: Job) -> Story {
        let mut story = Story::with_image(job);
        assert_eq!(story.answer(Ask::Network, made("n1")), asks([Ask::Create]));
        assert_eq!(story.answer(Ask::Create, made("c1")), asks([Ask::Join(0)]));
        let copy = |folders| Ask::Copy { which: 0, folders };
        assert_eq!(story.answer(Ask::Join(0), done()), asks([copy(0)]));
        assert_eq!(story.answer(copy(0), none()), asks([copy(1)]));
        let start = asks([Ask::Follow(Sense::Events), Ask::Start]);
        assert_eq!(story.answer(copy(1), done()), start);
        let followed = [Sense::Samples, Sense::Log].map(Ask::Follow);
        let live = [[Ask::Wait, Ask::Look], followed].concat();
        let live: Vec<Do> = live.into_iter().map(Do::Ask).collect();
        assert_eq!(story.answer(Ask::Start, done()), live);
        assert_eq!(story.answer(Ask::Look, looked(true, 0)), []);
        story
    }

    /// It ends by itself, its log first.
    fn exits(&mut self, code: i64) -> Vec<Do> {
        assert_eq!(self.hear(Input::Closed(Sense::Log)), []);
        assert_eq!(self.answer(Ask::Wait, Ok(Answer::Exit(code))), asks([Ask::Look]));
        self.answer(Ask::Look, looked(false, code))
    }

    fn removed(&mut self, last: Do) {
        assert_eq!(self.answer(Ask::Remove, done()), asks([Ask::Clear]));
        assert_eq!(self.answer(Ask::Clear, done()), [last]);
        assert_eq!(self.run.state().status, Status::Removed);
    }
}

fn leaving() -> Vec<Do> {
    vec![Do::HangUp, Do::HangUp, Do::Ask(Ask::Remove)]
}

#[test]
fn a_container_that_ends_is_removed_with_its_network() {
    let mut story = Story::running(never());
    assert_eq!(story.exits(3), leaving());
    story.removed(over(3, Some("drowse-a1-web ended with exit code 3")));
}

#[test]
fn its_log_is_heard_to_the_end_but_not_for_ever() {
    let mut story = Story::running(never());
    story.answer(Ask::Wait, Ok(Answer::Exit(0)));
    assert_eq!(story.answer(Ask::Look, looked(false, 0)), []);
    assert_eq!(story.run.deadline(), Some(story.now + secs(2)));
    assert_eq!(story.hear(Input::Closed(Sense::Log)), leaving());
    let mut story = Story::running(never());
    story.answer(Ask::Wait, Ok(Answer::Exit(0)));
    story.answer(Ask::Look, looked(false, 0));
    story.now += secs(2);
    assert_eq!(story.hear(Input::Tick), leaving());
}

#[test]
fn a_pull_that_fails_takes_the_image_that_is_here() {
    let job = Job { pull: PullWhen::Always, ..never() };
    let failed = || error(Why::Unreachable("refused".into()));
    let begin = |job| {
        let mut story = Story::begin(job);
        assert_eq!(story.answer(Ask::Greet, done()), asks([Ask::Credentials]));
        assert_eq!(story.answer(Ask::Credentials, failed()), asks([Ask::Pull]));
        assert_eq!(story.answer(Ask::Pull, failed()), asks([Ask::Find]));
        story
    };
    let words = "do it on unix:///x: refused (do it on unix:///x: refused)";
    let mut story = begin(job.clone());
    assert_eq!(story.answer(Ask::Find, done()), asks([Ask::Network]));
    assert_eq!(story.run.state().error.as_deref(), Some(words));
    let mut story = begin(job);
    assert_eq!(story.answer(Ask::Find, none()), [Do::HangUp, over(1, Some(words))]);
}

#[test]
fn what_may_have_been_made_is_removed_by_its_name() {
    let mut story = Story::with_image(never());
    let out = story.answer(Ask::Network, error(Why::TimedOut(secs(30))));
    assert_eq!(out, [Do::HangUp, Do::Ask(Ask::Clear)]);
    assert_eq!(story.run.network(), None);
    let words = "do it on unix:///x: no answer within 30 s";
    assert_eq!(story.answer(Ask::Clear, none()), [over(1, Some(words))]);
    let mut story = Story::with_image(never());
    let out = story.answer(Ask::Network, error(Why::Conflict("taken".into())));
    assert_eq!(out, [Do::HangUp, over(1, Some("do it on unix:///x: taken"))], "somebody else's");
}

#[test]
fn an_end_that_is_asked_for_awaits_what_is_being_made() {
    let mut story = Story::with_image(never());
    assert_eq!(story.end(), []);
    assert_eq!(story.answer(Ask::Network, made("n1")), [Do::HangUp, Do::Ask(Ask::Clear)]);
    assert_eq!(story.answer(Ask::Clear, done()), [over(130, None)]);
    let mut story = Story::begin(never());
    assert_eq!(story.end(), [Do::HangUp, over(130, None)]);
}

#[test]
fn a_second_end_kills_and_a_third_leaves_all_as_it_is() {
    let mut story = Story::running(always());
    assert_eq!(story.end(), asks([Ask::Stop(GRACE)]));
    assert_eq!(story.answer(Ask::Wait, Ok(Answer::Exit(143))), []);
    assert_eq!(story.hear(Input::Closed(Sense::Log)), []);
    assert_eq!(story.answer(Ask::Stop(GRACE), done()), asks([Ask::Look]));
    assert_eq!(story.answer(Ask::Look, looked(false, 143)), leaving());
    story.removed(over(143, None));
    let mut story = Story::running(always());
    story.end();
    assert_eq!(story.end(), asks([Ask::Kill]));
    let left = "left behind: drowse-a1-web was not removed; drowse-a1-web was not removed: see \
                drowse clean";
    assert_eq!(story.end(), [Do::HangUp, over(130, Some(left))]);
}

#[test]
fn restarts_wait_longer_each_time_until_it_was_up_for_a_minute() {
    let mut story = Story::running(always());
    for pause in [10, 20, 40] {
        assert_eq!(story.exits(1), [Do::HangUp]);
        assert_eq!(story.run.state().status, Status::Restarting);
        assert_eq!(story.run.deadline(), Some(story.now + secs(pause)));
        story.now += secs(pause);
        assert_eq!(story.hear(Input::Tick), asks([Ask::Follow(Sense::Events), Ask::Start]));
        story.answer(Ask::Start, done());
        story.answer(Ask::Look, looked(true, 1));
    }
    story.now += secs(60);
    story.exits(0);
    assert_eq!(story.run.deadline(), Some(story.now + secs(10)));
    assert_eq!(story.run.state().restarts, 4);
    assert_eq!(story.end(), [Do::HangUp, Do::Ask(Ask::Remove)]);
    story.removed(over(0, None));
}

#[test]
fn the_caller_may_decide_with_an_error_of_its_own() {
    let mut story = Story::running(job(Restart::Asked));
    story.now += secs(5);
    let exited = Exited { code: 4, restarts: 0, up: secs(5) };
    assert_eq!(story.exits(4), [Do::HangUp, Do::Decide(exited)]);
    let decision = Decision::End { error: Some("the stream is over".into()) };
    assert_eq!(story.hear(Input::Decided(decision)), [Do::HangUp, Do::Ask(Ask::Remove)]);
    story.removed(over(4, Some("drowse-a1-web ended with exit code 4; the stream is over")));
}

#[test]
fn an_engine_that_is_away_is_tried_until_it_is_back() {
    let mut story = Story::running(never());
    let gone = || error(Why::Broken("cut".into()));
    assert_eq!(story.answer(Ask::Wait, gone()), [Do::HangUp]);
    for millis in [500, 500, 1000, 2000] {
        assert_eq!(story.run.deadline(), Some(story.now + Duration::from_millis(millis)));
        story.now += Duration::from_millis(millis);
        assert_eq!(story.hear(Input::Tick), asks([Ask::Greet]));
        assert_eq!(story.answer(Ask::Greet, gone()), []);
    }
    story.now += secs(4);
    story.hear(Input::Tick);
    assert_eq!(story.answer(Ask::Greet, done()), asks([Ask::Look]));
    let back = story.answer(Ask::Look, looked(true, 0));
    assert_eq!(back.first(), Some(&Do::Ask(Ask::Wait)));
    assert_eq!(story.run.state().error, None);
}

#[test]
fn what_can_not_be_removed_is_tried_again_and_then_told() {
    let mut story = Story::running(never());
    story.exits(0);
    let held = || error(Why::Conflict("has active endpoints".into()));
    assert_eq!(story.answer(Ask::Remove, done()), asks([Ask::Clear]));
    for _ in 0..10 {
        assert_eq!(story.answer(Ask::Clear, held()), []);
        story.now += Duration::from_millis(500);
        assert_eq!(story.hear(Input::Tick), asks([Ask::Clear]));
    }
    let left = "left behind: do it on unix:///x: has active endpoints: see drowse clean";
    assert_eq!(story.answer(Ask::Clear, held()), [over(1, Some(left))]);
}

#[test]
fn a_container_that_somebody_else_removed_is_told() {
    let mut story = Story::running(never());
    story.hear(Input::Closed(Sense::Log));
    story.answer(Ask::Wait, Ok(Answer::Exit(137)));
    assert_eq!(story.answer(Ask::Look, none()), [Do::HangUp, Do::Ask(Ask::Clear)]);
    let words = "drowse-a1-web was removed by somebody else";
    assert_eq!(story.answer(Ask::Clear, done()), [over(137, Some(words))]);
}

//! YAML text to nodes that keep their text and position. Knows no types: `1.10` and `080` stay as
//! written until a field asks for a number. Pure.

use std::fmt;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use crate::sorted::{Map, Set};

/// How deep lists and maps may stand in each other, aliases followed.
const DEPTH_LIMIT: usize = 64;
/// How many values one text may hold, aliases followed.
const NODE_LIMIT: usize = 100_000;
/// How many bytes of text anchors and aliases may copy; without it a long text named often fills
/// the memory.
const COPY_LIMIT_BYTES: usize = 1 << 20;

/// A place in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// Why a text can't be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Position,
    /// What stands there, or what is missing.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}: {}", self.at.line, self.at.column, self.what)
    }
}

/// A value and where it begins. A value that an alias stands for has the place of its anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What stands there.
    pub value: Value,
    /// Where it begins.
    pub at: Position,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, or a plain `~` or `null`.
    Null,
    /// A text as written, escapes and folding resolved.
    Scalar {
        /// The text.
        text: String,
        /// Neither quoted, nor a block, nor tagged: a typed reader may take it for a number.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the text, no key twice. What `<<` brought in comes last.
    Map(Vec<(Key, Node)>),
}

/// The key of a mapping and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub at: Position,
}

/// Reads one document. An empty text is [`Value::Null`].
///
/// Anchors, aliases and merge keys (YAML 1.1 `<<`, a map or a list of maps) are resolved. A key
/// given twice, a second document, a key that is no text, and passing a limit are errors.
pub fn parse(text: &str) -> Result<Node, Problem> {
    if let Some(before) = text.find('\0') {
        return Err(problem(position_after(&text[..before]), "a NUL character"));
    }
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        anchors: Map::new(),
        nodes: 0,
        copied_bytes: 0,
    };
    let mut document = None;
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => break,
            (Event::DocumentStart(_), at) if document.is_some() => {
                return Err(problem(at, "a second document, expected one"));
            }
            (
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing,
                _,
            ) => {}
            (event, at) => document = Some(reader.node(event, at, 0)?),
        }
    }
    Ok(document.unwrap_or(Node { value: Value::Null, at: Position { line: 1, column: 1 } }))
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Finished values by the parser's anchor number.
    anchors: Map<usize, Node>,
    nodes: usize,
    copied_bytes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Position), Problem> {
        match self.events.next() {
            None => Ok((Event::StreamEnd, Position::default())),
            Some(Ok((event, span))) => Ok((event, begin(&span))),
            Some(Err(e)) => Err(problem(position(e.marker()), e.info())),
        }
    }

    /// The value that begins with `event`.
    fn node(&mut self, event: Event<'a>, at: Position, depth: usize) -> Result<Node, Problem> {
        check_depth(depth, at)?;
        self.count(1, at)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                (scalar(text.into_owned(), plain), anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, at, depth),
            _ => return Err(problem(at, "expected a value")),
        };
        let node = Node { value, at };
        if anchor > 0 {
            let copy = self.copy(&node, at, depth)?;
            self.anchors.insert(anchor, copy);
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(list)),
                (event, at) => list.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut map = Vec::new();
        let mut seen = Set::new();
        let mut merged = None;
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let (text, plain) = key(self.node(event, at, depth + 1)?)?;
            let (event, value_at) = self.next()?;
            let value = self.node(event, value_at, depth + 1)?;
            if !seen.insert(text.clone()) {
                return Err(problem(at, format!("the key `{text}` a second time")));
            }
            if text == "<<" && plain {
                merged = Some(value);
            } else {
                map.push((Key { text, at }, value));
            }
        }
        for (key, value) in sources(merged)?.into_iter().flatten() {
            if seen.insert(key.text.clone()) {
                map.push((key, value));
            }
        }
        Ok(Value::Map(map))
    }

    fn alias(&mut self, anchor: usize, at: Position, depth: usize) -> Result<Node, Problem> {
        // Taken out for the moment: a copy can't be made of what `self` holds.
        let Some(node) = self.anchors.remove(&anchor) else {
            return Err(problem(at, "an alias inside its own anchor"));
        };
        let copy = self.copy(&node, at, depth)?;
        self.anchors.insert(anchor, node);
        Ok(copy)
    }

    /// A copy, made only if the limits allow it.
    fn copy(&mut self, node: &Node, at: Position, depth: usize) -> Result<Node, Problem> {
        let size = size(node);
        check_depth(depth + size.height, at)?;
        self.count(size.nodes, at)?;
        self.copied_bytes += size.bytes;
        if self.copied_bytes > COPY_LIMIT_BYTES {
            return Err(problem(at, "too much text by aliases"));
        }
        Ok(node.clone())
    }

    fn count(&mut self, nodes: usize, at: Position) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes > NODE_LIMIT {
            return Err(problem(at, format!("too many values, at most {NODE_LIMIT}")));
        }
        Ok(())
    }
}

fn check_depth(depth: usize, at: Position) -> Result<(), Problem> {
    if depth > DEPTH_LIMIT {
        return Err(problem(at, format!("nested too deep, at most {DEPTH_LIMIT} levels")));
    }
    Ok(())
}

fn scalar(text: String, plain: bool) -> Value {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        _ => Value::Scalar { text, plain },
    }
}

fn key(node: Node) -> Result<(String, bool), Problem> {
    match node.value {
        Value::Scalar { text, plain } => Ok((text, plain)),
        Value::Null | Value::List(_) | Value::Map(_) => {
            Err(problem(node.at, "expected a text as key"))
        }
    }
}

/// The maps that a `<<` names, strongest first.
fn sources(merged: Option<Node>) -> Result<Vec<Vec<(Key, Node)>>, Problem> {
    let Some(merged) = merged else { return Ok(Vec::new()) };
    let maps = match merged.value {
        Value::List(maps) => maps,
        Value::Map(_) | Value::Null | Value::Scalar { .. } => vec![merged],
    };
    maps.into_iter()
        .map(|node| match node.value {
            Value::Map(map) => Ok(map),
            Value::Null | Value::Scalar { .. } | Value::List(_) => {
                Err(problem(node.at, "`<<` expected a map or a list of maps"))
            }
        })
        .collect()
}

#[derive(Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    height: usize,
}

fn size(node: &Node) -> Size {
    let mut sum = Size { nodes: 1, ..Size::default() };
    let mut add = |inner: Size| {
        sum.nodes += inner.nodes;
        sum.bytes += inner.bytes;
        sum.height = sum.height.max(inner.height + 1);
    };
    match &node.value {
        Value::Null => {}
        Value::Scalar { text, .. } => sum.bytes = text.len(),
        Value::List(list) => list.iter().for_each(|node| add(size(node))),
        Value::Map(map) => {
            for (key, node) in map {
                let inner = size(node);
                add(Size { bytes: inner.bytes + key.text.len(), ..inner });
            }
        }
    }
    sum
}

fn begin(span: &Span) -> Position {
    position(&span.start)
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn position_after(text: &str) -> Position {
    let line = text.matches('\n').count() + 1;
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position { line, column: last.chars().count() + 1 }
}

fn problem(at: Position, what: impl Into<String>) -> Problem {
    Problem { at, what: what.into() }
}

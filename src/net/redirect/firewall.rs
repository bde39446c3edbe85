//! Whether a host's firewall keeps out clients that a rule sends to the port of doors. Pure: reads
//! what `nft list ruleset` prints (iptables-nft, ufw and firewalld show there too), runs nothing.
//!
//! What was published by an engine never met an input chain; what is redirected does. A made-up
//! packet (new, TCP, from elsewhere, its destination translated) goes through each input chain; a
//! rule that may or may not match it, as one for a subnet, does not count for it.

/// How deep chains may jump into one another; the kernel allows 16.
const DEPTH: usize = 16;

/// Where redirected clients are kept out, and the command to run against that; `None`: nowhere.
pub fn judge(ruleset: &str, port: u16) -> Option<String> {
    let tables = tables(ruleset);
    for (family, others) in [("ip", "IPv4"), ("ip6", "IPv6")] {
        for table in tables.iter().filter(|table| [family, "inet"].contains(&table.family)) {
            let packet = Packet { family, port, table };
            let shut =
                table.chains.iter().filter(|chain| chain.filters_input).find(|chain| match packet
                    .meets(chain, DEPTH)
                {
                    Fate::Drop => true,
                    Fate::Accept => false,
                    Fate::On => chain.drops,
                });
            if let Some(chain) = shut {
                let command = command(ruleset, &packet, chain.name);
                return Some(format!(
                    "the host's firewall (table {} {}, chain {}) keeps clients of sleeping \
                     containers out over {others}: run `{command}`",
                    table.family, table.name, chain.name
                ));
            }
        }
    }
    None
}

fn command(ruleset: &str, packet: &Packet<'_>, chain: &str) -> String {
    let (table, port) = (packet.table, packet.port);
    match (table.family, table.name, chain) {
        ("ip" | "ip6", "filter", "INPUT") if ruleset.contains("chain ufw-") => {
            format!("ufw allow {port}/tcp")
        }
        ("ip", "filter", "INPUT") => {
            "iptables -I INPUT -m conntrack --ctstate DNAT -j ACCEPT".into()
        }
        ("ip6", "filter", "INPUT") => {
            "ip6tables -I INPUT -m conntrack --ctstate DNAT -j ACCEPT".into()
        }
        (_, "firewalld", _) => {
            format!("firewall-cmd --add-port={port}/tcp && firewall-cmd --runtime-to-permanent")
        }
        (family, name, chain) => {
            format!("nft insert rule {family} {name} {chain} ct status dnat accept")
        }
    }
}

#[derive(Debug)]
struct Table<'a> {
    family: &'a str,
    name: &'a str,
    chains: Vec<Chain<'a>>,
}

#[derive(Debug)]
struct Chain<'a> {
    name: &'a str,
    filters_input: bool,
    /// Its policy.
    drops: bool,
    rules: Vec<Vec<&'a str>>,
}

/// What becomes of a packet in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Accept,
    Drop,
    /// It goes on behind the chain.
    On,
}

/// Reads the tables; what is no chain (sets, maps, counters) is passed over.
fn tables(text: &str) -> Vec<Table<'_>> {
    let mut tables: Vec<Table<'_>> = Vec::new();
    let (mut depth, mut is_in_chain) = (0_usize, false);
    let mut rule: Vec<&str> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let count = |brace: &str| words.iter().filter(|word| word.contains(brace)).count();
        let (opened, closed) = (count("{"), count("}"));
        match (depth, words.as_slice()) {
            (0, ["table", family, name, ..]) => {
                tables.push(Table { family, name, chains: Vec::new() });
            }
            (1, ["chain", name, ..]) => {
                is_in_chain = true;
                let chain = Chain { name, filters_input: false, drops: false, rules: Vec::new() };
                if let Some(table) = tables.last_mut() {
                    table.chains.push(chain);
                }
            }
            (1, _) => is_in_chain = false,
            (2.., words) if is_in_chain => {
                rule.extend(words);
                // An anonymous set may go over several lines.
                if depth + opened - closed.min(depth + opened) == 2 {
                    let rule = std::mem::take(&mut rule);
                    if let Some(chain) = tables.last_mut().and_then(|table| table.chains.last_mut())
                    {
                        chain.add(rule);
                    }
                }
            }
            _ => {}
        }
        depth = (depth + opened).saturating_sub(closed);
        if depth < 2 {
            rule.clear();
        }
    }
    tables
}

impl<'a> Chain<'a> {
    fn add(&mut self, rule: Vec<&'a str>) {
        if rule.first() == Some(&"type") {
            self.filters_input = rule.starts_with(&["type", "filter", "hook", "input"]);
            self.drops = rule.windows(2).any(|pair| pair == ["policy", "drop;"]);
        } else if !rule.is_empty() {
            self.rules.push(rule);
        }
    }
}

/// The made-up packet, in a table.
#[derive(Clone, Copy)]
struct Packet<'a> {
    /// `ip` or `ip6`.
    family: &'a str,
    port: u16,
    table: &'a Table<'a>,
}

impl Packet<'_> {
    fn meets(&self, chain: &Chain<'_>, depth: usize) -> Fate {
        for rule in &chain.rules {
            let (fate, ends) = match self.verdict(rule) {
                Some(["accept", ..]) => (Fate::Accept, true),
                Some(["drop" | "reject", ..]) => (Fate::Drop, true),
                Some(["return", ..]) => return Fate::On,
                Some([how @ ("jump" | "goto"), name, ..]) if depth > 0 => {
                    let name = name.trim_end_matches(',');
                    let next = self.table.chains.iter().find(|chain| chain.name == name);
                    let fate = next.map_or(Fate::On, |next| self.meets(next, depth - 1));
                    (fate, *how == "goto")
                }
                _ => (Fate::On, false),
            };
            if ends || fate != Fate::On {
                return fate;
            }
        }
        Fate::On
    }

    /// The verdict of a rule, if the packet surely matches.
    fn verdict<'r>(&self, rule: &'r [&'r str]) -> Option<&'r [&'r str]> {
        let mut rest = rule;
        loop {
            let (matches, len) = match rest {
                ["accept" | "drop" | "reject" | "return" | "jump" | "goto", ..] => {
                    return Some(rest);
                }
                ["counter", "packets", _, "bytes", _, ..] => (true, 5),
                ["counter", ..] => (true, 1),
                ["log", ..] => (true, log_len(rest)),
                ["comment", ..] => (true, 1 + quoted_len(rest.get(1..).unwrap_or_default())),
                ["meta", "nfproto", "ipv4", ..] => (self.family == "ip", 3),
                ["meta", "nfproto", "ipv6", ..] => (self.family == "ip6", 3),
                ["meta", "l4proto", "tcp", ..] | ["ip", "protocol", "tcp", ..] => (true, 3),
                ["meta", "l4proto", "{", ..] => {
                    let (set, len) = set(rest.get(2..).unwrap_or_default());
                    (set.contains(&"tcp"), 2 + len)
                }
                ["ct", "status", "dnat", ..] => (true, 3),
                ["ct" | "tcp" | "th", "state" | "dport", "vmap", ..] => {
                    return self.mapped(rest);
                }
                ["ct", "state", ..] => {
                    let (set, len) = set(rest.get(2..).unwrap_or_default());
                    (set.iter().any(|states| states.split(',').any(|s| s == "new")), 2 + len)
                }
                ["tcp" | "th", "dport", "!=", ..] => {
                    let (set, len) = set(rest.get(3..).unwrap_or_default());
                    (!self.is_port_in(&set), 3 + len)
                }
                ["tcp" | "th", "dport", ..] => {
                    let (set, len) = set(rest.get(2..).unwrap_or_default());
                    (self.is_port_in(&set), 2 + len)
                }
                ["iif" | "iifname", "!=", "\"lo\"" | "lo", ..] => (true, 3),
                // What does not match, or may not.
                _ => (false, 0),
            };
            if !matches {
                return None;
            }
            rest = rest.get(len..)?;
        }
    }

    /// The verdict that a map gives to this packet.
    fn mapped<'r>(&self, rest: &'r [&'r str]) -> Option<&'r [&'r str]> {
        let is_key = |word: &str| match rest.first() {
            Some(&"ct") => word == "new",
            _ => self.is_port_in(&[word]),
        };
        let at = rest.windows(2).position(|pair| matches!(pair, [key, ":"] if is_key(key)))?;
        let verdict = rest.get(at + 2..)?;
        let word = |verdict: &str| match verdict.trim_end_matches(',') {
            "accept" => Some(&["accept"] as &[&str]),
            "drop" => Some(&["drop"] as &[&str]),
            _ => None,
        };
        word(verdict.first()?).or(Some(verdict))
    }

    fn is_port_in(&self, set: &[&str]) -> bool {
        let number = |text: &str| text.parse::<u16>().ok();
        set.iter().any(|element| match element.split_once('-') {
            None => number(element) == Some(self.port),
            Some((from, to)) => number(from)
                .zip(number(to))
                .is_some_and(|(from, to)| (from..=to).contains(&self.port)),
        })
    }
}

/// The elements of `{ a, b }`, or the one that stands alone; and how many words that was.
fn set<'r>(words: &'r [&'r str]) -> (Vec<&'r str>, usize) {
    match words {
        ["{", rest @ ..] => {
            let end = rest.iter().position(|word| *word == "}").unwrap_or(rest.len());
            let within = rest.get(..end).unwrap_or_default();
            (within.iter().map(|word| word.trim_end_matches(',')).collect(), end + 2)
        }
        [one, ..] => (vec![one], 1),
        [] => (Vec::new(), 0),
    }
}

fn log_len(rule: &[&str]) -> usize {
    match rule {
        [_, "prefix", text @ ..] => {
            let len = 2 + quoted_len(text);
            let rest = rule.get(len..).unwrap_or_default();
            if matches!(rest, ["level" | "flags" | "group", ..]) { len + 2 } else { len }
        }
        [_, "level" | "flags" | "group", ..] => 3,
        _ => 1,
    }
}

/// The words of a text in quotes.
fn quoted_len(words: &[&str]) -> usize {
    let closes = |(at, word): (usize, &&str)| word.ends_with('"') && (at > 0 || word.len() > 1);
    words.iter().enumerate().position(closes).map_or(words.len(), |at| at + 1)
}

#[cfg(test)]
mod tests;

//! Rulesets as `nft list ruleset` prints them, and what they mean for the port of doors.

use super::*;

fn input(policy: &str, rules: &[&str]) -> String {
    let rules = rules.join("\n\t\t");
    [
        "table inet filter {\n\tset known {\n\t\ttype ipv4_addr\n",
        "\t\telements = { 192.0.2.1,\n\t\t\t     192.0.2.2 }\n\t}\n\n",
        "\tchain input {\n\t\ttype filter hook input priority filter; policy ",
        &format!("{policy};\n\t\t{rules}\n\t}}\n\n"),
        "\tchain other {\n\t\ttcp dport { 22, 41960 } accept\n\t}\n\n",
        "\tchain shut {\n\t\tcounter packets 1 bytes 2 drop\n\t}\n}\n",
    ]
    .concat()
}

#[test]
fn each_rule_is_understood() {
    let table: [(&str, &[&str], bool); 22] = [
        ("accept", &[], false),
        ("drop", &[], true),
        ("drop", &["accept"], false),
        ("accept", &["drop"], true),
        ("accept", &["reject with icmpx admin-prohibited"], true),
        ("drop", &["ct state established,related accept", "iif \"lo\" accept"], true),
        ("drop", &["ct state { established, related, new } accept"], false),
        ("drop", &["ct state vmap { established : accept, invalid : drop, new : accept }"], false),
        ("accept", &["ct state vmap { established : accept, new : jump shut }"], true),
        ("drop", &["ct status dnat accept"], false),
        ("drop", &["tcp dport 41960 counter packets 0 bytes 0 accept"], false),
        ("drop", &["tcp dport { 22, 41000-42000 } accept comment \"doors of it\""], false),
        ("drop", &["tcp dport { 22,", "80 } accept"], true),
        ("drop", &["tcp dport { 22,", "41960 } accept"], false),
        ("drop", &["udp dport 41960 accept", "meta l4proto icmp accept"], true),
        ("drop", &["meta l4proto { tcp, udp } accept"], false),
        ("drop", &["jump other"], false),
        ("accept", &["ip saddr 192.0.2.0/24 drop", "iifname \"eth1\" drop"], false),
        ("drop", &["ip saddr 192.0.2.0/24 accept"], true),
        ("accept", &["tcp dport != 22 log prefix \"in: no\" level info drop"], true),
        ("accept", &["iifname != \"lo\" goto shut"], true),
        ("accept", &["meta nfproto ipv6 drop"], true),
    ];
    for (policy, rules, is_shut) in table {
        let said = judge(&input(policy, rules), 41960);
        assert_eq!(said.is_some(), is_shut, "policy {policy}, {rules:?}: {said:?}");
    }
}

#[test]
fn the_command_is_that_of_who_keeps_the_firewall() {
    let said = judge(&input("drop", &[]), 41960).unwrap();
    assert_eq!(
        said,
        "the host's firewall (table inet filter, chain input) keeps clients of sleeping containers \
         out over IPv4: run `nft insert rule inet filter input ct status dnat accept`"
    );
    let chain = |family: &str, name: &str, chain: &str| {
        format!(
            "table {family} {name} {{\n\tchain {chain} {{\n\t\ttype filter hook input priority \
             filter; policy drop;\n\t}}\n}}\n"
        )
    };
    let table = [
        (chain("ip", "filter", "INPUT"), "iptables -I INPUT -m conntrack --ctstate DNAT -j ACCEPT"),
        (
            chain("ip6", "filter", "INPUT"),
            "ip6tables -I INPUT -m conntrack --ctstate DNAT -j ACCEPT",
        ),
        (
            chain("ip", "filter", "INPUT")
                + "table ip filter {\n\tchain ufw-user-input {\n\t}\n}\n",
            "ufw allow 41960/tcp",
        ),
        (
            chain("inet", "firewalld", "filter_INPUT"),
            "firewall-cmd --add-port=41960/tcp && firewall-cmd --runtime-to-permanent",
        ),
    ];
    for (text, command) in table {
        let said = judge(&text, 41960).unwrap();
        assert!(said.ends_with(&format!(": run `{command}`")), "{said}");
    }
}

#[test]
fn our_own_table_keeps_nobody_out() {
    let text = crate::net::redirect::ruleset::anew(41960, &[], &Default::default());
    assert_eq!(judge(&text, 41960), None);
    assert_eq!(judge("", 41960), None);
}

#[test]
fn chains_that_jump_in_a_circle_end() {
    let text = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority 0; policy \
                accept;\n\t\tjump a\n\t}\n\tchain a {\n\t\tjump a\n\t\tdrop\n\t}\n}\n";
    assert!(judge(text, 41960).is_some());
}

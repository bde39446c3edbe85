//! TLS as engines use it, with certificates right and wrong. The certificates are in
//! `testdata/tls`, made by its `make.sh`.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drowse::error::Why;
use drowse::http::{Method, Patience};
use drowse::net::blocking::Client;
use drowse::net::{Endpoint, Identity, Route, Tls, Trust};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::server::Answer::{self, Text};
use super::server::{self, Script, Server, call, get, soon};

pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(name)).unwrap()
}

/// Whom a server lets in.
#[derive(Clone, Copy)]
pub enum Clients {
    Anybody,
    OnlySignedBy(&'static str),
}

/// A server with this certificate, and the endpoint to reach it by `engine.test`.
fn server(cert: &str, clients: Clients, answers: Vec<Answer>) -> (Endpoint, Server) {
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    server_of(&versions, cert, clients, answers)
}

pub fn server_of(
    versions: &[&'static rustls::SupportedProtocolVersion],
    cert: &str,
    clients: Clients,
    answers: Vec<Answer>,
) -> (Endpoint, Server) {
    serving(versions, cert, clients, vec![answers])
}

/// The same, with a script for each connection.
pub fn serving(
    versions: &[&'static rustls::SupportedProtocolVersion],
    cert: &str,
    clients: Clients,
    scripts: Vec<Script>,
) -> (Endpoint, Server) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = match clients {
        Clients::Anybody => builder.with_no_client_auth(),
        Clients::OnlySignedBy(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(ca)).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = Arc::new(builder.with_single_cert(vec![certificate(cert)], key).unwrap());
    let (endpoint, server) = server::tcp(scripts, move |stream: TcpStream| {
        StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)
    });
    let Route::Tcp { host, port } = endpoint.route else { unreachable!() };
    let tls = Tls {
        trust: Trust::Ca(file("ca.pem")),
        identity: None,
        server_name: Some("engine.test".into()),
    };
    (Endpoint { route: Route::Tls { host, port, tls }, ..endpoint }, server)
}

pub fn setup(endpoint: &mut Endpoint) -> &mut Tls {
    let Route::Tls { tls, .. } = &mut endpoint.route else { unreachable!() };
    tls
}

pub fn us() -> Option<Identity> {
    Some(Identity { cert: file("client.pem"), key: file("client.key") })
}

fn reached(endpoint: &Endpoint) -> Result<String, Why> {
    get(&Client::open(endpoint)?, "/list")
}

fn unreachable(text: &str) -> Result<String, Why> {
    Err(Why::Unreachable(text.into()))
}

#[test]
fn mutual_tls_keeps_its_connection_too() {
    let clients = Clients::OnlySignedBy("ca.pem");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let answers = vec![Text("one"), Text("two")];
        let (mut at, server) = server_of(&[version], "server.pem", clients, answers);
        setup(&mut at).identity = us();
        let client = Client::open(&at).unwrap();
        assert_eq!((get(&client, "/1"), get(&client, "/2")), (Ok("one".into()), Ok("two".into())));
        drop(client);
        assert_eq!(server.join().unwrap().len(), 2);
    }
}

#[test]
fn without_server_name_the_host_is_what_the_certificate_must_carry() {
    let (mut at, _server) = server("server.pem", Clients::Anybody, vec![Text("hello")]);
    setup(&mut at).server_name = None;
    assert_eq!(reached(&at), Ok("hello".into()));
    let (mut at, _server) = server("elsewhere.pem", Clients::Anybody, vec![Text("")]);
    setup(&mut at).server_name = None;
    let text = "the server's certificate is for elsewhere.test, 192.0.2.1, not for localhost";
    assert_eq!(reached(&at), unreachable(text));
}

#[test]
fn a_wrong_certificate_of_the_server_is_told_by_what_is_wrong_with_it() {
    let (mut at, _server) = server("server.pem", Clients::Anybody, vec![Text("")]);
    setup(&mut at).trust = Trust::Ca(file("other-ca.pem"));
    let other = file("other-ca.pem");
    let text = format!("the server's certificate is not signed by {}", other.display());
    assert_eq!(reached(&at), unreachable(&text));

    let (at, _server) = server("elsewhere.pem", Clients::Anybody, vec![Text("")]);
    let text = "the server's certificate is for elsewhere.test, 192.0.2.1, not for engine.test";
    assert_eq!(reached(&at), unreachable(text));

    let (at, _server) = server("nameless.pem", Clients::Anybody, vec![Text("")]);
    let text = "the server's certificate carries no name at all (subjectAltName), not engine.test";
    assert_eq!(reached(&at), unreachable(text));

    let (at, _server) = server("expired.pem", Clients::Anybody, vec![Text("")]);
    let Err(Why::Unreachable(text)) = reached(&at) else { panic!("an expired one was taken") };
    let days = text.strip_prefix("the server's certificate expired ");
    let days: u64 = days.and_then(|rest| rest.strip_suffix(" days ago")).unwrap().parse().unwrap();
    assert!(days > 2000);
}

#[test]
fn a_missing_client_certificate_is_told_though_the_handshake_was_fine() {
    let clients = Clients::OnlySignedBy("ca.pem");
    let (at, _server) =
        server_of(&[&rustls::version::TLS13], "server.pem", clients, vec![Text("")]);
    let text = "the server wants a client certificate, and none is configured";
    assert_eq!(reached(&at), unreachable(text));

    let (at, _server) =
        server_of(&[&rustls::version::TLS12], "server.pem", clients, vec![Text("")]);
    let Err(Why::Unreachable(text)) = reached(&at) else { panic!("it was let in") };
    assert!(text.contains("client certificate"), "{text}");
}

#[test]
fn a_client_certificate_of_another_ca_is_told_by_its_file() {
    let clients = Clients::OnlySignedBy("other-ca.pem");
    let (mut at, _server) = server("server.pem", clients, vec![Text("")]);
    setup(&mut at).identity = us();
    let text = format!(
        "the server refuses the client certificate {}: its issuer is unknown there",
        file("client.pem").display()
    );
    assert_eq!(reached(&at), unreachable(&text));
}

#[test]
fn a_refused_client_certificate_is_told_even_where_the_upload_broke_first() {
    let clients = Clients::OnlySignedBy("ca.pem");
    let (at, _server) =
        server_of(&[&rustls::version::TLS13], "server.pem", clients, vec![Text("")]);
    let mut upload = call(Method::Put, "/archive");
    upload.request.body = vec![b'x'; 8 << 20];
    let why = Client::open(&at).unwrap().run(&upload, soon()).unwrap_err().why;
    let text = "the server wants a client certificate, and none is configured";
    assert_eq!(why, Why::Unreachable(text.into()));
}

#[test]
fn an_upload_larger_than_all_buffers_arrives_whole() {
    let (at, server) = server("server.pem", Clients::Anybody, vec![Text("stored")]);
    let mut upload = call(Method::Put, "/archive");
    upload.request.body = vec![b'x'; 8 << 20];
    let reply = Client::open(&at).unwrap().run(&upload, soon()).unwrap();
    assert_eq!(reply.body, b"stored");
    let seen = server.join().unwrap();
    let received = seen[0].bytes().rev().take_while(|byte| *byte == b'x').count();
    assert_eq!(received, 8 << 20);
}

#[test]
fn a_pinned_certificate_is_taken_alone_and_insecure_takes_any() {
    let hash = |name| {
        let provider = rustls::crypto::ring::default_provider();
        let mut suites = provider.cipher_suites.iter().filter_map(|suite| suite.tls13());
        let sha256 = suites.find(|suite| suite.common.hash_provider.output_len() == 32).unwrap();
        <[u8; 32]>::try_from(sha256.common.hash_provider.hash(&certificate(name)).as_ref()).unwrap()
    };
    let (mut at, _server) = server("expired.pem", Clients::Anybody, vec![Text("pinned")]);
    setup(&mut at).trust = Trust::Fingerprint(hash("expired.pem"));
    assert_eq!(reached(&at), Ok("pinned".into()));

    let (mut at, _server) = server("expired.pem", Clients::Anybody, vec![Text("")]);
    setup(&mut at).trust = Trust::Fingerprint(hash("server.pem"));
    let Err(Why::Unreachable(text)) = reached(&at) else { panic!("another one was taken") };
    let found: String = hash("expired.pem").iter().map(|byte| format!(":{byte:02X}")).collect();
    assert_eq!(
        text,
        format!("the server's certificate is not the pinned one: its SHA-256 is {}", &found[1..])
    );

    let (mut at, _server) = server("elsewhere.pem", Clients::Anybody, vec![Text("any")]);
    setup(&mut at).trust = Trust::Insecure;
    assert_eq!(reached(&at), Ok("any".into()));
}

/// An endpoint that expects TLS at a port where `server` does something else.
fn no_tls(serve: fn(TcpStream)) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || serve(listener.accept().unwrap().0));
    let tls = Tls { trust: Trust::Insecure, identity: None, server_name: None };
    let route = Route::Tls { host: "127.0.0.1".into(), port, tls };
    Endpoint { url: "tls:".into(), authority: "d".into(), route }
}

#[test]
fn tls_at_a_port_without_it_is_told() {
    let at = no_tls(|mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap());
    let text = "what answers there does not speak TLS: is it plain HTTP (tcp://)?";
    assert_eq!(reached(&at), unreachable(text));
    let text = "the other side broke off the TLS handshake: does it speak TLS?";
    assert_eq!(reached(&no_tls(drop)), unreachable(text));
}

#[test]
fn a_handshake_that_never_ends_is_over_at_the_deadline() {
    let at = no_tls(|stream| while stream.peek(&mut [0]).is_ok_and(|n| n > 0) {});
    let mut asked = call(Method::Get, "/list");
    asked.patience = Patience::Within(Duration::from_millis(100));
    let why = Client::open(&at).unwrap().run(&asked, soon()).unwrap_err().why;
    let Why::TimedOut(limit) = why else { panic!("{why:?}") };
    assert!(limit <= Duration::from_millis(100));
}

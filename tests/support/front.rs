//! A way in for clients of the real service: a proxy for CONNECT that plays the service's hosts over
//! TLS, with a certificate authority of its own, and passes everything on to a sandbox.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

/// The hosts that the sandbox stands in for.
const HOSTS: &[&str] = &[
    "photoslibrary.googleapis.com",
    "oauth2.googleapis.com",
    "accounts.google.com",
    "www.googleapis.com",
    "openidconnect.googleapis.com",
];

/// A running front.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// The certificate that a client has to trust.
    pub(crate) ca_pem: String,
    strangers: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// Listens on a free port, for a sandbox at `behind`.
    pub(crate) async fn start(behind: SocketAddr) -> Self {
        let (ca_pem, tls) = certificates();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let strangers = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&strangers);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (tls, seen) = (tls.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    // A connection that breaks is the client's affair.
                    let _ = pass(client, &tls, behind, &seen).await;
                });
            }
        });
        Self {
            address,
            ca_pem,
            strangers,
        }
    }

    /// Hosts that were asked for and are not ours.
    pub(crate) fn strangers(&self) -> Vec<String> {
        self.strangers.lock().unwrap().clone()
    }
}

async fn pass(
    mut client: TcpStream,
    tls: &TlsAcceptor,
    behind: SocketAddr,
    strangers: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 8192 {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or("").to_owned();
    let host = target.split(':').next().unwrap_or("");
    if !head.starts_with("CONNECT ") || !HOSTS.contains(&host) {
        strangers.lock().unwrap().push(target);
        let refusal = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
        return client.write_all(refusal).await;
    }
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    let mut client = tls.accept(client).await?;
    let mut sandbox = TcpStream::connect(behind).await?;
    copy_bidirectional(&mut client, &mut sandbox)
        .await
        .map(|_| ())
}

/// An authority, and what a server of all hosts needs.
fn certificates() -> (String, TlsAcceptor) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(DnType::CommonName, "Albumen test authority");
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);

    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = HOSTS.iter().map(|host| (*host).to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (ca_pem, TlsAcceptor::from(Arc::new(config)))
}

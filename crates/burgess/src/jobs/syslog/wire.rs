//! The connection to a receiver: TLS under roots of its own, or plain TCP on this machine.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::outlets::Syslog;

/// What may wait in this machine's kernel for the receiver to take it. Linux doubles the number.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;
/// More than ever waits there: what has this much sent after it was taken by the receiver's kernel.
pub(super) const IN_FLIGHT_BYTES_MAX: u64 = 1 << 20;
/// After this long without a word that it was taken, the kernel gives a connection up; less than
/// [`super::Pace::settled`].
const UNTAKEN_MILLIS_MAX: u32 = 4_000;
/// How long a connection may take to come about.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

/// An open connection.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Wire for T {}

/// Connects, and checks who is there.
pub(super) async fn connect(receiver: &Syslog) -> io::Result<Box<dyn Wire>> {
    tokio::time::timeout(CONNECT_TIME_MAX, open(receiver))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn open(receiver: &Syslog) -> io::Result<Box<dyn Wire>> {
    let tcp = reach(&receiver.address).await?;
    let Some(roots) = &receiver.ca else {
        return Ok(Box::new(tcp));
    };
    let config = crate::tls::trusting(roots).map_err(io::Error::other)?;
    let host = receiver.host().unwrap_or_default().to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let tls = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    Ok(Box::new(tls))
}

/// The first of the host's addresses that answers.
async fn reach(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in tokio::net::lookup_host(address).await? {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        match socket.connect(address).await {
            Ok(tcp) => {
                // A receiver that takes nothing is noticed before anything counts as taken.
                set_tcp_user_timeout(&tcp, UNTAKEN_MILLIS_MAX)?;
                return Ok(tcp);
            }
            Err(cause) => failed = cause,
        }
    }
    Err(failed)
}

/// Resolves when the receiver ends the connection. It has nothing to say to us.
pub(super) async fn ended(mut reading: impl AsyncRead + Unpin) -> io::Error {
    let mut heard = [0; 1_024];
    loop {
        match reading.read(&mut heard).await {
            Ok(0) => return io::Error::new(io::ErrorKind::ConnectionAborted, "it hung up"),
            Ok(_) => {}
            Err(cause) => return cause,
        }
    }
}

//! One connection that is kept open, as a caller with many jobs would keep it.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::error::BenchError;

/// A request that can be sent many times.
pub(crate) type Call = Request<Full<Bytes>>;

/// One HTTP/1.1 connection.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Errors of the connection come out of the requests as well.
        let driver = tokio::spawn(async { drop(connection.await) });
        Ok(Self { sender, driver })
    }

    /// Sends a request and reads the answer's status and headers.
    pub(crate) async fn send(&mut self, call: &Call) -> Result<Response<Incoming>, BenchError> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(call.clone()).await?)
    }

    /// Sends a request and reads the whole answer; any other status than `expected` is an error.
    pub(crate) async fn call(&mut self, call: &Call, expected: StatusCode) -> Result<Bytes, BenchError> {
        let response = self.send(call).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status == expected { Ok(body) } else { Err(unexpected(call, status, &body)) }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The error for an answer that a measurement can't use.
pub(crate) fn unexpected(call: &Call, status: StatusCode, body: &[u8]) -> BenchError {
    let body = String::from_utf8_lossy(body).chars().take(500).collect();
    BenchError::Answer { request: format!("{} {}", call.method(), call.uri()), status: status.as_u16(), body }
}

/// A GET of that path.
pub(crate) fn get(path: &'static str) -> Call {
    request(Method::GET, path, &[], Bytes::new())
}

/// A POST of JSON to that path.
pub(crate) fn post(path: &'static str, headers: &[(&'static str, String)], body: impl Into<Bytes>) -> Call {
    let mut call = request(Method::POST, path, headers, body.into());
    call.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    call
}

fn request(method: Method, path: &'static str, headers: &[(&'static str, String)], body: Bytes) -> Call {
    let mut call = Request::new(Full::new(body));
    *call.method_mut() = method;
    *call.uri_mut() = hyper::Uri::from_static(path);
    call.headers_mut().insert("host", hyper::header::HeaderValue::from_static("127.0.0.1"));
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            call.headers_mut().insert(*name, value);
        }
    }
    call
}

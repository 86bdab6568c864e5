//! The head of a request, read within limits and parsed without mercy.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::refusal::Refusal;

/// Bytes that a head may have, with its last empty line. Common servers take 8 to 16 KiB.
const MOST_BYTES: usize = 32 * 1024;
const MOST_FIELDS: usize = 100;
const END: &[u8] = b"\r\n\r\n";

/// A request line and header fields that every reader reads in the same way.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    /// The 1 or 0 of HTTP/1.1 and HTTP/1.0.
    pub(super) minor_version: u8,
    fields: Vec<(String, Vec<u8>)>,
}

/// Reads up to the end of a head, and gives its length; more may have been read.
///
/// # Errors
/// What to answer; nothing where the client has left.
pub(super) async fn read(client: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> Result<usize, Option<Refusal>> {
    let mut searched = 0;
    loop {
        if let Some(at) = read[searched..].windows(END.len()).position(|four| four == END) {
            return Ok(searched + at + END.len());
        }
        searched = read.len().saturating_sub(END.len() - 1);
        if read.len() >= MOST_BYTES {
            return Err(Some(Refusal::too_large()));
        }
        if !matches!(client.read_buf(read).await, Ok(1..)) {
            return Err(None);
        }
        // Whoever speaks something else would wait for an answer as long as we wait for a line.
        if !read[0].is_ascii_uppercase() {
            return Err(Some(Refusal::malformed("it does not begin with a method of HTTP")));
        }
    }
}

/// Parses a whole head. Line ends other than CR LF, folded fields and control characters are refused: two programs that read
/// them differently would see two different requests.
pub(super) fn parse(bytes: &[u8]) -> Result<Head, Refusal> {
    if bytes.len() > MOST_BYTES {
        return Err(Refusal::too_large());
    }
    if !has_whole_line_ends(bytes) {
        return Err(Refusal::malformed("a line of its head does not end in CR LF"));
    }
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(bytes);
    let (Ok(httparse::Status::Complete(_)), Some(method), Some(target), Some(minor_version)) =
        (status, request.method, request.path, request.version)
    else {
        return Err(Refusal::malformed("the head is not one of HTTP/1.1"));
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let fields = request.headers.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec())).collect();
    Ok(Head { method, target, minor_version, fields })
}

fn has_whole_line_ends(bytes: &[u8]) -> bool {
    let is_whole = |(at, byte): (usize, &u8)| match byte {
        b'\n' => at > 0 && bytes[at - 1] == b'\r',
        b'\r' => bytes.get(at + 1) == Some(&b'\n'),
        _ => true,
    };
    bytes.iter().enumerate().all(is_whole)
}

impl Head {
    /// All fields in their order, names in lower case.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The value of a field that may stand there once.
    pub(super) fn single(&self, name: &'static str) -> Result<Option<&[u8]>, Refusal> {
        let mut values = self.fields().filter(|(other, _)| *other == name).map(|(_, value)| value);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => Err(Refusal::malformed(&format!("there are two {name} fields"))),
        }
    }
}

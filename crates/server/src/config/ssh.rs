//! What the server authenticates with at hosts of repositories over SSH, and what they authenticate with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";

/// `[repositories.ssh]`: needed where `ssh` is among the schemes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SshSettings {
    /// An unencrypted private key as `ssh-keygen` writes it, `file:/run/secrets/x` or `env:NAME`.
    pub key: Option<Secret>,
    /// The keys of hosts as `ssh-keyscan` prints them, or `file:/etc/legwork/known_hosts`. A host that is not among them
    /// is not trusted.
    pub known_hosts: Option<String>,
}

impl SshSettings {
    /// The key and the hosts, where both are set.
    pub fn both(&self) -> Option<(&Secret, &str)> {
        self.key.as_ref().zip(self.known_hosts.as_deref())
    }

    /// The first setting that makes no sense, and what would be right.
    pub(super) fn problem(&self, is_used: bool) -> Option<(&'static str, String)> {
        const KEY: &str = "repositories.ssh.key";
        const HOSTS: &str = "repositories.ssh.known_hosts";
        match &self.key {
            None if is_used => {
                let message =
                    "is missing, but `ssh` is among `repositories.schemes`; name a private key: file:PATH or env:NAME";
                return Some((KEY, message.into()));
            }
            Some(key) => {
                if let Err(message) = is_private_key(key.expose()) {
                    return Some((KEY, message.into()));
                }
            }
            None => {}
        }
        match &self.known_hosts {
            None if is_used => {
                let message = "is missing, but `ssh` is among `repositories.schemes`; give the lines that `ssh-keyscan HOST` \
                               prints, or file:PATH, once they were compared with what the host's operator publishes";
                Some((HOSTS, message.into()))
            }
            Some(lines) => wrong_line(lines).map(|problem| (HOSTS, problem)),
            None => None,
        }
    }
}

/// As far as can be told without asking OpenSSH.
fn is_private_key(text: &str) -> Result<(), &'static str> {
    const OTHER: &str = "is no private key of OpenSSH, which begins with `-----BEGIN OPENSSH PRIVATE KEY-----`; \
                         make one with `ssh-keygen -t ed25519 -N ''`";
    const ANOTHER_FORM: &str =
        "is a private key in another form than OpenSSH's; rewrite it with `ssh-keygen -p -N '' -f FILE`";
    let text = text.trim();
    if text.starts_with("-----BEGIN") && text.contains("PRIVATE KEY-----") && !text.starts_with(BEGIN) {
        return Err(ANOTHER_FORM);
    }
    let inner = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(OTHER)?;
    let packed: String = inner.split_whitespace().collect();
    let bytes = STANDARD.decode(packed).map_err(|_| "is a private key of OpenSSH that is damaged")?;
    // The name of the cipher, after its length in four bytes.
    let cipher = bytes.strip_prefix(b"openssh-key-v1\0").ok_or("is a private key of OpenSSH that is damaged")?;
    if cipher.starts_with(b"\0\0\0\x04none") {
        return Ok(());
    }
    Err(
        "is encrypted, and nobody is there to type its passphrase; make one without, or remove it with `ssh-keygen -p -N '' -f FILE`",
    )
}

fn wrong_line(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    if lines.peek().is_none() {
        return Some("names no host; give the lines that `ssh-keyscan HOST` prints".into());
    }
    let wrong = lines.find(|line| !is_host(line))?;
    let begin: String = wrong.chars().take(40).collect();
    Some(format!("`{begin}` is no line of known hosts, such as `host.org ssh-ed25519 AAAA…`"))
}

/// Hosts, the kind of key and the key, after a mark where there is one.
fn is_host(line: &str) -> bool {
    let mut parts = line.split_whitespace().skip_while(|part| part.starts_with('@'));
    let (hosts, kind, key) = (parts.next(), parts.next(), parts.next());
    hosts.is_some() && kind.is_some() && key.is_some_and(|key| STANDARD.decode(key).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "# comment\nhost.org,[h]:2222 ssh-ed25519 AAAA\n@cert-authority *.h.org ssh-rsa AAAA note\n";

    fn key(cipher: &str) -> String {
        let length = u8::try_from(cipher.len()).expect("short");
        let bytes = [b"openssh-key-v1\0\0\0\0".as_slice(), &[length], cipher.as_bytes(), b"rest"].concat();
        format!("{BEGIN}\n{}\n{END}", STANDARD.encode(bytes))
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_with_what_would_be_right() {
        let plain = || Some(key("none"));
        let hosts = || Some(HOSTS);
        for (key, known_hosts, expected) in [
            (None, None, "repositories.ssh.key is missing"),
            (plain(), None, "repositories.ssh.known_hosts is missing"),
            (Some("hunter2".to_owned()), hosts(), "repositories.ssh.key is no private key of OpenSSH"),
            (Some("ssh-ed25519 AAAA a@b".to_owned()), hosts(), "repositories.ssh.key is no private key of OpenSSH"),
            (
                Some("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----".to_owned()),
                hosts(),
                "repositories.ssh.key is a private key in another form",
            ),
            (
                Some(format!("{BEGIN}\nAAAA\n{END}")),
                hosts(),
                "repositories.ssh.key is a private key of OpenSSH that is damaged",
            ),
            (Some(key("aes256-ctr")), hosts(), "repositories.ssh.key is encrypted"),
            (plain(), Some("# none\n"), "repositories.ssh.known_hosts names no host"),
            (plain(), Some("host.org\n"), "repositories.ssh.known_hosts `host.org` is no line"),
        ] {
            let settings = SshSettings { key: key.map(Secret::new), known_hosts: known_hosts.map(str::to_owned) };
            let (setting, message) = settings.problem(true).expect(expected);
            assert!(format!("{setting} {message}").starts_with(expected), "{setting} {message}");
        }
        let right = SshSettings { key: plain().map(Secret::new), known_hosts: Some(HOSTS.into()) };
        assert_eq!(right.problem(true), None);
        assert_eq!(SshSettings::default().problem(false), None);
    }
}

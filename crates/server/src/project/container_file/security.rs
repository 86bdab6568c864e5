//! `security`: as whom a run's processes run, and what they may change and reach.

use super::ContainerFile;
use super::fault::{Placed, Problem};
use super::reader::{Mapping, Reader};
use super::yaml::Node;
use crate::parse::domain;

const KEYS: [&str; 6] =
    ["runAsUser", "readOnlyRoot", "noNewPrivileges", "dropCapabilities", "networkMode", "allowedDomains"];
/// Higher ones mean "nobody in particular" to some calls, and engines refuse them.
pub const MOST_USER: u32 = i32::MAX.unsigned_abs();
/// As many hosts may be listed.
pub const MOST_DOMAINS: usize = 200;
const MOST_CAPABILITIES: usize = 64;

/// `networkMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Nothing but what `allowedDomains` lists.
    None,
    /// Every public host.
    Bridge,
}

impl Reader {
    pub(super) fn security(&mut self, node: Node, file: &mut ContainerFile) {
        let mut security = self.mapping(node, "security", &KEYS);
        file.user = self.user(&mut security);
        if let Some(node) = security.take("readOnlyRoot") {
            file.read_only_root = self.bool(&node, "security.readOnlyRoot");
        }
        if let Some(node) = security.take("noNewPrivileges")
            && let Some(Placed { value: false, place }) = self.bool(&node, "security.noNewPrivileges")
        {
            self.note(place, "security.noNewPrivileges", Problem::NewPrivileges);
        }
        if let Some(node) = security.take("dropCapabilities") {
            self.capabilities(node);
        }
        file.network = self.network(&mut security);
        file.allowed_domains = self.domains(&mut security);
        if let (Some(Placed { value: Network::Bridge, place }), Some(_)) = (file.network, &file.allowed_domains) {
            self.note(place, "security.networkMode", Problem::WayAround);
        }
    }

    fn user(&mut self, security: &mut Mapping) -> Option<u32> {
        let user = self.number(&security.take("runAsUser")?, "security.runAsUser")?;
        if user.value == 0 {
            self.note(user.place, "security.runAsUser", Problem::Root);
        }
        if user.value > MOST_USER {
            self.wrong_value(
                user.place,
                "security.runAsUser",
                &user.value.to_string(),
                "is no id that a user can have",
            );
        }
        Some(user.value)
    }

    /// All of them are dropped anyway; so it is only seen to it that they are some.
    fn capabilities(&mut self, node: Node) {
        let path = "security.dropCapabilities";
        for (at, node) in self.list(node, path, MOST_CAPABILITIES).into_iter().flatten().enumerate() {
            self.checked(node, &format!("{path}[{at}]"), capability);
        }
    }

    fn network(&mut self, security: &mut Mapping) -> Option<Placed<Network>> {
        let path = "security.networkMode";
        let Placed { value, place } = self.text(security.take("networkMode")?, path)?;
        let value = match value.as_str() {
            "none" => Network::None,
            "bridge" => Network::Bridge,
            "host" => {
                self.note(place, path, Problem::HostNetwork);
                return None;
            }
            other => {
                self.wrong_value(place, path, other, "is nothing that a run can have; write `none` or `bridge`");
                return None;
            }
        };
        Some(Placed { value, place })
    }

    fn domains(&mut self, security: &mut Mapping) -> Option<Vec<Placed<String>>> {
        let path = "security.allowedDomains";
        let list = self.list(security.take("allowedDomains")?, path, MOST_DOMAINS)?;
        let checked = |(at, node)| self.checked(node, &format!("{path}[{at}]"), domain);
        Some(list.into_iter().enumerate().filter_map(checked).collect())
    }
}

fn capability(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if plain && (1..=32).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err("is no capability; write `ALL`, or names such as `NET_RAW`".to_owned())
}

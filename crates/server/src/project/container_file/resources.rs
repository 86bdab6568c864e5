//! `resources`: what a run may use.

use std::str::FromStr;

use legwork_model::QuantityError;
use legwork_model::quantity::parse_duration;

use super::ContainerFile;
use super::fault::{Problem, shown};
use super::reader::{Mapping, Reader};
use super::yaml::Node;

const KEYS: [&str; 5] = ["memory", "timeout", "cpu", "pids", "disk"];

impl Reader {
    pub(super) fn resources(&mut self, node: Node, file: &mut ContainerFile) {
        let mut resources = self.mapping(node, "resources", &KEYS);
        file.memory = self.quantity(&mut resources, "memory", FromStr::from_str);
        file.cpus = self.quantity(&mut resources, "cpu", FromStr::from_str);
        file.disk = self.quantity(&mut resources, "disk", FromStr::from_str);
        file.timeout = self.quantity(&mut resources, "timeout", parse_duration);
        let Some(node) = resources.take("pids") else { return };
        match self.number(&node, "resources.pids").map(|pids| pids.value) {
            Some(0) => self.note(node.place, "resources.pids", Problem::Quantity(QuantityError::Zero)),
            pids => file.pids = pids,
        }
    }

    fn quantity<T>(
        &mut self,
        resources: &mut Mapping,
        key: &str,
        read: fn(&str) -> Result<T, QuantityError>,
    ) -> Option<T> {
        let path = resources.path(key);
        let written = self.amount(resources.take(key)?, &path)?;
        // What is shown of an amount is all of it.
        match read(&shown(&written.value)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.note(written.place, path, Problem::Quantity(error));
                None
            }
        }
    }
}

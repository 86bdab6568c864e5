//! What may be spent.

use legwork_model::{Cost, Zone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::parse::nearest;

/// `[budgets]`. The budgets themselves are made through the API.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetSettings {
    /// What is set aside for a job that names no `limits.maxCostUsd`, in the budgets that are about it: `"$0.50"`.
    #[schemars(schema_with = "written_cost")]
    pub reserve: Cost,
    /// Where days and months begin, as the IANA names it: `"Europe/Berlin"`. A budget keeps the one it was made with.
    pub time_zone: String,
}

fn written_cost(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["number", "string"] })
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { reserve: Cost::from_micros(500_000), time_zone: "UTC".to_owned() }
    }
}

impl BudgetSettings {
    /// The time zone.
    pub fn zone(&self) -> Zone {
        self.time_zone.parse().unwrap_or_default()
    }

    /// What is wrong with them: the setting, and what would be right.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let error = self.time_zone.parse::<Zone>().err()?;
        let names = Zone::names();
        let near = nearest(&self.time_zone, names.iter().map(String::as_str));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Some(("budgets.time_zone", format!("{error}{near}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_there_is_not_names_the_nearest() {
        let with = |zone: &str| BudgetSettings { time_zone: zone.to_owned(), ..BudgetSettings::default() };
        assert_eq!(with("Europe/Berlin").problem(), None);
        let (setting, message) = with("Europe/Berlim").problem().expect("a problem");
        assert_eq!(setting, "budgets.time_zone");
        assert!(message.starts_with("there is no time zone `Europe/Berlim`"), "{message}");
        assert!(message.ends_with("did you mean `Europe/Berlin`?"), "{message}");
    }
}
